package cases

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// TestCannotTell: what proves nothing is no violation, and never a pass.
func TestCannotTell(t *testing.T) {
	for _, row := range []struct {
		id, what string
		apply    func(*suite.Observation)
	}{
		{"lifecycle/leftovers-die", "the killer did not look again", func(o *suite.Observation) { o.Saw.Left = nil }},
		{"lifecycle/leftovers-die", "the session was not seen", func(o *suite.Observation) { delete(o.Saw.Sessions, "second session") }},
		{"lifecycle/no-leftovers-however-it-ends", "the killer did not look again", func(o *suite.Observation) { o.Saw.Left = nil }},
		{"lifecycle/no-leftovers-however-it-ends", "no memory limit is enforced", exitCode("hungry", 0).apply},
		{"lifecycle/log-written-by-a-sibling", "the bystander's log was not read", func(o *suite.Observation) { delete(o.Logs, "bystander") }},
		{"stress/sessions-end-at-once", "no memory limit is enforced", exitCode("hungry", 0).apply},
		{"disruption/kubelet-restart-changes-nothing", "kubelet was not restarted", ranOtherwise("restart", 1, "", "Failed to restart").apply},
		{"disruption/kubelet-restart-changes-nothing", "container two was not looked into", func(o *suite.Observation) { delete(o.Saw.Disrupted.Joined, "two") }},
		{"disruption/kubelet-restart-changes-nothing", "container two was never looked into", func(o *suite.Observation) {
			delete(o.Saw.Disrupted.Joined, "two")
			o.Before["two"].Namespaces["pid"] = 0
		}},
		{"disruption/containerd-restart-keeps-new-containers-joining", "containerd was not restarted", ranOtherwise("restart", 1, "", "Failed to restart").apply},
		{"lifecycle/pre-stop-hook-shares", "the herald's hooks ran more than once", func(o *suite.Observation) {
			c := o.Deletion.Last.Containers["herald"]
			c.Restarts++
			o.Deletion.Last.Containers["herald"] = c
			o.Logs["drainer"] += o.Markers["told"] + "\n"
		}},
		{"lifecycle/pre-stop-hook-shares", "the herald's hook came too late for the drainer", drainerGaveUp(1, 0)},
		{"lifecycle/pre-stop-hook-shares", "the herald's hook was just over when the drainer gave up", drainerGaveUp(1, -2)},
		{"lifecycle/pre-stop-hook-shares", "the herald's hook came too late for a drainer that could not give up", drainerGaveUp(137, 0)},
		{"lifecycle/pre-stop-hook-shares", "the herald's hook came too late, and its end is not known", func(o *suite.Observation) {
			drainerGaveUp(1, 0)(o)
			ofDeleted("runs", "herald", func(c *suite.ContainerState) { c.Running, c.ExitCode, c.ExitReason, c.EndedAt = true, nil, "", 0 }).apply(o)
		}},
		{"lifecycle/grace-period", "the herald's hook came too late for the drainer", drainerGaveUp(1, 0)},
		{"lifecycle/grace-period", "the herald's hook was not run", drainerGaveUp(1, -20)},
		{"lifecycle/grace-period", "the drainer was told, and the grace period was over before its work", drainerKilledAtWork(stopGrace)},
		{"lifecycle/grace-period", "the same, and the sleeper ended late", drainerKilledAtWork(stopGrace - overInTime + 1)},
		{"lifecycle/grace-period", "nobody knows how the drainer ended", drainerEndUnknown("terminated", "told")},
		{"lifecycle/pre-stop-hook-shares", "nobody knows how the drainer ended, which was not told", drainerEndUnknown("terminated")},
		{"lifecycle/exec-in-the-grace-period", "the drainer was not told that its work is done, and was killed", func(o *suite.Observation) {
			neverRan("drainer done")(o)
			ofDeleted("is killed", "drainer", func(c *suite.ContainerState) { killed := 137; c.ExitCode, c.ExitReason = &killed, "Error" }).apply(o)
		}},
		{"lifecycle/grace-period", "of the drainer only an earlier end is known", earlierEnd("drainer", 1, "Error")},
		{"lifecycle/term-default-action", "of the sleeper only an earlier end is known", earlierEnd("sleeper", 1, "Error")},
		{"lifecycle/term-default-action", "of the sleeper only an earlier end of the same kind is known", earlierEnd("sleeper", 143, "Error")},
		{"lifecycle/post-start-hook-shares", "the sleeper was started again", func(o *suite.Observation) {
			startedBefore(o, "sleeper")
			hook := o.Before["herald"].Files["/tmp/post-start"]
			p, _ := probe.ParseStat(hook.Text)
			o.Before["herald"].Files["/tmp/post-start"] = probe.Access{Text: statLine(p.PID-1, 0, int(p.StartTime)-1)}
		}},
		{"sidecar/starts-first", "the sidecar was started again", func(o *suite.Observation) {
			startedBefore(o, "proxy")
			for c := range o.Before {
				edit(o, c, withMarker(o, "proxy"), func(p *probe.Process) { p.StartTime += 1e6 })
			}
		}},
		{"lifecycle/nothing-left-on-the-node", "the node was not searched again", func(o *suite.Observation) { delete(o.Ran, "after") }},
		{"reaping/pids-limit", "kubelet's configuration was not asked for", func(o *suite.Observation) { delete(o.Ran, "configured") }},
		{"sidecar/sees-the-others-end", "the grace period was over before the others ended", func(o *suite.Observation) {
			stillThere("one").apply(o)
			o.Deletion.Seconds = float64(o.Deletion.GraceSeconds) + 1
		}},
		{"signals/hangup-replaces-workers", "hangup did not run", neverRan("hangup")},
		{"signals/hangup-replaces-workers", "http did not run", neverRan("http")},
		{"signals/hangup-replaces-workers", "nginx did not answer before either", func(o *suite.Observation) {
			o.Ran[answeredBefore] = probe.CommandResult{Code: 1, Stderr: "wget: can't connect to remote host (127.0.0.1): Connection refused"}
			o.Ran[answeredAfter] = o.Ran[answeredBefore]
		}},
		{"signals/hangup-replaces-workers", "http-before did not run", neverRan(answeredBefore)},
		{"ephemeral/hangup-replaces-workers", "nginx did not answer before either", func(o *suite.Observation) {
			o.Ran[answeredBefore] = probe.CommandResult{Code: 1}
			o.Ran[answeredAfter] = o.Ran[answeredBefore]
		}},
		{"signals/log-rotation", "nginx logged no request before", ranOtherwise("rotate", logSilent, "", "").apply},
		{"signals/log-rotation", "rotate did not run", neverRan("rotate")},
		{"signals/image-without-shell", "terminate did not run", neverRan("terminate")},
		{"signals/from-exec", "from-exec did not run", neverRan("from-exec")},
		{"signals/stop-and-continue", "stop did not run", neverRan("stop")},
		{"lifecycle/deletion-completes", "stop did not run", neverRan("stop")},
		{"security/same-user-signals", "kill-one did not run", neverRan("kill-one")},
		{"admission/same-in-json-and-protobuf", "the server answers in JSON alone", answered("", "protobuf", suite.Answer{Code: 200, Sharing: "true"}).apply},
		{"neighbours/host-pid-sees-the-node", "the other pod is in the node's namespace as well", func(o *suite.Observation) {
			first, _ := o.Container("lookout").Process(1)
			for name := range o.Neighbour.Before {
				edit(o.Neighbour, name, isPID1, func(p *probe.Process) { *p = first })
			}
		}},
		{"reaping/pids-limit", "kubelet's configuration is not where it is looked for", ranOtherwise("configured", 2, "", "sed: no such file").apply},
	} {
		t.Run(row.id+"/"+row.what, func(t *testing.T) { cannotTellAfter(t, caseOf(t, row.id), row.apply) })
	}
}

