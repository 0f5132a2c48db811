package cases

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// A witness is judged by the observation of an ordinary pod, and by what was seen
// of the same pod before. No recording holds both: here they are the same, which
// is an upgrade that changed nothing.

// witnessAct is the act whose recording has the witness's pod.
func witnessAct(c suite.Case) *suite.Act {
	if c.Fixture == deployment {
		return rollOutTwice
	}
	return c.Act
}

func asWitness(o suite.Observation) suite.Observation {
	earlier := suite.Observation{Pod: o.Pod, Before: maps.Clone(o.Before), Markers: o.Markers}
	earlier.Pod.Containers = maps.Clone(o.Pod.Containers)
	o.Fate = &suite.Fate{
		Earlier: earlier, KubeletWas: "v1.36.3", KubeletIs: "v1.37.2", RuntimeWas: "containerd://2.4.2", RuntimeIs: "containerd://2.4.2",
	}
	for name, s := range earlier.Before { // changing the one must not change the other
		copied := *s
		copied.Processes = append([]probe.Process{}, s.Processes...)
		copied.Namespaces = maps.Clone(s.Namespaces)
		earlier.Before[name] = &copied
	}
	return o
}

// restartedInPlace is what a kubelet with another hash of a container's
// specification does.
func restartedInPlace(o *suite.Observation, container string) {
	c := o.Pod.Containers[container]
	c.ID, c.Restarts = "another", c.Restarts+1
	o.Pod.Containers[container] = c
}

func processReplacedIn(o *suite.Observation, chosen func(probe.Process) bool) {
	for name := range o.Before {
		editIn(o.Before, name, chosen, func(p *probe.Process) { p.StartTime += 1000 })
	}
}

func isMaster(p probe.Process) bool { return isNginx(p) && p.PPID == 0 }

// keptBreakages are the ways in which an upgrade can fail to leave a pod alone.
func keptBreakages(container string, first func(*suite.Observation) func(probe.Process) bool) []breakage {
	return []breakage{
		{"the first process is another, and nobody says that it was restarted", func(o *suite.Observation) { processReplacedIn(o, first(o)) }},
		{"PID 1 is another process", func(o *suite.Observation) { processReplacedIn(o, isPID1) }},
		{"PID 1 is another process, after a restart", func(o *suite.Observation) {
			restartedInPlace(o, container)
			processReplacedIn(o, isPID1)
		}},
		{"one container is restarted, and two have other processes", func(o *suite.Observation) {
			restartedInPlace(o, container)
			processReplacedIn(o, func(p probe.Process) bool { return p.PPID == 0 && p.PID != 1 })
		}},
		{"the namespace is another", func(o *suite.Observation) {
			for _, s := range o.Before {
				s.Namespaces["pid"]++
			}
		}},
		{"a container ended", func(o *suite.Observation) {
			c := o.Pod.Containers[container]
			c.Running = false
			o.Pod.Containers[container] = c
		}},
		{"a container is restarted, by the same kubelet", func(o *suite.Observation) {
			o.Fate.KubeletIs = o.Fate.KubeletWas
			restartedInPlace(o, container)
			processReplacedIn(o, first(o))
		}},
	}
}

var upgradeBreakages = map[string][]breakage{
	"upgrade/documented-still-shares": {masterHidden, namespaceOf("shell")},
	"upgrade/documented-keeps-its-processes": append(
		keptBreakages("nginx", func(*suite.Observation) func(probe.Process) bool { return isMaster }), masterHidden),
	"upgrade/documented-attach-and-signal": {hangUpIgnored, masterReplaced, workersGone},
	"upgrade/ephemeral-still-shares":       {hidden("debugger", "app"), hidden("app", "debugger"), namespaceOf("debugger")},
	"upgrade/ephemeral-keeps-its-processes": append(
		keptBreakages("nginx", func(*suite.Observation) func(probe.Process) bool { return isMaster }),
		breakage{"an ephemeral container ended", func(o *suite.Observation) {
			c := o.Pod.Containers["debugger"]
			c.Running = false
			o.Pod.Containers["debugger"] = c
		}}),
	"upgrade/ephemeral-signal": {
		{"SIGHUP changes nothing", func(o *suite.Observation) { o.After = o.Before }}, masterReplaced, workersGone, containerRestarted,
	},
	"upgrade/deployment-shares": sharingFaults(),
	"upgrade/deployment-keeps-its-processes": append(keptBreakages("one", marking("one")),
		hidden("one", "two")),
}

// TestRestartsOfANewKubelet: what upstream says of an upgrade is no violation, and
// is named.
func TestRestartsOfANewKubelet(t *testing.T) {
	c := caseOf(t, "upgrade/documented-keeps-its-processes")
	o := recorded(t, c, c.Fixture)
	assert.Equal(t, "kubelet v1.36.3 → v1.37.2, containerd://2.4.2 → containerd://2.4.2: no container was restarted, every process is the same", c.Record(o))
	restartedInPlace(&o, "nginx")
	processReplacedIn(&o, isMaster)
	require.NoError(t, c.Judge(o))
	assert.Contains(t, c.Record(o), "restarted in the same namespace: nginx")
	restartedInPlace(&o, "shell")
	processReplacedIn(&o, func(p probe.Process) bool { return p.PPID == 0 && p.PID != 1 && !isNginx(p) })
	require.NoError(t, c.Judge(o))
	assert.Contains(t, c.Record(o), "nginx, shell")
}

// TestEndingExecIsNoLoss: what was just ending when the witness was left is not
// missed afterwards.
func TestEndingExecIsNoLoss(t *testing.T) {
	c := caseOf(t, "upgrade/deployment-keeps-its-processes")
	for what, exec := range map[string]probe.Process{
		"a zombie": {PID: 9998, Comm: "sh", State: "Z", StartTime: 7}, "seen by one container only": {PID: 9999, Comm: "sh", State: "S", StartTime: 7},
	} {
		o := recorded(t, c, c.Fixture)
		earlier := o.Fate.Earlier.Before
		for name, s := range earlier {
			if exec.State == "Z" || name == "one" {
				s.Processes = append(s.Processes, exec)
			}
		}
		require.NoError(t, c.Judge(o), what)
	}
}

// TestForgottenWitness: without what was seen before, nothing can be told.
func TestForgottenWitness(t *testing.T) {
	for _, forget := range []func(*suite.Observation){
		func(o *suite.Observation) { o.Fate = nil },
		func(o *suite.Observation) { o.Fate.Earlier = suite.Observation{} },
		func(o *suite.Observation) { o.Fate.Earlier.Before = nil },
	} {
		c := caseOf(t, "upgrade/deployment-keeps-its-processes")
		o := recorded(t, c, c.Fixture)
		forget(&o)
		err := c.Judge(o)
		require.Error(t, err)
		assert.False(t, suite.IsViolation(err), "%v", err)
	}
}

// TestWitnessesAreFew: one pod of each manifest on a target stands for all of its
// cases, which is how a later run finds it.
func TestWitnessesAreFew(t *testing.T) {
	acts := map[string]*suite.Act{}
	for _, c := range Upgrade() {
		for _, file := range []string{c.Fixture, c.Control} {
			act, ok := acts[file]
			assert.True(t, !ok || act == c.Act, "%s: two acts on %s", c.ID, file)
			acts[file] = c.Act
		}
		assert.Empty(t, c.Neighbour, c.ID)
		assert.Equal(t, suite.Runs, c.Submit, c.ID)
	}
	assert.Len(t, acts, 6)
}
