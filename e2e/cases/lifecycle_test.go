package cases

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// ofContainer changes a container's state after the act.
func ofContainer(what, name string, change func(*suite.ContainerState)) breakage {
	return breakage{name + " " + what, func(o *suite.Observation) {
		c := o.AfterPod.Containers[name]
		change(&c)
		o.AfterPod.Containers[name] = c
	}}
}

// ofDeleted changes a container's last state.
func ofDeleted(what, name string, change func(*suite.ContainerState)) breakage {
	return breakage{name + " " + what, func(o *suite.Observation) {
		c := o.Deletion.Last.Containers[name]
		change(&c)
		o.Deletion.Last.Containers[name] = c
	}}
}

func notRestarted(name string) breakage {
	return ofContainer("is not started again", name, func(c *suite.ContainerState) { c.Restarts, c.Running = 0, false })
}

func stuckRunning(name string) breakage {
	return ofContainer("is reported as running for ever", name, func(c *suite.ContainerState) {
		*c = suite.ContainerState{ID: c.ID, Running: true, Ready: true}
	})
}

func restartedTwice(name string) breakage {
	return ofContainer("is started again twice", name, func(c *suite.ContainerState) { c.Restarts++ })
}

func restartedToo(name string) breakage {
	return ofContainer("is started again as well", name, func(c *suite.ContainerState) { c.Restarts++; c.ID += "x" })
}

func exitCode(name string, code int) breakage {
	return ofContainer("ends with another exit code", name, func(c *suite.ContainerState) { c.ExitCode = &code })
}

func exitReason(name, reason string) breakage {
	return ofContainer("ends for reason "+reason, name, func(c *suite.ContainerState) { c.ExitReason = reason })
}

// processReplaced gives a container another first process after the act.
func processReplaced(name string) breakage {
	return breakage{name + "'s first process is another one afterwards", func(o *suite.Observation) {
		for container := range o.After {
			editIn(o.After, container, withMarker(o, name), func(p *probe.Process) { p.StartTime++ })
		}
	}}
}

var otherPID1 = breakage{"PID 1 is another process afterwards", func(o *suite.Observation) {
	for container := range o.After {
		editIn(o.After, container, isPID1, func(p *probe.Process) { p.StartTime++ })
	}
}}

var sameSandbox = breakage{"PID 1 is the old one", func(o *suite.Observation) {
	old, _ := o.Container("other").Process(1)
	editIn(o.After, "other", isPID1, func(p *probe.Process) { *p = old })
}}

// livesOn lets a process of the snapshots before the act be there after it.
func livesOn(container string, chosen func(*suite.Observation) func(probe.Process) bool) breakage {
	return breakage{"a process of " + container + " lives on", func(o *suite.Observation) {
		p, _ := o.Container(container).Find(chosen(o))
		for _, s := range o.After {
			s.Processes = append(s.Processes, p)
		}
	}}
}

func marking(name string) func(*suite.Observation) func(probe.Process) bool {
	return func(o *suite.Observation) func(probe.Process) bool {
		return withArgument(o.Markers[name])
	}
}

// childOf is the process below a container's first.
func childOf(name string) func(*suite.Observation) func(probe.Process) bool {
	return func(o *suite.Observation) func(probe.Process) bool {
		first, _ := o.Container(name).Find(firstOf(*o, name))
		return func(p probe.Process) bool { return p.PPID == first.PID }
	}
}

func seesNoMore(from, of string) breakage {
	return breakage{from + " does not see " + of + " afterwards", func(o *suite.Observation) {
		editIn(o.After, from, withMarker(o, of), func(p *probe.Process) { p.Argv = []string{"another"} })
	}}
}

func logBreaks(name, what string, change func(*suite.Observation, string) string) breakage {
	return breakage{"the log of " + name + " " + what, func(o *suite.Observation) { o.Logs[name] = change(o, o.Logs[name]) }}
}

// sawOtherwise changes what the act saw.
func sawOtherwise(what string, change func(*suite.Saw)) breakage {
	return breakage{what, func(o *suite.Observation) { change(&o.Saw) }}
}

