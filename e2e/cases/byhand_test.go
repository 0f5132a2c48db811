package cases

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// madeByHand are observations of pods that no cluster has shown: what a conformant one must
// look like, and its control, by the case's ID.
var madeByHand = map[string]struct{ fixture, control func() suite.Observation }{
	"lifecycle/leftovers-of-exec-die":         {execsEnded, execsApart},
	"lifecycle/unread-session-container-ends": {unreadEnded, execsApart},
	"lifecycle/unread-session-pod-goes":       {unreadDeleted, unreadApart},
	"reaping/post-start-orphan":               {hookOrphanReaped, hookOrphanStays},
}

// TestJudgesOnPodsMadeByHand: yes to the fixture, no to the control and to each fault, and no
// answer where what the judgement rests on is missing.
func TestJudgesOnPodsMadeByHand(t *testing.T) {
	faults := allBreakages(t)
	for id, made := range madeByHand {
		t.Run(id, func(t *testing.T) {
			c := caseOf(t, id)
			if c.Precondition != nil {
				require.NoError(t, c.Precondition(made.fixture()))
				require.NoError(t, c.Precondition(made.control()))
			}
			require.NoError(t, c.Judge(made.fixture()))
			err := c.Judge(made.control())
			assert.True(t, suite.IsViolation(err), "the control does not bite: %v", err)
			for _, fault := range faults[id] {
				o := made.fixture()
				fault.apply(&o)
				err := c.Judge(o)
				assert.True(t, suite.IsViolation(err), "%s: %v", fault.name, err)
			}
			missing := made.fixture()
			missing.Saw = suite.Saw{}
			err = c.Judge(missing)
			require.Error(t, err, "nothing was noted")
			assert.False(t, suite.IsViolation(err), "nothing was noted: %v", err)
		})
	}
}

// TestExecsCannotTell: what proves nothing of the sessions is no violation, and never a pass.
func TestExecsCannotTell(t *testing.T) {
	for _, row := range []struct {
		id, what string
		change   func(*suite.Observation)
	}{
		{"lifecycle/leftovers-of-exec-die", "the killer did not look again", func(o *suite.Observation) { o.Saw.Left = nil }},
		{"lifecycle/leftovers-of-exec-die", "no daemon was left", func(o *suite.Observation) { delete(o.Saw.Daemons, "finished") }},
		{"lifecycle/leftovers-of-exec-die", "kill did not run", neverRan(endsBoth)},
		{"lifecycle/unread-session-container-ends", "the killer did not look again", func(o *suite.Observation) { o.Saw.Left = nil }},
		{"lifecycle/unread-session-container-ends", "what nobody reads is dropped, and the session runs on", func(o *suite.Observation) { notHeldUp(o) }},
		{"lifecycle/unread-session-container-ends", "kill did not run", neverRan(endsBoth)},
		{"lifecycle/unread-session-pod-goes", "what nobody reads is dropped, and the session runs on", func(o *suite.Observation) { notHeldUp(o) }},
		{"lifecycle/unread-session-pod-goes", "the pod was not deleted", func(o *suite.Observation) { o.Deletion = nil }},
	} {
		t.Run(row.id+"/"+row.what, func(t *testing.T) {
			c, o := caseOf(t, row.id), madeByHand[row.id].fixture()
			require.NoError(t, c.Judge(o))
			row.change(&o)
			err := c.Judge(o)
			require.Error(t, err)
			assert.False(t, suite.IsViolation(err), "%v", err)
		})
	}
}

// TestExecActsDoNotWaitForWhatWasRefused: the containers that are to end are not waited for
// where they were not signalled.
func TestExecActsDoNotWaitForWhatWasRefused(t *testing.T) {
	for _, act := range []*suite.Act{endBesideExecs, endBesideUnread} {
		t.Run(act.Name, func(t *testing.T) {
			t.Parallel()
			waitsForNothingRefused(t, act.Do, execPod())
		})
	}
}

// obeyingClient act in a pod whose containers may signal each other: what is killed takes its
// container's sessions along, and its container comes back.
type obeyingClient struct {
	*confinedClient
	over    chan struct{}
	deleted bool
}

