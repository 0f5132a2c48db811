// Package witness keeps, between the two runs before and after an upgrade, what
// the first has seen of its witnesses; and says what became of them. It is pure:
// package cluster reads and writes.
package witness

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/suite"
)

const (
	// Namespace is where witnesses wait: at one name, so that a later run finds
	// them, and an earlier one that there are some already.
	Namespace = "procns-witnesses"
	// Label is on that namespace, with the ID of the run that left them.
	Label = "procns.witnesses"
	// Schema names the version of the state's format.
	Schema = "procns.witnesses/v1"

	headName = "witnesses"
	headKey  = "witnesses.json"
	oneKey   = "witness.json"
)

// State is what the run after an upgrade must know. It is kept in the cluster, in
// ConfigMaps: one for each witness, because of their limit of 1 MiB, and one with
// all else, which is written last, and without which the others do not count.
type State struct {
	Schema  string    `json:"schema"`
	RunID   string    `json:"run"`
	Left    time.Time `json:"left"`
	Suite   string    `json:"suite"`  // version
	Server  string    `json:"server"` // version
	Cluster string    `json:"cluster"`
	// Digests are the SHA-256 of the other ConfigMaps' texts, by their names.
	Digests map[string]string `json:"digests"`

	Witnesses []suite.Witness `json:"-"`
}

// How to get rid of witnesses that nobody can judge.
const giveUp = "delete them with -cleanup -witnesses, and begin anew with -phase before"

// ErrNone means that no witness waits.
var ErrNone = errors.New("no witnesses wait on this cluster (there is no namespace " + Namespace + "): they are left by a run with -phase before, before the upgrade")

// Encode returns the ConfigMaps in the order in which they are to be created.
func (s State) Encode() ([]*corev1.ConfigMap, error) {
	s.Schema, s.Digests = Schema, map[string]string{}
	var all []*corev1.ConfigMap
	add := func(name, key string, content any) error {
		text, err := json.Marshal(content)
		if err != nil {
			return err
		}
		c := &corev1.ConfigMap{Data: map[string]string{key: string(text)}}
		c.Name = name
		all = append(all, c)
		if name != headName {
			s.Digests[name] = digest(string(text))
		}
		return nil
	}
	for i, w := range s.Witnesses {
		if err := add(fmt.Sprintf("witness-%d", i), oneKey, w); err != nil {
			return nil, err
		}
	}
	return all, add(headName, headKey, s)
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Decode reads the ConfigMaps of the witnesses' namespace. cluster is the UID of
// the cluster that they were read from. Its errors say in one line what is wrong
// with the state, and what to do.
func Decode(from []corev1.ConfigMap, cluster string) (State, error) {
	texts := map[string]string{}
	for _, c := range from {
		texts[c.Name] = c.Data[headKey] + c.Data[oneKey]
	}
	head, ok := texts[headName]
	if !ok {
		return State{}, errors.New("the witnesses in namespace " + Namespace + " are not complete: the run that left them did not come to its end: " + giveUp)
	}
	var s State
	if err := json.Unmarshal([]byte(head), &s); err != nil {
		return State{}, damaged("ConfigMap %s is no JSON of ours: %v", headName, err)
	}
	const unknown = "unknown"
	switch {
	case s.Schema != Schema:
		return State{}, fmt.Errorf("the witnesses were left in the schema %q, and this suite reads %q: judge them with the suite that left them (%s), or %s", s.Schema, Schema, s.Suite, giveUp)
	case s.Cluster != cluster && s.Cluster != unknown && cluster != unknown:
		return State{}, fmt.Errorf("the witnesses are those of another cluster (%s, this is %s), as where one is restored from another: %s", s.Cluster, cluster, giveUp)
	case len(s.Digests) == 0:
		return State{}, damaged("it names no witness")
	}
	seen := map[suite.WitnessKey]bool{}
	for _, name := range slices.Sorted(maps.Keys(s.Digests)) {
		text, ok := texts[name]
		if !ok {
			return State{}, damaged("ConfigMap %s is missing", name)
		}
		if digest(text) != s.Digests[name] {
			return State{}, damaged("ConfigMap %s is not what was left", name)
		}
		var w suite.Witness
		if err := json.Unmarshal([]byte(text), &w); err != nil {
			return State{}, damaged("ConfigMap %s is no witness: %v", name, err)
		}
		if seen[w.Key()] {
			return State{}, damaged("there are two witnesses of %s on %s", w.File, w.Target.Name())
		}
		seen[w.Key()] = true
		s.Witnesses = append(s.Witnesses, w)
	}
	return s, nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("the state of the witnesses in namespace %s is damaged: %w: %s", Namespace, fmt.Errorf(format, args...), giveUp)
}

// Taken says that a run cannot leave witnesses, because there are some already.
// maps are the ConfigMaps of their namespace.
func Taken(from []corev1.ConfigMap) error {
	for _, c := range from {
		var s State
		if c.Name == headName && json.Unmarshal([]byte(c.Data[headKey]), &s) == nil {
			return fmt.Errorf("the witnesses of run %s, left at %s under Kubernetes %s, wait already: judge them with -phase after, or %s",
				s.RunID, s.Left.UTC().Format(time.DateTime), s.Server, giveUp)
		}
	}
	return errors.New("there is a namespace " + Namespace + " already, of a run that still goes on or did not come to its end: wait for it, or " + giveUp)
}
