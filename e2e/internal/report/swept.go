package report

import (
	"slices"

	"procns/e2e/internal/suite"
)

// notAsked is what tables say where a sweep does not ask a case.
const notAsked = "not asked"

// everywhere is how many cases of a level (of all levels: "") a sweep asks on every target. A
// sweep is of Core cases.
func (r Run) everywhere(level suite.Level) int {
	if r.Sweep == nil || level != "" && level != suite.Core {
		return 0
	}
	return len(r.Sweep.Everywhere)
}

// asked is on how many of the targets a case is asked.
func (r Run) asked(id string) int {
	everywhere := 0
	if r.Sweep != nil && slices.Contains(r.Sweep.Everywhere, id) {
		everywhere = 1
	}
	return r.Sweep.On(r.targets(), 1, everywhere)
}