// hangs has a session not end of itself.
func hangs(session string) breakage {
	return sawOtherwise("the "+session+" hangs", func(saw *suite.Saw) {
		saw.InSession(session, func(s *suite.Session) { s.Ended = new(bool) })
	})
}

// sessionHidden has a sibling not see a session's process.
func sessionHidden(session, from string) breakage {
	return sawOtherwise("the "+from+" sees no session", func(saw *suite.Saw) { delete(saw.Sessions[session].From, from) })
}

// sessionSeenAs has a container see another process than the session's.
func sessionSeenAs(what, session, from string, p probe.Process) breakage {
	return sawOtherwise(what, func(saw *suite.Saw) {
		saw.InSession(session, func(s *suite.Session) { s.SeenBy(from, p) })
	})
}

func came(what, name string, result probe.CommandResult) breakage {
	return breakage{what, func(o *suite.Observation) { o.Ran[name] = result }}
}

func leftOver(what, command string) breakage {
	return sawOtherwise(what, func(saw *suite.Saw) {
		saw.Left = &[]suite.Leftover{{Identity: probe.Identity{PID: 12, StartTime: 34}, Command: command}}
	})
}

// dieLate: what is gone in the second snapshots was still there when it should not have been.
var dieLate = leftOver("processes outlive their container, and are gone later", "sleep 3600")

