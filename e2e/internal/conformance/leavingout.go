package conformance

import (
	"slices"
	"sync"

	"procns/e2e/internal/progress"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// leftOut are the targets that were no targets any more when their turn came.
type leftOut struct {
	mu      sync.Mutex
	reasons map[string]string // by target
}

func (l *leftOut) note(target suite.Target, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reasons == nil {
		l.reasons = map[string]string{}
	}
	l.reasons[target.Name()] = why
}

// apart takes them out of the targets.
func (l *leftOut) apart(targets []suite.Target) (rest []suite.Target, out []report.LeftOut) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest = slices.DeleteFunc(slices.Clone(targets), func(t suite.Target) bool {
		why, left := l.reasons[t.Name()]
		if left {
			out = append(out, report.LeftOut{Node: t.Name(), Reason: why})
		}
		return left
	})
	return rest, out
}

// leaveOut has a target have no results. Who waits for them is told that there are none.
func (c *Run) leaveOut(target suite.Target, why string) {
	c.leftOut.note(target, why)
	for _, one := range ordinary(c.Cases) {
		if !c.Asks(target, one) {
			continue
		}
		r := suite.Result{Case: one, Target: target, Outcome: suite.Skipped, Reason: "the node was left out: " + why}
		c.view.Tell(progress.Ended(r, c.Require.Decides(one.Level)))
		c.results.put(r)
		c.waiting.ended(r, c.Require)
	}
}

// noteLeftOut has the report tell of the targets that were left out during the run.
func (c *Run) noteLeftOut() {
	rest, out := c.leftOut.apart(c.report.Targets)
	c.report.Targets, c.report.LeftOut = rest, append(c.report.LeftOut, out...)
}
