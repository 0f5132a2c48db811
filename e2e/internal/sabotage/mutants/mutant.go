// Package mutants lists the deliberate breakages by which the suite is tried: each stands
// for a way in which a distribution can be broken, and names the cases that must notice.
package mutants

import (
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/sabotage/changes"
	"procns/e2e/internal/sabotage/gateway"
	"procns/e2e/internal/sabotage/wrapper"
)

// Mutant is one deliberate breakage. Exactly one of Runtime, Admission, Policy, Gateway and Node
// says how it is made, but for the control, which breaks nothing.
type Mutant struct {
	// Name is that of the RuntimeClass and of its handler, where there is one.
	Name string
	// Breaks says in one sentence what is wrong, and Imitates where that has been seen.
	Breaks, Imitates string

	// Runtime breaks what runc is called with, or acts around the call.
	Runtime *wrapper.Breakage
	// Admission changes what the API server is about to store, for pods of the RuntimeClass.
	Admission changes.Change
	// Policy has the API server refuse pods, as a ValidatingAdmissionPolicy.
	Policy *Policy
	// Gateway stands between the suite and the API server. As no webhook and no policy of the
	// cluster does what it does, it stands for a broken API server.
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
	// Chance are those that turn non-conformant or not, as two things race: each has its reason.
	Chance []Expected
	// Notices are the cases that must turn inconclusive: what they turn on was changed or refused,
	// though not by what they judge. To call it conformant is as wrong as to call it non-conformant.
	Notices []Expected
	// Named is what the reasons of Notices have to name, such as the webhook's name.
	Named string
	// Blurs are those that may turn inconclusive, because the suite truly cannot tell.
	Blurs []Expected
	// Foreign says why the suite is to take the cluster for one that it did not make; empty where it
	// is not. (Behind a gateway it always does.)
	Foreign string
	// Harmless says why no case may notice anything, where what is changed is allowed.
	Harmless string
}

// Policy is a rule for new pods.
type Policy struct {
	// Expression is what must be true, in CEL, of object; Message is said of a pod for which it is not.
	Expression, Message string
	// Offends makes a pod one that is refused.
	Offends func(*corev1.PodSpec)
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

// Alone tells whether the mutant is tried with no other beside it: it breaks the node for all, waits
// for an upgrade, or is a policy for the pods of all. (What its Disruptions restart is another matter: they come later.)
func (m Mutant) Alone() bool { return m.Node != "" || m.Between != "" || m.Policy != nil }

// HasClass tells whether the mutant's pods have a RuntimeClass of its own.
func (m Mutant) HasClass() bool { return m.Gateway == nil && m.Node == "" && m.Policy == nil }

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
func Changes() map[string]changes.Change {
	all := map[string]changes.Change{}
	for _, m := range All() {
		if m.Admission != nil {
			all[m.Name] = m.Admission
		}
	}
	return all
}
