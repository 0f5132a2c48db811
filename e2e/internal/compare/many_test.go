package compare

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// manyTargets is a report of one case on so many targets. The nodes of a pool are called
// otherwise in each.
func manyTargets(pool string, n int) report.Document {
	var d report.Document
	for i := range n {
		target := suite.Target{Node: fmt.Sprintf("node-%05d", i), RuntimeClass: "runc", OSImage: "Linux 1"}
		if i%2 == 0 {
			target.Node = pool + target.Node
		}
		d.Targets = append(d.Targets, report.Target{Name: target.Name(), Target: target})
		d.Results = append(d.Results, report.Result{ID: "area/case", Target: target.Name(), Outcome: suite.Conformant})
	}
	return d
}

// TestComparingIsLinearInTargets counts allocations: each look at a target's name is one.
func TestComparingIsLinearInTargets(t *testing.T) {
	count := func(n int) float64 {
		was, is := manyTargets("old-", n), manyTargets("new-", n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c := Of(was, is)
		runtime.ReadMemStats(&after)
		assert.Equal(t, len(c.Targets), n)
		assert.Equal(t, c.Counts[Unchanged], n)
		assert.Equal(t, c.Targets[n-1].How, ByKind)
		return float64(after.Mallocs - before.Mallocs)
	}
	one, four := count(500), count(2000)
	assert.Assert(t, four < 6*one, "%.0f allocations for 500 targets, %.0f for 2,000", one, four)
}

// TestASweepMayAskElsewhere: a case that is asked on one node of each kind is not missing on the
// node that it was asked on before.
func TestASweepMayAskElsewhere(t *testing.T) {
	sweepOf := func(sample string) report.Document {
		var d report.Document
		d.Suite = report.Suite{Selected: 2, CaseCount: 9}
		for _, node := range []string{"a", "b"} {
			target := suite.Target{Node: node}
			d.Targets = append(d.Targets, report.Target{Name: node, Target: target})
			d.Results = append(d.Results, report.Result{ID: "area/everywhere", Target: node, Outcome: suite.Conformant})
		}
		d.Results = append(d.Results, report.Result{ID: "area/sampled", Target: sample, Outcome: suite.Conformant})
		d.Sweep = &suite.Scope{Everywhere: []string{"area/everywhere"}, Samples: []string{sample}}
		return d
	}
	c := Of(sweepOf("a"), sweepOf("b"))
	assert.Equal(t, c.Verdict.ExitCode, suite.ExitConformant, c.Verdict.Line)
	assert.Equal(t, c.Counts[Gone], 1)
	assert.Equal(t, c.Counts[New], 1)
	missing := sweepOf("a")
	missing.Results = missing.Results[:1]
	assert.Equal(t, Of(sweepOf("a"), missing).Verdict.ExitCode, suite.ExitInconclusive)
}

// TestComparisonsOfManyAreShort: what is printed does not grow with the targets, and names a few.
func TestComparisonsOfManyAreShort(t *testing.T) {
	was, is := manyTargets("old-", 5000), manyTargets("old-", 5000)
	for i := range is.Results {
		if i%3 == 0 {
			is.Results[i].Outcome = suite.NonConformant
		}
	}
	is.Targets[7].Kubelet = "v2"
	for i := range 100 { // each with a reason of its own
		is.Results[3*i].Reason = fmt.Sprint("reason ", i)
	}
	c := Of(was, is)
	var text, page bytes.Buffer
	assert.NilError(t, c.WriteText(&text))
	assert.NilError(t, c.WriteMarkdown(&page))
	for _, form := range []string{text.String(), page.String()} {
		assert.Assert(t, len(form) < 12_000, form)
		assert.Assert(t, strings.Contains(form, "and 4996 more"), form)
		assert.Assert(t, strings.Contains(form, "and 61 more"), form)
		assert.Assert(t, strings.Contains(form, "v2"), form)
	}
}
