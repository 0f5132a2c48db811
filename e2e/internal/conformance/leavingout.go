package conformance

import (
	"fmt"
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
	for _, one := range ordinary(c.CasesOn(target)) {
		r := suite.Result{Case: one, Target: target, Outcome: suite.Skipped, Reason: "the node was left out: " + why}
		c.view.Tell(progress.Ended(r, c.Require.Decides(one.Level)))
		c.results.put(r)
		c.waiting.ended(r, c.Require)
	}
}

// noteLeftOut has the report tell of the targets that were left out during the run.
func (c *Run) noteLeftOut() {
	all := c.report.Targets
	rest, out := c.leftOut.apart(all)
	c.report.Targets, c.report.LeftOut = rest, append(c.report.LeftOut, out...)
	if name := unsampled(c.report.Sweep, all, rest); name != "" && c.report.Problem == "" {
		c.report.CannotTell = true
		c.report.Problem = fmt.Sprintf("%s was left out, the one node of its kind of which all was to be asked: -resume asks another", name)
	}
}

// unsampled is the sample of a sweep that was left out while others of its kind were asked, of
// which no other is the sample; "" where each kind has one.
func unsampled(sweep *suite.Scope, all, rest []suite.Target) string {
	if sweep == nil {
		return ""
	}
	sampled, asked := map[suite.Model]bool{}, map[suite.Model]bool{}
	for _, t := range rest {
		asked[t.Model()] = true
		if slices.Contains(sweep.Samples, t.Name()) {
			sampled[t.Model()] = true
		}
	}
	for _, t := range all {
		if m := t.Model(); asked[m] && !sampled[m] && slices.Contains(sweep.Samples, t.Name()) {
			return t.Name()
		}
	}
	return ""
}
