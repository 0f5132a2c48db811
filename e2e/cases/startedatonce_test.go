package cases

import (
	"testing"

	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// failedFirst says of a container's status that the runtime failed to start it, and then did.
func failedFirst(c *suite.ContainerState) {
	code := 128
	c.Restarts, c.ExitCode, c.ExitReason = c.Restarts+1, &code, "StartError"
}

// TestStartedAtOnce: a runtime that failed to start a container again, and then did, is not
// told from one whose container ended twice: no case says anything of it. With another sandbox,
// the failure is that one's.
func TestStartedAtOnce(t *testing.T) {
	tried, told := 0, 0
	for _, c := range All() {
		o := recorded(t, c, c.Fixture)
		if o.AfterPod == nil {
			continue
		}
		for name, is := range o.AfterPod.Containers {
			if !is.Running || is.Restarts <= o.Pod.Containers[name].Restarts {
				continue
			}
			t.Run(c.ID+"/"+name, func(t *testing.T) {
				tried++
				late := recorded(t, c, c.Fixture)
				changed := late.AfterPod.Containers[name]
				failedFirst(&changed)
				late.AfterPod.Containers[name] = changed
				err := c.Judge(late)
				require.False(t, suite.IsViolation(err), "%v", err)
				if err == nil {
					return
				}
				told++
				require.ErrorContains(t, err, "StartError")

				for _, s := range late.After {
					editIn(late.After, s.Container, isPID1, func(p *probe.Process) { p.StartTime++ })
				}
				require.True(t, suite.IsViolation(c.Judge(late)), "with another sandbox, the failure is that one's")

				again := recorded(t, c, c.Fixture)
				changed.Running = false
				again.AfterPod.Containers[name] = changed
				require.True(t, suite.IsViolation(c.Judge(again)), "one that does not run again is not started again")
			})
		}
	}
	require.Greater(t, tried, 20)
	require.Greater(t, told, 10)
}

// TestDocumentedStartedAtOnce: nor is the documented pod blamed for a start that the runtime failed.
func TestDocumentedStartedAtOnce(t *testing.T) {
	c := named(t, "walkthrough/manifest-runs")
	o := recorded(t, c, c.Fixture)
	is := o.Pod.Containers["nginx"]
	failedFirst(&is)
	o.Pod.Containers["nginx"] = is
	err := c.Judge(o)
	require.ErrorContains(t, err, "it failed at first (StartError)")
	require.False(t, suite.IsViolation(err))
}