func (h *obeyingClient) Exec(ctx context.Context, name, container string, command ...string) (probe.CommandResult, error) {
	if name != endsBoth {
		until, end := context.WithCancel(ctx)
		defer end()
		go func() {
			select {
			case <-h.over:
				end()
			case <-until.Done():
			}
		}()
		result, err := h.confinedClient.Exec(until, name, container, command...)
		if result.Failure != "" { // a session
			result = probe.CommandResult{Code: 137}
			h.mu.Lock()
			h.seen.Ran[name] = result
			h.mu.Unlock()
		}
		return result, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions, h.seen.Ran[name] = nil, probe.CommandResult{}
	close(h.over)
	return probe.CommandResult{}, nil
}

func (h *obeyingClient) Await(context.Context, time.Duration, string, func(suite.PodState) bool) (bool, error) {
	return true, nil
}

func (h *obeyingClient) Delete(context.Context, int64, time.Duration) error {
	h.deleted = true
	return nil
}

// TestExecActs: what the acts record of a pod in which all goes as it should is what their judges
// ask for, and they leave no session open.
func TestExecActs(t *testing.T) {
	for _, row := range []struct {
		act    *suite.Act
		judge  func(suite.Observation) error
		finish func(*suite.Observation) // what the runner adds
	}{
		{endBesideExecs, leftoversOfExecDied, comesBack},
		{endBesideUnread, endedBesideUnread, comesBack},
		{deleteBesideUnread, wentBesideUnread, func(o *suite.Observation) { o.Deletion = unreadDeleted().Deletion }},
	} {
		t.Run(row.act.Name, func(t *testing.T) {
			t.Parallel()
			pod := &obeyingClient{confinedClient: &confinedClient{seen: execPod()}, over: make(chan struct{})}
			require.NoError(t, row.act.Do(t.Context(), pod))
			assert.Equal(t, row.act.Ends, pod.deleted)
			assert.Zero(t, pod.open.Load(), "sessions are left open")
			o := pod.Before()
			row.finish(&o)
			require.NoError(t, row.judge(o))
		})
	}
	t.Run("where the killer sees nobody", func(t *testing.T) {
		for _, act := range []*suite.Act{endBesideExecs, endBesideUnread} {
			pod := &obeyingClient{confinedClient: &confinedClient{seen: execsApart()}}
			require.NoError(t, act.Do(t.Context(), pod))
			assert.Empty(t, pod.sessions)
		}
	})
}

func comesBack(o *suite.Observation) { o.After, o.AfterPod = bothEnded().After, bothEnded().AfterPod }

// markerOf is a container's marker, or another thing's: as random as it need be.
func markerOf(name string) string { return fmt.Sprintf("marker%020x", []byte(name))[:26] }

// snapshotBy is what a container sees: the given processes, in a namespace.
func snapshotBy(container string, namespace uint64, processes ...probe.Process) *probe.Snapshot {
	return &probe.Snapshot{Container: container, Namespaces: map[string]uint64{"pid": namespace}, Processes: processes}
}

func runningAs(id string) suite.ContainerState {
	return suite.ContainerState{ID: id, Running: true, Ready: true}
}

// runsAgain is a container that ended so, and runs again.
func runsAgain(id string, code int, reason string) suite.ContainerState {
	return suite.ContainerState{ID: id, Running: true, Ready: true, Restarts: 1, ExitCode: &code, ExitReason: reason}
}

// withChild is the first process of a container of lifecycle-execs.yaml, and its child.
func withChild(container string, pid int, started uint64) []probe.Process {
	return []probe.Process{
		{PID: pid, State: "S", Comm: "sh", StartTime: started, Argv: []string{"sh", "-c", "loop", markerOf(container)}},
		{PID: pid + 1, PPID: pid, State: "S", Comm: "sh", StartTime: started, Argv: []string{"sh", "-c", "loop", "child"}},
	}
}

var sandbox = probe.Process{PID: 1, State: "S", Comm: "pause", StartTime: 1, Argv: []string{"/pause"}}

// execPod is the pod of lifecycle-execs.yaml before it is acted on.
func execPod() suite.Observation {
	o := suite.Observation{
		Pod:     suite.PodState{Sharing: "true", Containers: map[string]suite.ContainerState{}},
		Before:  map[string]*probe.Snapshot{},
		Markers: map[string]string{},
		Ran:     map[string]probe.CommandResult{},
	}
	all := []probe.Process{sandbox}
	for i, name := range []string{"finished", "killed", "killer"} {
		o.Markers[name] = markerOf(name)
		o.Pod.Containers[name] = runningAs("first-" + name)
		all = append(all, withChild(name, 10*(i+1), 100)...)
	}
	for name := range o.Markers {
		o.Before[name] = snapshotBy(name, 4711, all...)
	}
	return o
}

// execsApart is the same pod isolated: the killer sees nobody, and nothing was done.
func execsApart() suite.Observation {
	o := execPod()
	o.Pod.Sharing = "absent"
	for i, name := range []string{"finished", "killed", "killer"} {
		o.Before[name] = snapshotBy(name, uint64(4711+i), withChild(name, 1, 100)...)
	}
	o.After, o.AfterPod = maps.Clone(o.Before), &o.Pod
	return o
}

// bothEnded is that pod when two of its containers have ended and were started again.
func bothEnded() suite.Observation {
	o := execPod()
	o.Ran[endsBoth] = probe.CommandResult{}
	after := append([]probe.Process{sandbox}, withChild("killer", 30, 100)...)
	after = append(after, withChild("finished", 60, 900)...)
	after = append(after, withChild("killed", 70, 900)...)
	o.After = map[string]*probe.Snapshot{}
	for name := range o.Markers {
		o.After[name] = snapshotBy(name, 4711, after...)
	}
	o.AfterPod = &suite.PodState{Sharing: "true", Containers: map[string]suite.ContainerState{
		"finished": runsAgain("second-finished", 0, "Completed"), "killed": runsAgain("second-killed", 137, "Error"), "killer": runningAs("first-killer"),
	}}
	o.Saw.Left = &[]suite.Leftover{}
	return o
}

// seenByBoth has a session's process seen by its own container and the killer.
func seenByBoth(o *suite.Observation, session, container string, p probe.Process) {
	o.Saw.InSession(session, func(of *suite.Session) { of.SeenBy(container, p); of.SeenBy("killer", p) })
}

func execsEnded() suite.Observation {
	o := bothEnded()
	for i, e := range execEnds {
		ended := true
		seenByBoth(&o, sessionOf(e.name), e.name, probe.Process{PID: 40 + i, State: "S", StartTime: 300, Argv: []string{"tail", "-f", "/tmp/session-00000000000000000001"}})
		o.Saw.InSession(sessionOf(e.name), func(of *suite.Session) { of.Ended = &ended })
		daemon := probe.Process{PID: 50 + i, PPID: 1, State: "S", StartTime: 300, Argv: []string{"sh", "-c", "loop", "/tmp/session-00000000000000000002"}}
		o.Saw.OfDaemon(e.name, func(of *suite.Sight) { of.Own = &daemon; of.SeenBy("killer", daemon) })
		o.Ran[sessionOf(e.name)] = probe.CommandResult{Code: 137}
	}
	return o
}

// held notes a session whose client reads nothing.
func held(o *suite.Observation, container string, pid int) {
	held := true
	seenByBoth(o, unreadIn(container), container, probe.Process{PID: pid, State: "S", StartTime: 300, Argv: []string{"sh", "-c", "loop", "unread", "/tmp/session-00000000000000000003"}})
	o.Saw.InSession(unreadIn(container), func(of *suite.Session) { of.HeldUp = &held })
}

func notHeldUp(o *suite.Observation) {
	o.Saw.InSession(unreadIn("killed"), func(of *suite.Session) { of.HeldUp = nil })
}

func unreadEnded() suite.Observation {
	o := bothEnded()
	held(&o, "finished", 40)
	held(&o, "killed", 41)
	return o
}

func unreadDeleted() suite.Observation {
	o := execPod()
	held(&o, "killed", 41)
	o.Deletion = &suite.Deletion{GraceSeconds: execsGrace, Gone: true, Seconds: 2, Last: o.Pod}
	return o
}

// unreadApart: the session is seen from its own container alone.
func unreadApart() suite.Observation {
	o := execsApart()
	o.After, o.AfterPod = nil, nil
	held(&o, "killed", 41)
	delete(o.Saw.Sessions[unreadIn("killed")].From, "killer")
	notHeldUp(&o)
	return o
}

// execsBreakages are the faults that the cases of what exec started must find.
var execsBreakages = map[string][]breakage{
	"lifecycle/leftovers-of-exec-die": {
		notedLivesOn("daemon in finished", daemonOf("finished")), notedLivesOn("daemon in killed", daemonOf("killed")), notedLivesOn("session in finished", processOf(sessionOf("finished"))), notedLivesOn("session in killed", processOf(sessionOf("killed"))),
		dieLate, notedZombie("daemon in finished", daemonOf("finished")),
		stuckRunning("finished"), stuckRunning("killed"), notRestarted("killed"), restartedTwice("finished"), exitCode("finished", 137), exitCode("killed", 0),
		hangs(sessionOf("finished")),
		hangs(sessionOf("killed")),
		came("the session reports success", sessionOf("finished"), probe.CommandResult{}),
		sawOtherwise("the killer does not see the daemon", func(saw *suite.Saw) { delete(saw.Daemons["killed"].From, "killer") }),
		sessionSeenAs("the killer sees another process", sessionOf("killed"), "killer", probe.Process{PID: 7, StartTime: 1}),
		came("kill is refused", endsBoth, probe.CommandResult{Code: 1, Stderr: "sh: can't kill pid 10: Operation not permitted"}),
	},
	"lifecycle/unread-session-container-ends": {
		notedLivesOn("session in finished", processOf(unreadIn("finished"))), notedLivesOn("session in killed", processOf(unreadIn("killed"))), dieLate,
		stuckRunning("finished"), stuckRunning("killed"), notRestarted("finished"), notRestarted("killed"), exitCode("killed", 0),
		sessionHidden(unreadIn("finished"), "killer"),
		came("kill is refused", endsBoth, probe.CommandResult{Code: 1, Stderr: "sh: can't kill pid 10: Operation not permitted"}),
	},
	"lifecycle/unread-session-pod-goes": {
		{"the pod is terminating for ever", func(o *suite.Observation) { o.Deletion.Gone, o.Deletion.Seconds = false, 121 }},
		sessionHidden(unreadIn("killed"), "killer"),
		sessionSeenAs("the killer sees another process", unreadIn("killed"), "killer", probe.Process{PID: 7, StartTime: 1}),
	},
}

// processOf is a session's process, as the killer saw it.
func processOf(session string) func(*suite.Saw) probe.Process {
	return func(saw *suite.Saw) probe.Process { return saw.Sessions[session].From["killer"] }
}

// daemonOf is what an exec left behind in a container.
func daemonOf(container string) func(*suite.Saw) probe.Process {
	return func(saw *suite.Saw) probe.Process { return *saw.Daemons[container].Own }
}

// notedLivesOn leaves a process that the act noted in what the killer sees afterwards.
func notedLivesOn(name string, of func(*suite.Saw) probe.Process) breakage {
	return breakage{"the " + name + " lives on", func(o *suite.Observation) {
		o.After["killer"].Processes = append(o.After["killer"].Processes, of(&o.Saw))
	}}
}

// notedZombie leaves it as a zombie that nobody has waited for.
func notedZombie(name string, of func(*suite.Saw) probe.Process) breakage {
	return breakage{fmt.Sprintf("the %s stays as a zombie", name), func(o *suite.Observation) {
		p := of(&o.Saw)
		p.State, p.Argv = "Z", nil
		o.After["killer"].Processes = append(o.After["killer"].Processes, p)
	}}
}

// hookPod is the pod of post-start.yaml, with what its hook left behind.
func hookPod(sharing string, first probe.Process) (suite.Observation, probe.Process) {
	orphan := probe.Process{PID: 20, PPID: 1, State: "S", Comm: "cat", StartTime: 200, Argv: []string{"cat", "/tmp/" + markerOf("orphan")}}
	o := suite.Observation{
		Pod:     suite.PodState{Sharing: sharing, Containers: map[string]suite.ContainerState{"maker": runningAs("maker"), "sibling": runningAs("sibling")}},
		Markers: map[string]string{"orphan": markerOf("orphan"), "sibling": markerOf("sibling")},
		Saw:     suite.Saw{Orphan: suite.Sight{Own: &orphan}},
		Ran:     map[string]probe.CommandResult{"kill-orphan": {}},
		Before:  map[string]*probe.Snapshot{"maker": snapshotBy("maker", 4711, first, orphan)},
		After:   map[string]*probe.Snapshot{"maker": snapshotBy("maker", 4711, first)},
	}
	o.AfterPod = &o.Pod
	return o, orphan
}

func hookOrphanReaped() suite.Observation {
	o, orphan := hookPod("true", sandbox)
	o.Saw.Orphan.SeenBy("sibling", orphan)
	o.Before["sibling"], o.After["sibling"] = snapshotBy("sibling", 4711, sandbox, orphan), snapshotBy("sibling", 4711, sandbox)
	return o
}

// hookOrphanStays: isolated, its container's first process is PID 1, which does not reap.
func hookOrphanStays() suite.Observation {
	sleep := probe.Process{PID: 1, State: "S", Comm: "sleep", StartTime: 100, Argv: []string{"sleep", "3600"}}
	o, orphan := hookPod("absent", sleep)
	orphan.State, orphan.Argv = "Z", nil
	o.After["maker"].Processes = append(o.After["maker"].Processes, orphan)
	apart := snapshotBy("sibling", 4712, probe.Process{PID: 1, State: "S", Comm: "sh", StartTime: 150, Argv: []string{"sh", "-c", "loop", markerOf("sibling")}})
	o.Before["sibling"], o.After["sibling"] = apart, apart
	return o
}
