package cases

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// lateIn changes the snapshot of the ephemeral container that the act added.
func lateIn(container string, change func(s *probe.Snapshot, chosen func(probe.Process) bool)) func(*suite.Observation) {
	return func(o *suite.Observation) {
		marker := o.Saw.Late
		change(o.After[container], func(p probe.Process) bool { return p.Has(marker) })
	}
}

// joinedElsewhere is kubernetes#98362: the target's namespace is not the one joined.
func joinedElsewhere(container string) breakage {
	return breakage{container + " joins another namespace", func(o *suite.Observation) {
		s := o.Before[container]
		s.Namespaces["pid"]++
		for i := range s.Processes {
			if s.Processes[i].PID == 1 {
				s.Processes[i].StartTime--
			}
		}
	}}
}

// ephemeralBreakages are the faults that the cases of ephemeral must find.
var ephemeralBreakages = map[string][]breakage{
	"ephemeral/every-ordered-pair": {
		hidden("debugger", "app"), hidden("app", "debugger"), hidden("nginx", "debugger"), hidden("targeted", "debugger"),
		hidden("debugger", "targeted"), pidReused("debugger", "app"),
		{"the ephemeral container does not see nginx", func(o *suite.Observation) { hide(o, "debugger", isNginx) }},
	},
	"ephemeral/not-pid-1": {
		namespaceOf("debugger"), joinedElsewhere("debugger"),
		{"the ephemeral container's process is a child of PID 1", func(o *suite.Observation) {
			edit(o, "debugger", withMarker(o, "debugger"), func(p *probe.Process) { p.PPID = 1 })
		}},
		{"the ephemeral container's process is PID 1", func(o *suite.Observation) {
			edit(o, "debugger", withMarker(o, "debugger"), func(p *probe.Process) { p.PID = 1 })
		}},
	},
	"ephemeral/target-makes-no-difference": {
		namespaceOf("targeted"), joinedElsewhere("targeted"), hidden("targeted", "app"), hidden("targeted", "debugger"), hidden("app", "targeted"),
		{"the target is all that it sees", func(o *suite.Observation) {
			hide(o, "targeted", func(p probe.Process) bool { return !isNginx(p) && !p.Has(o.Markers["targeted"]) && !p.Observer })
		}},
	},
	"ephemeral/hangup-replaces-workers": {
		masterReplaced, workersGone, containerRestarted, masterHidden, killRefused,
		{"SIGHUP changes nothing", func(o *suite.Observation) { o.After = o.Before }},
		{"nginx does not answer", func(o *suite.Observation) { o.Ran["http"] = probe.CommandResult{Code: 1} }},
	},
	"ephemeral/nginx-conf": {
		fileRefused("debugger", nginxConf, probe.EACCES), fileDiffers("debugger", nginxConf),
		{"the ephemeral container does not see nginx", func(o *suite.Observation) { hide(o, "debugger", isNginx) }},
	},
	"ephemeral/isolated-target-alone": {
		namespaceOf("targeted"), joinedElsewhere("targeted"), seesToo("targeted", "app"), seesToo("targeted", "debugger"),
		// kubernetes#98362: the target was ignored, and PID 1 was the sandbox.
		{"PID 1 is the sandbox", func(o *suite.Observation) {
			for _, c := range []string{"nginx", "targeted"} {
				o.Before[c].Processes = append([]probe.Process{{PID: 1, Comm: "pause", Argv: []string{"/pause"}, StartTime: 1}}, o.Before[c].Processes...)
			}
		}},
		{"the other container is in the target's namespace", func(o *suite.Observation) {
			o.Before["app"].Namespaces["pid"] = o.Before["targeted"].Namespaces["pid"]
		}},
	},
	"ephemeral/isolated-itself-alone": {
		seesToo("debugger", "app"), seesToo("debugger", "targeted"),
		{"it is not PID 1", func(o *suite.Observation) {
			edit(o, "debugger", withMarker(o, "debugger"), func(p *probe.Process) { p.PID = 7 })
		}},
		{"it sees nginx", func(o *suite.Observation) {
			m, _ := master(o.Container("nginx"))
			m.PID = 9
			o.Before["debugger"].Processes = append(o.Before["debugger"].Processes, m)
		}},
		{"it is in the other container's namespace", func(o *suite.Observation) {
			o.Before["debugger"].Namespaces["pid"] = o.Before["app"].Namespaces["pid"]
		}},
	},
	"ephemeral/exited-target": {
		{"the runtime refuses the target", func(o *suite.Observation) {
			o.AfterPod.Containers["late"] = suite.ContainerState{Kind: "ephemeral", Waiting: "CreateContainerError", Message: "the target is not running"}
		}},
		{"the server refuses the target", func(o *suite.Observation) {
			o.Answers["late"] = suite.Answer{Code: 422, Reason: "Invalid", Message: `Pod "one" is invalid: spec.ephemeralContainers[0].targetContainerName: Not found: "app"`}
		}},
		{"it ends at once", func(o *suite.Observation) {
			code := 128
			o.AfterPod.Containers["late"] = suite.ContainerState{Kind: "ephemeral", ExitCode: &code}
		}},
		{"it does not see the container that runs", func(o *suite.Observation) {
			marker := o.Markers["app"]
			hide(&suite.Observation{Before: o.After}, "late", func(p probe.Process) bool { return p.Has(marker) })
		}},
		{"the container that runs does not see it", lateIn("app", func(s *probe.Snapshot, chosen func(probe.Process) bool) {
			hide(&suite.Observation{Before: map[string]*probe.Snapshot{"app": s}}, "app", chosen)
		})},
		{"it joins another namespace", func(o *suite.Observation) { o.After["late"].Namespaces["pid"]++ }},
		{"it is PID 1", func(o *suite.Observation) {
			for _, c := range []string{"app", "late"} {
				lateIn(c, func(s *probe.Snapshot, chosen func(probe.Process) bool) {
					s.Processes = s.Processes[1:]
					editIn(map[string]*probe.Snapshot{c: s}, c, chosen, func(p *probe.Process) { p.PID = 1 })
				})(o)
			}
		}},
	},
	"ephemeral/killed-is-not-started-again": {
		ofContainer("is started again", "debugger", func(c *suite.ContainerState) { c.Running, c.Restarts = true, 1 }),
		ofContainer("is another instance, which has ended as well", "debugger", func(c *suite.ContainerState) { c.ID += "x" }),
		ofContainer("waits to be started again", "debugger", func(c *suite.ContainerState) { c.Waiting = "CrashLoopBackOff" }),
		stuckRunning("debugger"), exitCode("debugger", 0),
		livesOn("debugger", marking("debugger")), livesOn("debugger", childOf("debugger")),
	},
	"ephemeral/unknown-target-refused": {
		{"the server takes it", func(o *suite.Observation) { o.Answers["unknown"] = suite.Answer{Code: 200} }},
		{"the server refuses it for another reason", func(o *suite.Observation) {
			o.Answers["unknown"] = suite.Answer{Code: 422, Reason: "Invalid", Message: `Pod "one" is invalid: spec.ephemeralContainers[0].image: Required value`}
		}},
		{"the server cannot decode it", func(o *suite.Observation) {
			o.Answers["unknown"] = suite.Answer{Code: 400, Reason: "BadRequest", Message: `Pod in version "v1" cannot be handled as a Pod: json: targetContainerName`}
		}},
	},
}

// TestBusyNodeIsNoRefusal: a runtime that did not come to an answer has refused
// no target.
func TestBusyNodeIsNoRefusal(t *testing.T) {
	c := caseOf(t, "ephemeral/exited-target")
	for _, state := range []suite.ContainerState{
		{},
		{Waiting: "ContainerCreating"},
		{Waiting: "CreateContainerError", Message: "context deadline exceeded"},
		{Waiting: "CreateContainerError", Message: `failed to reserve container name "late_…_0": name "late_…_0" is reserved for "4f"`},
	} {
		o := recorded(t, c, c.Fixture)
		o.AfterPod.Containers["late"] = state
		err := c.Judge(o)
		require.Error(t, err)
		assert.False(t, suite.IsViolation(err), "%+v: %v", state, err)
	}
}

// TestLateContainerNotLookedInto: where kubelet tells that the container runs after the last look was taken, nothing
// was seen from it.
func TestLateContainerNotLookedInto(t *testing.T) {
	c := caseOf(t, "ephemeral/exited-target")
	o := recorded(t, c, c.Fixture)
	delete(o.After, "late")
	err := c.Judge(o)
	require.Error(t, err)
	assert.False(t, suite.IsViolation(err), "%v", err)
}
