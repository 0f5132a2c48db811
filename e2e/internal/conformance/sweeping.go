package conformance

import (
	"fmt"

	"procns/e2e/cases"
	"procns/e2e/internal/options"
	"procns/e2e/internal/preflight"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// chooseScope says which cases are asked where, once the targets are known.
func (c *Run) chooseScope() {
	if c.Profile == options.Sweep {
		c.report.Sweep = suite.NewScope(c.report.Targets, c.Cases, cases.Everywhere)
		c.report.Notes = append(c.report.Notes, fmt.Sprintf(
			"a sweep: of %d cases, %d are asked on every target, and all on one of each kind of node (%d of %d)",
			len(c.Cases), c.askedEverywhere(), len(c.report.Sweep.Samples), len(c.report.Targets)))
	}
	c.asking.set(c.report.Targets, c.report.Sweep.CasesOn(c.Cases))
}

// CasesOn are the cases that are asked on a target, as they are asked there: in a sweep, not every
// one is, nor with the same pods on each.
func (c *Run) CasesOn(target suite.Target) []suite.Case {
	if casesOn := c.asking.of(); casesOn != nil {
		return casesOn(target)
	}
	return c.Cases
}

// everyWay are the cases in each way in which the run may ask them: a case that is asked with other
// pods on some of the targets is there twice.
func (c *Run) everyWay() []suite.Case {
	if c.Profile != options.Sweep {
		return c.Cases
	}
	return suite.WithSwept(c.Cases)
}

// askedEverywhere is how many cases a sweep asks on every target.
func (c *Run) askedEverywhere() int {
	if c.report.Sweep == nil {
		return 0
	}
	return len(c.report.Sweep.Everywhere)
}

// estimate says what the run would ask of the cluster, and how long it would take.
func (c *Run) estimate() (preflight.Check, error) {
	cost, err := c.cost()
	if err != nil {
		return preflight.Check{}, err
	}
	starting := c.startingAtOnce()
	takes := cost.Takes(suite.Limits{QPS: c.QPS, Parallel: c.Parallel, Starting: starting})
	return preflight.Check{Name: "estimate", State: preflight.Note, Said: fmt.Sprintf(
		"%s, in about %d min at -qps %g, -parallel %d and -starting %d: a run of these cases on these nodes",
		cost, suite.Minutes(takes), c.QPS, c.Parallel, starting)}, nil
}

// cost is that of all targets together.
func (c *Run) cost() (suite.Cost, error) {
	all, err := suite.CostOf(c.Cases, fixtures.Read)
	if err != nil || c.report.Sweep == nil {
		return all.Times(len(c.report.Targets)), err
	}
	samples := len(c.report.Sweep.Samples)
	few, err := suite.CostOf(c.CasesOn(suite.Target{}), fixtures.Read) // on one that is no sample
	others := few.Times(len(c.report.Targets) - samples)
	if !c.KeepOnFailure {
		others = few.Together(len(c.report.Targets) - samples)
	}
	return all.Times(samples).Plus(others), err
}
