package cases

import (
	"testing"

	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// TestStartedAtOnce: a runtime that failed to start a container again, and then did, is not
// told from one whose container ended twice: nothing is said of it.
func TestStartedAtOnce(t *testing.T) {
	failedOnce := func(name string) func(*suite.Observation) {
		return func(o *suite.Observation) {
			c := o.AfterPod.Containers[name]
			code := 128
			c.Restarts, c.ExitCode, c.ExitReason = c.Restarts+1, &code, "StartError"
			o.AfterPod.Containers[name] = c
		}
	}
	for id, container := range map[string]string{
		"signals/image-without-shell":                             "bare",
		"lifecycle/kill-restarts-the-container":                   "victim",
		"lifecycle/restart-always":                                "crashed",
		"lifecycle/nginx-quits":                                   "nginx",
		"debug/exit-gives-a-new-shell":                            "shell",
		"stress/rapid-restarts":                                   "three",
		"disruption/kubelet-restart-keeps-new-containers-joining": "two",
	} {
		t.Run(id, func(t *testing.T) {
			c := named(t, id)
			o := recorded(t, c, c.Fixture)
			failedOnce(container)(&o)
			err := c.Judge(o)
			require.ErrorContains(t, err, "it failed at first (StartError)")
			require.False(t, suite.IsViolation(err), "%v", err)

			gone := recorded(t, c, c.Fixture)
			failedOnce(container)(&gone)
			for _, s := range gone.After {
				editIn(gone.After, s.Container, isPID1, func(p *probe.Process) { p.StartTime++ })
			}
			require.True(t, suite.IsViolation(c.Judge(gone)), "with another sandbox, the failure is that one's")

			dead := o.AfterPod.Containers[container]
			dead.Running = false
			o.AfterPod.Containers[container] = dead
			require.True(t, suite.IsViolation(c.Judge(o)), "one that does not run again is not started again")
		})
	}
}
