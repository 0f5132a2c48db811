// Package runtimes writes docs/RUNTIMES.md: what several container runtimes did on the same cluster,
// each result that is not conformant with its explanation.
package runtimes

import (
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"procns/e2e/internal/suite"
)

//go:embed differences.yaml
var explained []byte

// Class is what a difference means.
type Class string

// The classes, each with the outcomes that it can explain.
const (
	// Violates: the runtime breaks the claim. A link leads to where that is followed.
	Violates Class = "violates"
	// Differs: what an Informational case measured is otherwise there. Nobody promises it.
	Differs Class = "differs"
	// NotApplicable: the case was skipped, and it is told how that was proved.
	NotApplicable Class = "does-not-apply"
	// CannotTell: the runtime keeps from view what would have to be seen, or does not start the pod.
	CannotTell Class = "cannot-be-told"
	// SetUp: the way in which the suite's own cluster has the runtime is the reason, and not the runtime.
	SetUp Class = "set-up"
)

// titles are the headings of the page, in its order.
var titles = []struct {
	class Class
	title string
	about string
}{
	{Violates, "Violations", "The runtime does not do what is claimed."},
	{Differs, "Informational cases that differ", "Nobody promises these: what was measured is otherwise there."},
	{NotApplicable, "Claims that do not apply", "They were skipped, with a proof."},
	{CannotTell, "What cannot be told", "The runtime keeps from view what would have to be seen, or does not start such a pod: never a pass, and no violation."},
	{SetUp, "Due to how this cluster is made", "The runtime itself is not the reason."},
}

// Difference explains why cases are not conformant on a runtime.
type Difference struct {
	// Runtime is the name of a RuntimeClass; "default" is the node's own.
	Runtime string        `json:"runtime"`
	Cases   []string      `json:"cases"`
	Outcome suite.Outcome `json:"outcome"`
	Class   Class         `json:"class"`
	Why     string        `json:"why"`
	Link    string        `json:"link,omitempty"`
}

// Explained are the differences of differences.yaml.
func Explained() ([]Difference, error) { return ParseDifferences(explained) }

// ParseDifferences reads such a file strictly.
func ParseDifferences(text []byte) ([]Difference, error) {
	var file struct {
		Differences []Difference `json:"differences"`
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		return nil, err
	}
	seen := map[[2]string]bool{}
	for i, d := range file.Differences {
		if err := d.check(); err != nil {
			return nil, fmt.Errorf("difference %d: %w", i+1, err)
		}
		for _, id := range d.Cases {
			key := [2]string{d.Runtime, id}
			if seen[key] {
				return nil, fmt.Errorf("difference %d: %s on %s is explained twice", i+1, id, d.Runtime)
			}
			seen[key] = true
		}
	}
	return file.Differences, nil
}

func (d Difference) check() error {
	if d.Runtime == "" || len(d.Cases) == 0 || slices.Contains(d.Cases, "") || strings.TrimSpace(d.Why) == "" {
		return errors.New("each has runtime, cases, outcome, class and why")
	}
	want, ok := map[Class][]suite.Outcome{
		Violates:      {suite.NonConformant},
		Differs:       {suite.NonConformant},
		NotApplicable: {suite.Skipped},
		CannotTell:    {suite.Inconclusive},
		SetUp:         {suite.NonConformant, suite.Inconclusive},
	}[d.Class]
	if !ok {
		return fmt.Errorf("there is no class %q", d.Class)
	}
	if !slices.Contains(want, d.Outcome) {
		return fmt.Errorf("what is %q cannot be of the class %q", d.Outcome, d.Class)
	}
	if d.Link == "" && d.Class == Violates {
		return errors.New("a violation has a link to where it is followed")
	}
	if d.Link != "" {
		link, err := url.Parse(d.Link)
		if err != nil || link.Host == "" || link.Scheme != "https" {
			return fmt.Errorf("link %q is no https address", d.Link)
		}
	}
	return nil
}
