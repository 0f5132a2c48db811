package conformance

import (
	"fmt"
	"testing"

	"gotest.tools/v3/assert"

	"procns/e2e/cases"
	"procns/e2e/internal/options"
	"procns/e2e/internal/suite"
)

func coreCases() []suite.Case {
	var core []suite.Case
	for _, c := range cases.All() {
		if c.Level == suite.Core {
			core = append(core, c)
		}
	}
	return core
}

// TestASweepIsCheap: on each node but one of each kind, two pods, and three execs: five requests, with
// the pods' creation, and one more for each ten nodes, which deletes them.
func TestASweepIsCheap(t *testing.T) {
	const nodes = 5000
	c := &Run{Options: options.Options{Profile: options.Sweep}, Cases: coreCases()}
	for i := range nodes {
		c.report.Targets = append(c.report.Targets, suite.Target{Node: fmt.Sprint("node", i)})
	}
	c.chooseScope()
	assert.DeepEqual(t, c.report.Sweep.Samples, []string{"node0"})
	assert.Equal(t, c.askedEverywhere(), 3)
	assert.Equal(t, len(c.CasesOn(c.report.Targets[0])), len(c.Cases))
	assert.Equal(t, len(c.CasesOn(c.report.Targets[1])), 3)
	all, err := c.cost()
	assert.NilError(t, err)
	c.report.Targets = c.report.Targets[:1]
	one, err := c.cost()
	assert.NilError(t, err)
	assert.DeepEqual(t, suite.Cost{Pods: all.Pods - one.Pods, Execs: all.Execs - one.Execs, Requests: all.Requests - one.Requests},
		suite.Cost{Pods: 2 * (nodes - 1), Execs: 3 * (nodes - 1), Requests: 5*(nodes-1) + nodes/10})
}

// TestTheEstimateIsNear what a run of Core was measured to take: 59 pods, 268 execs and 494 requests.
func TestTheEstimateIsNear(t *testing.T) {
	c := &Run{Cases: coreCases()}
	c.report.Targets = []suite.Target{{Node: "a"}}
	cost, err := c.cost()
	assert.NilError(t, err)
	for what, row := range map[string][2]int{"pods": {cost.Pods, 59}, "execs": {cost.Execs, 268}, "requests": {cost.Requests, 494}} {
		assert.Assert(t, row[0]*3 > row[1]*2 && row[0]*2 < row[1]*3, "%s: %d estimated, %d measured", what, row[0], row[1])
	}
}
