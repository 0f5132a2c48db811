package cases

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// TestControlsDecidedEarlyStayDecided: where a judge finds a control's violation without a second look, none is taken.
// Then what that would have shown must change nothing, whatever became of the act's commands: a judge that takes a missing
// snapshot, or a missing status, for one that says nothing would let a control bite on which nothing was done.
func TestControlsDecidedEarlyStayDecided(t *testing.T) {
	early := 0
	for _, c := range All() {
		if c.Control == "" || c.Act == nil || c.Act.Ends || c.Act.NoEffect || c.Submit != suite.Runs {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			changes := map[string]func(*suite.Observation){"as it was recorded": func(*suite.Observation) {}}
			for _, name := range slices.Sorted(maps.Keys(recorded(t, c, c.Control).Ran)) {
				for what, result := range map[string]probe.CommandResult{
					" did not run":   {Failure: "exec was refused"},
					" was refused":   {Code: 1, Stderr: "kill: can't kill pid 1: Operation not permitted"},
					" was forbidden": {Code: 1, Stderr: "kill: can't kill pid 1: Permission denied"},
					" failed":        {Code: 2, Stderr: "out of memory"},
				} {
					changes[name+what] = func(o *suite.Observation) { o.Ran[name] = result }
				}
			}
			changes["no container was started at once"] = func(o *suite.Observation) {
				if o.AfterPod == nil {
					return
				}
				for name, is := range o.AfterPod.Containers {
					is.ExitReason, is.ExitCode, is.Restarts = "StartError", new(128), is.Restarts+1
					o.AfterPod.Containers[name] = is
				}
			}
			for name, change := range changes {
				o := recorded(t, c, c.Control)
				change(&o)
				first := o
				first.After, first.AfterPod = nil, nil
				if suite.IsViolation(c.Judge(first)) {
					early++
					err := c.Judge(o)
					assert.True(t, suite.IsViolation(err), "%s: with a second look it is %v", name, err)
				}
			}
		})
	}
	assert.Positive(t, early)
}