// drainerGaveUp has the drainer not be told, and end so when 20 seconds have passed, or with the grace period where
// it is killed. The herald ends so many seconds later.
func drainerGaveUp(code int, heraldLater int64) func(*suite.Observation) {
	return func(o *suite.Observation) {
		waited := int64(20)
		if code == 137 {
			waited = stopGrace
		}
		endedAt := o.Deletion.Last.Containers["sleeper"].EndedAt + waited
		o.Logs["drainer"] = o.Markers["terminated"] + "\n"
		ofDeleted("gives up", "drainer", func(c *suite.ContainerState) { c.ExitCode, c.ExitReason, c.EndedAt = &code, "Error", endedAt }).apply(o)
		ofDeleted("ends", "herald", func(c *suite.ContainerState) { c.EndedAt = endedAt + heraldLater }).apply(o)
	}
}

// drainerKilledAtWork has the drainer be told, and be killed so many seconds after the first SIGTERM.
func drainerKilledAtWork(after int64) func(*suite.Observation) {
	return func(o *suite.Observation) {
		o.Logs["drainer"] = o.Markers["terminated"] + "\n" + o.Markers["told"] + "\n"
		ofDeleted("is killed", "drainer", func(c *suite.ContainerState) {
			killed := 137
			c.ExitCode, c.ExitReason, c.EndedAt = &killed, "Error", o.Deletion.Last.Containers["sleeper"].EndedAt+after
		}).apply(o)
	}
}