// lifecycleBreakages are the faults that the cases of lifecycle must find.
var lifecycleBreakages = map[string][]breakage{
	"lifecycle/nothing-left-on-the-node": {
		{"a process stays", func(o *suite.Observation) {
			o.Ran["after"] = probe.CommandResult{Stdout: "process /proc/4711/cmdline\n"}
		}},
		{"a control group stays", func(o *suite.Observation) {
			o.Ran["after"] = probe.CommandResult{Stdout: "group /sys/fs/cgroup/memory/kubelet/kubepods/podabc\n"}
		}},
		{"the sandbox stays ready", func(o *suite.Observation) { o.Ran["after"] = probe.CommandResult{Stdout: "sandbox 0123\n"} }},
	},
	"lifecycle/kill-restarts-the-container": {
		notRestarted("victim"), stuckRunning("victim"), restartedTwice("victim"), exitCode("victim", 0), exitReason("victim", "OOMKilled"),
	},
	"lifecycle/kill-spares-the-siblings": {
		restartedToo("bystander"), restartedToo("killer"), processReplaced("bystander"), processReplaced("killer"), otherPID1, stuckRunning("victim"),
	},
	"lifecycle/restarted-container-shares": {
		seesNoMore("killer", "victim"), seesNoMore("victim", "bystander"), stuckRunning("victim"),
		{"the restarted container has a PID namespace of its own", func(o *suite.Observation) { o.After["victim"].Namespaces["pid"]++ }},
		{"the restarted container is PID 1", func(o *suite.Observation) {
			for container := range o.After {
				editIn(o.After, container, withMarker(o, "victim"), func(p *probe.Process) { p.PID = 1 })
			}
		}},
		{"all are in a namespace that was made anew", func(o *suite.Observation) {
			for _, s := range o.After {
				s.Namespaces["pid"]++
			}
		}},
	},
	"lifecycle/leftovers-die": {
		livesOn("victim", marking("child")), livesOn("victim", marking("daemon")), livesOn("victim", childOf("victim")), stuckRunning("victim"), dieLate,
		{"the process of the session lives on", func(o *suite.Observation) {
			p := o.Saw.Sessions["second session"].From["victim"]
			o.After["killer"].Processes = append(o.After["killer"].Processes, p)
		}},
		{"a child is left as a zombie", func(o *suite.Observation) {
			p, _ := o.Container("victim").Find(marking("child")(o))
			p.State, p.PPID, p.Argv = "Z", 1, nil
			o.After["killer"].Processes = append(o.After["killer"].Processes, p)
		}},
	},
	"lifecycle/logs-stay-apart": {
		logBreaks("victim", "holds the old instance's line as well", func(o *suite.Observation, s string) string { return o.Logs["victim before"] + s }),
		logBreaks("victim before", "is that of the new instance", func(o *suite.Observation, _ string) string { return o.Logs["victim"] }),
		logBreaks("victim before", "is gone, and was a sibling's while it could be read", func(o *suite.Observation, _ string) string {
			o.Logs["victim while it ran"] = o.Logs["killer"]
			return removedLog
		}),
		logBreaks("killer", "holds a sibling's line", func(o *suite.Observation, s string) string { return s + o.Markers["bystander-line"] + "\n" }),
		logBreaks("bystander", "is empty", func(*suite.Observation, string) string { return "" }),
	},
	"lifecycle/log-written-by-a-sibling": {
		logBreaks("killer", "holds what it wrote elsewhere", func(o *suite.Observation, s string) string { return s + o.Saw.Written + "\n" }),
		logBreaks("bystander", "misses the line", func(o *suite.Observation, _ string) string { return o.Markers["bystander-line"] + "\n" }),
	},
	"lifecycle/exec-joins": {
		sessionHidden("session", "killer"),
		sessionSeenAs("the sibling sees another process with its PID", "session", "killer", probe.Process{PID: 7, StartTime: 1}),
		{"the exec has a PID namespace of its own", func(o *suite.Observation) { o.Before["victim"].Namespaces["pid"]++ }},
		{"the session is PID 1's child", func(o *suite.Observation) {
			child := probe.Process{PID: 77, PPID: 1, StartTime: 4711}
			sessionSeenAs("", "session", "victim", child).apply(o)
			sessionSeenAs("", "session", "killer", child).apply(o)
		}},
	},
	"lifecycle/exec-killed-by-a-sibling": {
		hangs("session"),
		came("the session reports success", "session", probe.CommandResult{}),
		came("the session is cut", "session", probe.CommandResult{Failure: "stream closed"}),
		restartedTwice("victim"),
	},
	"lifecycle/exec-ends-with-its-container": {
		hangs("second session"),
		came("the session reports success", "second session", probe.CommandResult{}),
	},
	"lifecycle/exit-codes": {
		exitCode("terminated", 137), exitCode("killed", 0), exitCode("crashed", 137), exitCode("finished", 137), exitReason("finished", "Error"),
		stuckRunning("crashed"), processReplaced("killer"),
	},
	"lifecycle/nginx-quits": {
		exitCode("nginx", 137), notRestarted("nginx"),
		{"the old master is there still", func(o *suite.Observation) {
			old, _ := master(o.Container("nginx"))
			editIn(o.After, "killer", func(p probe.Process) bool { return isNginx(p) && p.PPID == 0 }, func(p *probe.Process) { *p = old })
		}},
	},
	"lifecycle/restart-always": {
		notRestarted("finished"), notRestarted("crashed"), restartedTwice("killed"), restartedToo("killer"), otherPID1,
	},
	"lifecycle/restart-on-failure": {
		notRestarted("crashed"), notRestarted("killed"),
		ofContainer("is started again", "finished", func(c *suite.ContainerState) { c.Restarts, c.Running = 1, true }),
		ofContainer("waits to be started again", "nginx", func(c *suite.ContainerState) { c.Waiting = "CrashLoopBackOff" }),
	},
	"lifecycle/restart-never": {
		ofContainer("is started again", "killed", func(c *suite.ContainerState) { c.Restarts, c.Running = 1, true }),
		ofContainer("waits to be started again", "crashed", func(c *suite.ContainerState) { c.Waiting = "CrashLoopBackOff" }),
		ofContainer("is stopped with them", "killer", func(c *suite.ContainerState) { c.Running = false }),
	},
	"lifecycle/liveness-failure-spares-the-siblings": {
		exitCode("unhealthy", 0), exitReason("unhealthy", "OOMKilled"), ofContainer("is killed for lack of memory", "unhealthy", func(c *suite.ContainerState) { c.ExitCode, c.ExitReason = new(137), "OOMKilled" }),
		stuckRunning("unhealthy"), restartedTwice("unhealthy"), restartedToo("killer"), processReplaced("killer"), otherPID1,
	},
	"lifecycle/out-of-memory": {
		exitReason("hungry", "Error"), stuckRunning("hungry"), restartedToo("killer"), processReplaced("killer"), otherPID1,
	},
	"lifecycle/no-leftovers-however-it-ends": {
		livesOn("crashed", childOf("crashed")), livesOn("finished", childOf("finished")), livesOn("hungry", childOf("hungry")),
		livesOn("unhealthy", childOf("unhealthy")), livesOn("terminated", childOf("terminated")), stuckRunning("finished"), dieLate,
	},
	"lifecycle/sandbox-end-restarts-the-pod": {
		notRestarted("other"), stuckRunning("killer"), exitCode("other", 0), exitReason("other", "OOMKilled"),
		sameSandbox,
	},
	"lifecycle/new-sandbox-shares": {
		seesNoMore("killer", "other"), seesNoMore("other", "killer"),
		{"one container is not in the new namespace", func(o *suite.Observation) { o.After["other"].Namespaces["pid"]++ }},
	},
	"lifecycle/sandbox-end-is-reported": {
		{"there is no such event", func(o *suite.Observation) { o.Events = []suite.Event{{Reason: "Started"}} }},
		{"the only such event is of when the pod was started", func(o *suite.Observation) {
			o.Events = []suite.Event{{Reason: "SandboxChanged", At: o.Pod.Containers["killer"].StartedAt - 2}}
		}},
	},
	"lifecycle/sandbox-end-with-restart-never": {
		{"the pod is pending for ever", func(o *suite.Observation) { o.AfterPod.Phase = "Pending" }},
		ofContainer("is started again", "other", func(c *suite.ContainerState) { c.Restarts, c.Running = 1, true }),
		exitCode("other", 0),
	},
	"lifecycle/sandbox-end-with-restart-on-failure": {
		notRestarted("other"), notRestarted("killer"),
	},
	"lifecycle/post-start-hook-shares": {
		{"the hook sees nothing", func(o *suite.Observation) { o.Before["herald"].Files["/tmp/post-start"] = probe.Access{} }},
	},
	"lifecycle/readiness-probe-shares": {
		{"the probe sees nothing", func(o *suite.Observation) { o.Before["herald"].Files["/tmp/probe"] = probe.Access{Text: "none\n"} }},
		sawOtherwise("the pod does not become ready", func(saw *suite.Saw) { saw.Ready = new(bool) }),
	},
	"lifecycle/pre-stop-hook-shares": {
		logBreaks("drainer", "tells of no signal", func(o *suite.Observation, _ string) string { return o.Markers["terminated"] + "\n" }),
		{"kubelet never runs the hook", drainerGaveUp(1, -20)},
		{"kubelet never runs the hook, and the drainer cannot give up", drainerGaveUp(137, -stopGrace)},
		{"the hook is run in time, and signals nobody", drainerGaveUp(1, -overInTime)},
		{"the drainer is killed before its time is over", func(o *suite.Observation) {
			drainerKilledAtWork(10)(o)
			o.Logs["drainer"] = o.Markers["terminated"] + "\n"
		}},
	},
	"lifecycle/term-default-action": {
		ofDeleted("is killed after the grace period", "sleeper", func(c *suite.ContainerState) { killed := 137; c.ExitCode = &killed }),
	},
	"lifecycle/grace-period": {
		ofDeleted("is killed at its work", "drainer", func(c *suite.ContainerState) { killed := 137; c.ExitCode, c.ExitReason = &killed, "Error" }),
		{"the drainer is killed at its work, in the grace period", drainerKilledAtWork(stopGrace - 5)},
		logBreaks("drainer", "ends before its work does", func(o *suite.Observation, _ string) string { return o.Markers["terminated"] + "\n" }),
		logBreaks("drainer", "has its child say that it was terminated", func(o *suite.Observation, s string) string { return s + o.Markers["child-terminated"] + "\n" }),
		{"the pod stays", func(o *suite.Observation) { o.Deletion.Gone = false }},
	},
	"lifecycle/exec-in-the-grace-period": {
		sawOtherwise("the exec is not answered", func(saw *suite.Saw) { saw.Unanswered = "exec in container drainer: no answer within 1m0s" }),
		sessionHidden("session", "sibling"),
		sessionSeenAs("the sibling sees another process", "session", "sibling", probe.Process{PID: 7, StartTime: 1}),
		hangs("session"),
		came("the session reports success", "session", probe.CommandResult{}),
		leftOver("the session's process outlives its container", "tail -f /tmp/session"),
		{"the pod stays", func(o *suite.Observation) { o.Deletion.Gone = false }},
		ofDeleted("is killed", "drainer", func(c *suite.ContainerState) { killed := 137; c.ExitCode, c.ExitReason = &killed, "Error" }),
	},
	"lifecycle/deletion-completes": {
		{"the pod is terminating for ever", func(o *suite.Observation) { o.Deletion.Gone, o.Deletion.Seconds = false, 120 }},
		came("the process cannot be stopped", "stop", probe.CommandResult{Code: 1, Stderr: "sh: can't kill pid: Operation not permitted"}),
		{"the zombie is hidden", func(o *suite.Observation) { hide(o, "stopper", isZombie) }},
	},
	"lifecycle/restart-all-keeps-the-sandbox": {
		otherPID1, notRestarted("follower"), restartedTwice("leader"), seesNoMore("killer", "follower"), livesOn("killer", marking("follower")),
		livesOn("leader", childOf("leader")),
	},
	"lifecycle/resize-keeps-the-processes": {
		processReplaced("resized"), restartedToo("resized"), restartedToo("other"), otherPID1,
	},
	"lifecycle/sessions-end-with-the-pod": {
		hangs("session"),
		sawOtherwise("the terminal hangs", func(saw *suite.Saw) { saw.TerminalEnded = new(bool) }),
		sessionHidden("session", "stopper"),
	},
}

