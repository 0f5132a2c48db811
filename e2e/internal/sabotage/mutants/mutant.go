// Package mutants lists the deliberate breakages by which the suite is tried: each stands
// for a way in which a distribution can be broken, and names the cases that must notice.
package mutants

import (
	"procns/e2e/internal/sabotage/gateway"
	"procns/e2e/internal/sabotage/webhook"
	"procns/e2e/internal/sabotage/wrapper"
)

// Mutant is one deliberate breakage. Exactly one of Runtime, Admission, Gateway and Node
// says how it is made, but for the control, which breaks nothing.
type Mutant struct {
	// Name is that of the RuntimeClass and of its handler, where there is one.
	Name string
	// Breaks says in one sentence what is wrong, and Imitates where that has been seen.
	Breaks, Imitates string

	// Runtime breaks what runc is called with, or acts around the call.
	Runtime *wrapper.Breakage
	// Admission changes what the API server is about to store, for pods of the RuntimeClass.
	Admission webhook.Change
	// Gateway stands between the suite and the API server.
	Gateway *gateway.Gateway
	// Node is a script that breaks the worker; it runs there as root.
	Node string
	// Between is a script that has Runtime begin to break: it runs on the worker, as root, after
	// a run of the suite with -phase before and ahead of one with -phase after. The cases of the
	// area upgrade are run under such a mutant, and no others.
	Between string

	// Run are the cases that are run under it, as for -run: those that it may concern.
	// Empty means all but the disruptions.
	Run []string
	// Confined says why nothing else may be run under it; empty where it may.
	Confined string
	// Disruptions are cases of that area that are run as well, with nothing beside them: they
	// restart the node that all mutants are on.
	Disruptions []string

	// Falls are the cases that must turn non-conformant.
	Falls []Expected
	// Blurs are those that turn inconclusive, because the suite truly cannot tell.
	Blurs []Expected
}

// Expected are cases that are expected to end in one way, and why, where that is not
// plain from what the mutant breaks.
type Expected struct {
	// Cases are patterns as for -run. One with ! before it takes cases out again. Shares
	// and Isolated stand for sets of cases.
	Cases []string
	Why   string
}

// The sets of cases that patterns can name.
const (
	// Shares are the cases whose pod shares and whose control is the same pod isolated.
	Shares = "@shares"
	// Isolated are those the other way round.
	Isolated = "@isolated"
)

// Control is the name of the mutant that breaks nothing: the wrapper alone.
const Control = "unbroken"

// Alone tells whether the mutant is tried with no other beside it: it breaks the node for all, or
// waits for an upgrade. (What its Disruptions restart is another matter: they come later.)
func (m Mutant) Alone() bool { return m.Node != "" || m.Between != "" }

// HasClass tells whether the mutant's pods have a RuntimeClass of its own.
func (m Mutant) HasClass() bool { return m.Gateway == nil && m.Node == "" }

// Handler is the RuntimeClass's handler: the mutant's own, or the node's usual one.
func (m Mutant) Handler() string {
	if m.Runtime != nil {
		return m.Name
	}
	return "runc"
}

// Named returns the mutant of a name.
func Named(name string) (Mutant, bool) {
	for _, m := range All() {
		if m.Name == name {
			return m, true
		}
	}
	return Mutant{}, false
}

// Changes are the admission mutants, by the RuntimeClass that asks for them.
func Changes() map[string]webhook.Change {
	changes := map[string]webhook.Change{}
	for _, m := range All() {
		if m.Admission != nil {
			changes[m.Name] = m.Admission
		}
	}
	return changes
}