// drainerEndUnknown has the last that is told of the pod be from before its end, as after a relist.
func drainerEndUnknown(says ...string) func(*suite.Observation) {
	return func(o *suite.Observation) {
		o.Logs["drainer"] = ""
		for _, marker := range says {
			o.Logs["drainer"] += o.Markers[marker] + "\n"
		}
		ofDeleted("still runs", "drainer", func(c *suite.ContainerState) {
			c.Running, c.ExitCode, c.ExitReason, c.EndedAt = true, nil, "", 0
		}).apply(o)
	}
}

// TestOfEach: in the order of the names, and a violation outweighs what cannot be told.
func TestOfEach(t *testing.T) {
	all := map[string]error{"a": nil, "b": suite.CannotTell("b", "no"), "c": suite.CannotTell("c", "no")}
	same := func(_ string, err error) error { return err }
	for range 20 {
		assert.Equal(t, all["b"], ofEach(all, same))
	}
	all["d"] = suite.Violation("d", "no")
	assert.Equal(t, all["d"], ofEach(all, same))
	assert.NoError(t, ofEach(map[string]error{"a": nil}, same))
}

// TestLateHookOfABlindHerald: where the herald does not see the drainer, its hook signals nobody, however late.
func TestLateHookOfABlindHerald(t *testing.T) {
	c := caseOf(t, "lifecycle/pre-stop-hook-shares")
	o := recorded(t, c, c.Fixture)
	drainerGaveUp(1, 0)(&o)
	hide(&o, "herald", withMarker(&o, "drainer"))
	err := c.Judge(o)
	assert.True(t, suite.IsViolation(err), "%v", err)
}

// startedBefore has kubelet have started a container again before anybody looked.
func startedBefore(o *suite.Observation, name string) {
	killed := 137
	for _, of := range []*suite.PodState{&o.Pod, o.AfterPod} {
		if of != nil {
			c := of.Containers[name]
			c.Restarts, c.ExitCode, c.ExitReason = 1, &killed, "Error"
			of.Containers[name] = c
		}
	}
}

// earlierEnd has a deleted pod's last status tell that a container runs, and how its previous instance ended.
func earlierEnd(name string, code int, reason string) func(*suite.Observation) {
	return ofDeleted("runs in the last status", name, func(c *suite.ContainerState) {
		c.Running, c.Restarts, c.ExitCode, c.ExitReason = true, 1, &code, reason
	}).apply
}

