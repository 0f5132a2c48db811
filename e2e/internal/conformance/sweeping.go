package conformance

import (
	"fmt"

	"procns/e2e/cases"
	"procns/e2e/internal/options"
	"procns/e2e/internal/suite"
)

// chooseScope says which cases are asked where, once the targets are known.
func (c *Run) chooseScope() {
	if c.Profile == options.Sweep {
		c.report.Sweep = suite.NewScope(c.report.Targets, c.Cases, cases.Everywhere)
		c.report.Notes = append(c.report.Notes, fmt.Sprintf(
			"a sweep: of %d cases, %d are asked on every target, and all on one of each kind of node (%d of %d)",
			len(c.Cases), c.askedEverywhere(), len(c.report.Sweep.Samples), len(c.report.Targets)))
	}
	c.asks = c.report.Sweep.Asks()
}

// Asks tells whether a case is asked on a target: in a sweep, not every one is.
func (c *Run) Asks(target suite.Target, one suite.Case) bool {
	return c.asks == nil || c.asks(one.ID, target.Name())
}

// askedEverywhere is how many cases a sweep asks on every target.
func (c *Run) askedEverywhere() int {
	if c.report.Sweep == nil {
		return 0
	}
	return len(c.report.Sweep.Everywhere)
}
