package conformance

import (
	"testing"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

func TestLeftOutTargetsAreNoTargets(t *testing.T) {
	var l leftOut
	targets := []suite.Target{{Node: "a"}, {Node: "b", RuntimeClass: "gvisor"}, {Node: "c"}}
	rest, out := l.apart(targets)
	assert.DeepEqual(t, rest, targets)
	assert.Equal(t, len(out), 0)
	l.note(targets[1], "deleted during the run")
	rest, out = l.apart(targets)
	assert.DeepEqual(t, rest, []suite.Target{{Node: "a"}, {Node: "c"}})
	assert.DeepEqual(t, out, []report.LeftOut{{Node: "b/gvisor", Reason: "deleted during the run"}})
}

// TestASweepWithoutASampleIsNoPass: a kind of node of which nobody was asked all is not found to conform.
func TestASweepWithoutASampleIsNoPass(t *testing.T) {
	one := suite.Case{ID: "a/one", Level: suite.Core}
	old, fresh := suite.Target{Node: "a", Kubelet: "v1"}, suite.Target{Node: "b", Kubelet: "v2"}
	twin := suite.Target{Node: "c", Kubelet: "v2"}
	for name, row := range map[string]struct {
		sweep *suite.Scope
		out   []suite.Target
		exit  int
	}{
		"nobody is left out":          {&suite.Scope{Samples: []string{"a", "b"}}, nil, suite.ExitConformant},
		"one that is no sample":       {&suite.Scope{Samples: []string{"a", "b"}}, []suite.Target{twin}, suite.ExitConformant},
		"a sample":                    {&suite.Scope{Samples: []string{"a", "b"}}, []suite.Target{fresh}, suite.ExitInconclusive},
		"a sample, and all its kind":  {&suite.Scope{Samples: []string{"a", "b"}}, []suite.Target{fresh, twin}, suite.ExitConformant},
		"of two samples of the kind":  {&suite.Scope{Samples: []string{"a", "b", "c"}}, []suite.Target{fresh}, suite.ExitConformant},
		"no sweep: each is asked all": {nil, []suite.Target{fresh}, suite.ExitConformant},
	} {
		c := &Run{}
		c.report.Sweep, c.report.Targets = row.sweep, []suite.Target{old, fresh, twin}
		if row.sweep != nil {
			row.sweep.Everywhere = []string{one.ID}
		}
		for _, target := range row.out {
			c.leftOut.note(target, "deleted during the run")
		}
		c.noteLeftOut()
		for _, target := range c.report.Targets {
			c.report.Results = append(c.report.Results, suite.Result{Case: one, Target: target, Outcome: suite.Conformant})
		}
		v := c.report.Verdict()
		assert.Equal(t, v.ExitCode, row.exit, "%s: %s", name, v.Line)
	}
}
