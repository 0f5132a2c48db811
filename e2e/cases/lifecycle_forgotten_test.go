package cases

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/suite"
)

// removedLog is what kubelet sends for the log of a container that is gone.
const removedLog = "unable to retrieve container logs for containerd://e2adabb6e1cf268a5750617cc5d636bd80ba54638d074677666b9c72df175ca6"

// TestPreviousLogRemoved: where kubelet did not keep the instance that was killed, what it
// printed is judged by what could be read of it while it ran, or not at all.
func TestPreviousLogRemoved(t *testing.T) {
	c := caseOf(t, "lifecycle/logs-stay-apart")
	o := recorded(t, c, c.Fixture)
	assert.Equal(t, "kubelet kept the previous log", c.Record(o))
	kept := o.Logs["victim before"]
	for name, remove := range map[string]func(){
		"kubelet says so in its place": func() { o.Logs["victim before"] = removedLog },
		"kubelet refuses it":           func() { delete(o.Logs, "victim before") },
	} {
		t.Run(name, func(t *testing.T) {
			remove()
			delete(o.Logs, "victim while it ran")
			err := c.Judge(o)
			require.Error(t, err)
			assert.False(t, suite.IsViolation(err), "%v", err)

			o.Logs["victim while it ran"] = kept
			require.NoError(t, c.Judge(o))
			assert.Contains(t, c.Record(o), "kubelet removed the instance")
		})
	}
}

// forgetEnds takes what kubelet reported of how restarted containers ended.
func forgetEnds(o *suite.Observation) {
	for name, state := range o.AfterPod.Containers {
		if state.Restarts > 0 {
			state.ExitCode, state.ExitReason = nil, ""
			o.AfterPod.Containers[name] = state
		}
	}
}

// TestForgottenEndProvesNothing: kubelet's garbage collection can take the only
// record of how a restarted container ended. That is no fault of the cluster's.
func TestForgottenEndProvesNothing(t *testing.T) {
	for _, c := range All() {
		if c.Act != endEach || c.Fixture != "lifecycle-ends.yaml" {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			o := recorded(t, c, c.Fixture)
			forgetEnds(&o)
			assert.False(t, suite.IsViolation(c.Judge(o)), "%v", c.Judge(o))
		})
	}
}

// TestForgottenSandboxEnd: that kubelet forgot how a container ended with its sandbox
// takes nothing from what shows that it did, and excuses nothing else.
func TestForgottenSandboxEnd(t *testing.T) {
	for _, id := range []string{"lifecycle/sandbox-end-restarts-the-pod", "lifecycle/new-sandbox-shares", "lifecycle/sandbox-end-with-restart-on-failure"} {
		t.Run(id, func(t *testing.T) {
			c := caseOf(t, id)
			o := recorded(t, c, c.Fixture)
			forgetEnds(&o)
			require.NoError(t, c.Judge(o))
			if c.Record != nil {
				assert.Contains(t, c.Record(o), "no longer knows")
			}
			for _, b := range []breakage{sameSandbox, stuckRunning("other")} {
				o := recorded(t, c, c.Fixture)
				forgetEnds(&o)
				b.apply(&o)
				assert.True(t, suite.IsViolation(c.Judge(o)), "%s: %v", b.name, c.Judge(o))
			}
		})
	}
	t.Run("the control of restartPolicy Never", func(t *testing.T) {
		c := caseOf(t, "lifecycle/sandbox-end-with-restart-never")
		o := recorded(t, c, c.Control)
		forgetEnds(&o)
		assert.True(t, suite.IsViolation(c.Judge(o)), "%v", c.Judge(o))
	})
}