// TestUnknownEndProvesNothing: the reason ContainerStatusUnknown and its exit code, 137, are kubelet's own, where the
// runtime no longer has the container. They are not how it ended.
func TestUnknownEndProvesNothing(t *testing.T) {
	for id, name := range map[string]string{
		"lifecycle/kill-restarts-the-container":          "victim",
		"lifecycle/exit-codes":                           "terminated",
		"lifecycle/nginx-quits":                          "nginx",
		"lifecycle/restart-never":                        "finished",
		"lifecycle/liveness-failure-spares-the-siblings": "unhealthy",
		"lifecycle/out-of-memory":                        "hungry",
		"lifecycle/sandbox-end-restarts-the-pod":         "other",
		"lifecycle/sandbox-end-with-restart-never":       "other",
		"lifecycle/term-default-action":                  "sleeper",
		"lifecycle/grace-period":                         "drainer",
		"signals/image-without-shell":                    "bare",
		"controllers/job-completes":                      "one",
		"ephemeral/killed-is-not-started-again":          "debugger",
		"pid1/demanding-pod-fails":                       "demanding",
	} {
		t.Run(id, func(t *testing.T) {
			cannotTellAfter(t, caseOf(t, id), func(o *suite.Observation) {
				states := []*suite.PodState{&o.Pod, o.AfterPod}
				if o.Deletion != nil {
					states = append(states, &o.Deletion.Last)
				}
				for _, of := range states {
					if of == nil || of.Containers[name].ExitCode == nil {
						continue
					}
					unknown, c := 137, of.Containers[name]
					c.ExitCode, c.ExitReason = &unknown, statusUnknown
					of.Containers[name] = c
				}
			})
		})
	}
}

// TestRestartsBeforeTheFirstLook: what kubelet started again before the act is no restart of its doing.
func TestRestartsBeforeTheFirstLook(t *testing.T) {
	c := caseOf(t, "lifecycle/restart-on-failure")
	o := recorded(t, c, c.Fixture)
	for _, of := range []*suite.PodState{&o.Pod, o.AfterPod} {
		finished := of.Containers["finished"]
		finished.Restarts++
		of.Containers["finished"] = finished
	}
	require.NoError(t, c.Judge(o))
}

// neverRan is a command of which nothing is known but that the node did not start it.
func neverRan(name string) func(*suite.Observation) {
	return came(name+" did not run", name, probe.CommandResult{Failure: "failed to load task: context deadline exceeded"}).apply
}

// cannotTellAfter demands that a case conforms on what was recorded of its fixture, and
// that nobody can tell any more once that was changed.
func cannotTellAfter(t *testing.T, c suite.Case, change func(*suite.Observation)) {
	t.Helper()
	o := recorded(t, c, c.Fixture)
	require.NoError(t, c.Judge(o))
	change(&o)
	err := c.Judge(o)
	require.Error(t, err)
	assert.False(t, suite.IsViolation(err), "%v", err)
}

// TestExecThatNeverRanIsNoAnswer: what a command would have shown is not known where the
// exec did not run.
func TestExecThatNeverRanIsNoAnswer(t *testing.T) {
	for id, name := range map[string]string{
		"lifecycle/log-written-by-a-sibling": "write",
		"filesystem/service-account-token":   "token",
		"filesystem/write-through":           "write-app",
		"controllers/job-completes":          "one",
	} {
		t.Run(id, func(t *testing.T) {
			c := caseOf(t, id)
			o := recorded(t, c, c.Fixture)
			require.Contains(t, o.Ran, name)
			o.Ran[name] = probe.CommandResult{Failure: "container is in CONTAINER_EXITED state"}
			o.After, o.Logs = nil, map[string]string{"bystander": ""} // nothing came of it
			err := c.Judge(o)
			require.Error(t, err)
			assert.False(t, suite.IsViolation(err), "%v", err)
		})
	}
}

// TestUnobservedContainerIsNoViolation: where a container was not looked into, before or after the act,
// nobody knows what it would have shown. No case takes that for a violation.
func TestUnobservedContainerIsNoViolation(t *testing.T) {
	for _, c := range All() {
		for name := range recorded(t, c, c.Fixture).Before {
			for when, forget := range map[string]func(*suite.Observation){
				"never":     func(o *suite.Observation) { delete(o.Before, name); delete(o.After, name) },
				"not after": func(o *suite.Observation) { delete(o.After, name) },
				"failed": func(o *suite.Observation) {
					failed := &probe.Snapshot{Container: name, Failure: "the runtime said no"}
					o.Before[name] = failed
					if o.After[name] != nil {
						o.After[name] = failed
					}
				},
			} {
				t.Run(c.ID+"/"+name+"/"+when, func(t *testing.T) {
					o := recorded(t, c, c.Fixture)
					if c.Judge(o) != nil {
						t.Skip("what was recorded is no verdict")
					}
					forget(&o)
					err := c.Judge(o)
					assert.False(t, suite.IsViolation(err), "%v", err)
				})
			}
		}
	}
}
