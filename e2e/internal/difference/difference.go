// Package difference compares a pod as it was sent with the pod that the server
// stored. It is pure: it knows the JSON form of pods, and no client.
package difference

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Difference is one thing that the cluster changed.
type Difference struct {
	// Path is where, such as spec.containers[shell].image.
	Path  string `json:"path"`
	Class Class  `json:"class"`
	// Container is the container that it is about, or that was added or removed;
	// empty where it is the pod.
	Container string `json:"container,omitempty"`
	// Sent and Stored are the values in JSON; empty where there is none.
	Sent   string `json:"sent,omitempty"`
	Stored string `json:"stored,omitempty"`
}

// Entry is the key of the list's or map's entry that the path ends with: the
// capability, the container, the label. It is empty where it ends with a field.
func (d Difference) Entry() string {
	open := strings.LastIndex(d.Path, "[")
	if open < 0 || !strings.HasSuffix(d.Path, "]") {
		return ""
	}
	return d.Path[open+1 : len(d.Path)-1]
}

// Options are what the comparison has to know.
type Options struct {
	// Before says that the pod's ephemeral containers are still to be added.
	Before bool
}

// Pods compares a pod as it was sent, or the template that a workload made it of,
// with the pod as it was stored: the whole specification, the labels, annotations
// and finalizers. What is a fact of every cluster is left out. The differences are
// in the order of their paths.
func Pods(sent, stored *corev1.Pod, options Options) []Difference {
	w := walker{made: made{by: kindOf(stored.OwnerReferences), later: options.Before, annotations: appArmorAnnotations(sent)}}
	w.walk(path{{name: "spec"}}, plain(sent.Spec), plain(stored.Spec))
	w.walk(path{{name: "metadata"}}, metadata(sent.ObjectMeta), metadata(stored.ObjectMeta))
	slices.SortStableFunc(w.found, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	return w.found
}

func kindOf(owners []metav1.OwnerReference) string {
	for _, owner := range owners {
		if owner.Controller != nil && *owner.Controller {
			return owner.Kind
		}
	}
	return ""
}

func metadata(of metav1.ObjectMeta) any {
	return plain(metav1.ObjectMeta{Labels: of.Labels, Annotations: of.Annotations, Finalizers: of.Finalizers})
}

// plain is an object's JSON form.
func plain(object any) any {
	raw, err := json.Marshal(object)
	if err != nil {
		return nil // what the API's types hold can be encoded
	}
	var data any
	if json.Unmarshal(raw, &data) != nil {
		return nil
	}
	return data
}

// walker goes through two objects side by side.
type walker struct {
	made  made
	found []Difference
	// above are the objects, as sent and as stored, in which the current path lies.
	above []pair
}

type pair struct{ sent, stored map[string]any }

func (w *walker) walk(at path, sent, stored any) {
	sent, stored = unless(sent), unless(stored)
	if reflect.DeepEqual(sent, stored) {
		return
	}
	if at.isKey() && (sent == nil || stored == nil) {
		w.note(at, sent, stored)
		return
	}
	a, b, entries, ok := sides(at, sent, stored)
	if !ok {
		w.note(at, sent, stored)
		return
	}
	w.above = append(w.above, pair{a, b})
	names := maps.Clone(a)
	if names == nil {
		names = map[string]any{}
	}
	maps.Copy(names, b)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		w.walk(at.with(segment{name, entries}), a[name], b[name])
	}
	w.above = w.above[:len(w.above)-1]
}

// unless is a value, or nil where it says no more than its absence.
func unless(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return value
}

func (w *walker) note(at path, sent, stored any) {
	if fact(at, sent, stored, w.above, w.made) {
		return
	}
	class := classify(at, sent, stored)
	w.found = append(w.found, Difference{
		Path: at.String(), Class: class, Container: at.container(), Sent: text(sent), Stored: text(kept(class, stored)),
	})
}

// kept is what may be told of a stored value: what a cluster puts into environments,
// and what it tells containers of its own to run, may hold credentials.
func kept(class Class, stored any) any {
	object, ok := stored.(map[string]any)
	switch class {
	case ContainerAdded, InitContainerAdded:
		if ok {
			return map[string]any{"name": object["name"], "image": object["image"]}
		}
	case Environment, EnvironmentAdded:
		switch {
		case ok:
			return map[string]any{"name": object["name"]}
		case stored != nil:
			return "(not kept)"
		}
	}
	return stored
}

func text(value any) string {
	if value == nil {
		return ""
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}

// entriesOf says of lists by which field their entries are told apart; "" means by
// their whole content.
var entriesOf = map[string]string{
	"containers": "name", "initContainers": "name", "ephemeralContainers": "name", "volumes": "name", "env": "name",
	"volumeMounts": "mountPath", "imagePullSecrets": "name", "resizePolicy": "resourceName", "schedulingGates": "name",
	"tolerations": "", "finalizers": "", "supplementalGroups": "", "add": "", "drop": "",
}

// mapsOf are the objects whose fields are entries, with names of the users' own.
var mapsOf = map[string]bool{
	"labels": true, "annotations": true, "nodeSelector": true, "requests": true, "limits": true, "overhead": true,
}

// whole are lists whose order is all their meaning.
var whole = map[string]bool{"command": true, "args": true}

// sides are both values as objects whose fields can be compared one by one, where
// they can; entries says that they are lists or maps of entries.
func sides(at path, sent, stored any) (a, b map[string]any, entries, ok bool) {
	a, okA := sent.(map[string]any)
	b, okB := stored.(map[string]any)
	if (okA || sent == nil) && (okB || stored == nil) {
		return a, b, mapsOf[at.last()], true
	}
	listA, okA := sent.([]any)
	listB, okB := stored.([]any)
	if !(okA || sent == nil) || !(okB || stored == nil) || whole[at.last()] {
		return nil, nil, false, false
	}
	by, known := entriesOf[at.last()]
	if !known && len(listA) != len(listB) {
		return nil, nil, false, false
	}
	return entriesIn(at, listA, by, known), entriesIn(at, listB, by, known), true, true
}

func entriesIn(at path, list []any, by string, known bool) map[string]any {
	all := map[string]any{}
	for i, entry := range list {
		key := fmt.Sprint(i)
		if known {
			key = keyOf(at, entry, by)
		}
		all[key] = entry
		if word, ok := entry.(string); ok && known {
			all[key] = strings.TrimPrefix(strings.ToUpper(word), "CAP_")
			if at.last() == "finalizers" {
				all[key] = word
			}
		}
	}
	return all
}

func keyOf(at path, entry any, by string) string {
	if word, ok := entry.(string); ok {
		if at.last() == "finalizers" {
			return word
		}
		return strings.TrimPrefix(strings.ToUpper(word), "CAP_") // a capability
	}
	if object, ok := entry.(map[string]any); ok && by != "" {
		if key, ok := object[by].(string); ok {
			return key
		}
	}
	return text(entry)
}