// TestUnhealthyKilled: a container that was not scheduled within its grace period is killed. It was stopped alone.
func TestUnhealthyKilled(t *testing.T) {
	c := named(t, "lifecycle/liveness-failure-spares-the-siblings")
	o := recorded(t, c, c.Fixture)
	exitCode("unhealthy", 137).apply(&o)
	require.NoError(t, c.Judge(o))
}

// TestUnenforcedMemoryLimit: a container that was given more memory than its
// limit is no fault of a shared process namespace's.
func TestUnenforcedMemoryLimit(t *testing.T) {
	given := 0
	err := onlyHungryEnded(suite.Observation{AfterPod: &suite.PodState{Containers: map[string]suite.ContainerState{
		"hungry": {Running: true, Restarts: 1, ExitCode: &given, ExitReason: "Completed"},
	}}})
	assert.Error(t, err)
	assert.False(t, suite.IsViolation(err))
}

// TestSignalRefused: a cluster that forbids to signal PID 1 says nothing about
// what the signal would have done.
func TestSignalRefused(t *testing.T) {
	refused := suite.Observation{Ran: map[string]probe.CommandResult{"terminate": {Code: 1, Stderr: "kill: can't kill pid 1: Operation not permitted"}}}
	err := signalAllowed(refused)
	assert.Error(t, err)
	assert.False(t, suite.IsViolation(err))
	killed := suite.Observation{Ran: map[string]probe.CommandResult{"terminate": {Code: 137}}}
	err = signalAllowed(killed)
	assert.Error(t, err, "nobody has looked whether it ended with the sandbox")
	assert.False(t, suite.IsViolation(err))
	killed.AfterPod = &suite.PodState{}
	assert.NoError(t, signalAllowed(killed))
}

func TestStatOf(t *testing.T) {
	tests := map[string]struct {
		line string
		want probe.Process
		ok   bool
	}{
		"plain":         {"12 (sleep) S 7 12 7 0 -1 4194560 9 0 0 0 0 0 0 0 20 0 1 0 4711 1 1\n", probe.Process{PID: 12, PPID: 7, Comm: "sleep", State: "S", StartTime: 4711}, true},
		"a forged name": {"12 (a) R 1 (b) T 0 12 7 0 -1 4194560 9 0 0 0 0 0 0 0 20 0 1 0 4711 1 1", probe.Process{PID: 12, PPID: 0, Comm: "a) R 1 (b", State: "T", StartTime: 4711}, true},
		"cut":           {"12 (sleep) S 7 12 7 0 -1", probe.Process{}, false},
		"no process":    {"none\n", probe.Process{}, false},
		"nothing":       {"", probe.Process{}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := probe.ParseStat(test.line)
			assert.Equal(t, test.ok, err == nil)
			if err == nil {
				assert.Equal(t, test.want, got)
			}
		})
	}
}
