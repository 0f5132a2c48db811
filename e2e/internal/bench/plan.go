package bench

import (
	"regexp"
	"strconv"

	"procns/e2e/internal/suite"
)

// growth is how many cases are run besides Core and all of them, to see how a run grows.
var growth = []int{10, 50}

// Plan are the subjects of one round, in their order: what is compared stands side by side, so that a
// machine that becomes slower does so for both. only selects by name; nil: all.
func Plan(targets []int, only *regexp.Regexp) []Subject {
	var all []Subject
	add := func(what, cases string, targets int) {
		s := Subject{what, cases, targets}
		if only == nil || only.MatchString(s.String()) {
			all = append(all, s)
		}
	}
	for i, n := range targets {
		for _, cases := range []string{CoreCases, AllCases} {
			add(Limit, cases, n)
			add(Suite, cases, n)
		}
		for _, cases := range growth {
			add(Suite, strconv.Itoa(cases), n)
		}
		if i == 0 { // these know one node
			add(ByHand, CoreCases, 1)
			add(Framework, Walkthrough, 1)
		}
		// It is small enough to show how a run grows with targets where two processors are those of all nodes.
		add(Limit, Walkthrough, n)
		add(Suite, Walkthrough, n)
	}
	return all
}

// Selection are the flags that select a subject's cases.
func (s Subject) Selection(catalogue []suite.Case) []string {
	switch s.Cases {
	case AllCases:
		return nil
	case CoreCases:
		return []string{"-level", "core"}
	case Walkthrough:
		return []string{"-run", Walkthrough}
	}
	var flags []string
	many, _ := strconv.Atoi(s.Cases) // made by Plan
	for _, c := range spread(catalogue, many) {
		flags = append(flags, "-run", c.ID)
	}
	return flags
}

// spread takes so many cases, at even distances, so that they are of all areas.
func spread(all []suite.Case, many int) []suite.Case {
	many = min(many, len(all))
	some := make([]suite.Case, many)
	for i := range some {
		some[i] = all[i*len(all)/many]
	}
	return some
}
