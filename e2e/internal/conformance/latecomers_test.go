package conformance

import (
	"io"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/progress"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// sweepOf is a sweep of the targets, of two cases of which the first is asked on each.
func sweepOf(t *testing.T, targets []suite.Target) *Run {
	t.Helper()
	f, err := makeFolder(t.TempDir(), "r1", false)
	assert.NilError(t, err)
	t.Cleanup(func() { _ = f.Log.Close() })
	c := runInto(t, f.Path)
	c.results, c.folder, c.view, c.ran = newResultTable(), f, &progress.View{Out: io.Discard, Mode: progress.Quiet}, make(chan struct{})
	c.view.Open()
	t.Cleanup(c.view.Close)
	c.report.Targets = slices.Clone(targets)
	c.report.Sweep = suite.NewScope(targets, streamCases, func(one suite.Case) bool { return one.ID == "a/one" })
	c.asking.set(c.report.Targets, c.report.Sweep.CasesOn(c.Cases))
	assert.NilError(t, c.openStream(targets))
	return c
}

// TestLatecomersJoin: targets that come while a sweep runs are asked, counted, streamed and told of as if they
// had been there, and it is said that they came later.
func TestLatecomersJoin(t *testing.T) {
	c := sweepOf(t, streamTargets)
	c.report.LeftOut = []report.LeftOut{{Node: "slow", Reason: "not Ready"}, {Node: "windows", Reason: "no PID namespaces"}}
	next := make(chan suite.Target)
	go func() {
		target, _ := c.Target(len(streamTargets))
		next <- target
	}()
	late := []suite.Target{{Node: "slow", Kernel: "6"}, {Node: "new", Kernel: "7"}}
	c.join(late)
	assert.DeepEqual(t, <-next, late[0])
	assert.DeepEqual(t, c.report.Targets, append(slices.Clone(streamTargets), late...))
	assert.DeepEqual(t, c.report.Sweep, &suite.Scope{Everywhere: []string{"a/one"}, Samples: []string{"n1", "new"}, Late: []string{"slow", "new"}})
	assert.DeepEqual(t, c.report.LeftOut, []report.LeftOut{{Node: "windows", Reason: "no PID namespaces"}})
	assert.DeepEqual(t, c.report.Notes, []string{"2 targets came while the sweep ran, asked in the end: slow, new"})
	assert.Equal(t, c.waiting.total, 3)
	known := func(t suite.Target) suite.Target { return t }
	for i, target := range late {
		asked := c.CasesOn(target)
		assert.Equal(t, len(asked), i+1, "all on the first of a new kind")
		for j, one := range asked {
			passed := c.stream.add(suite.Result{Case: one, Target: target, Outcome: suite.Conformant}, known)
			assert.Equal(t, passed, j == i, "the last one")
		}
	}
	close(c.ran)
	_, there := c.Target(len(streamTargets) + len(late))
	assert.Assert(t, !there)
	assert.Equal(t, c.stream.close(), "")
	earlier, err := readResumed(c.folder.Path)
	assert.NilError(t, err)
	assert.DeepEqual(t, earlier.stream.Head.Sweep.Samples, []string{"n1", "new"})
	assert.Equal(t, len(earlier.stream.Answered), 2)
}

// TestALatecomerStandsInForASample: where the sample of a kind was left out, the first of its kind that comes is
// asked all, and no kind is without one.
func TestALatecomerStandsInForASample(t *testing.T) {
	for name, row := range map[string]struct {
		late  []suite.Target
		lacks bool
	}{
		"of the kind":      {[]suite.Target{{Node: "n9", Kernel: "6"}}, false},
		"of another kind":  {[]suite.Target{{Node: "n9", Kernel: "7"}}, true},
		"and it goes, too": {[]suite.Target{{Node: "gone", Kernel: "6"}}, true},
	} {
		c := sweepOf(t, streamTargets)
		c.leftOut.note(streamTargets[0], "deleted during the run")
		c.join(row.late)
		if row.late[0].Node == "gone" {
			c.leaveOut(row.late[0], "deleted during the run")
		}
		c.noteLeftOut()
		assert.Equal(t, strings.Contains(c.report.Problem, "was left out, the one node of its kind"), row.lacks, "%s: %s", name, c.report.Problem)
		assert.Equal(t, c.stream.close(), "")
	}
}
