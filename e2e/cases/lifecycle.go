package cases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// lifecycleCases state what becomes of a pod when its processes end.
func lifecycleCases() []suite.Case {
	return slices.Concat(killCases(), endCases(), sandboxCases(), stopCases(), deletionCases())
}

// The sources of these claims.
const (
	kubeletRestarts = "Kubernetes documentation, Pod Lifecycle, Container restarts"
	kubeletStops    = "Kubernetes documentation, Pod Lifecycle, Termination of Pods"
	initSignals     = "pid_namespaces(7), The namespace init process; signal(7)"
)

// comeback bounds the wait for a container that is started again, which takes
// kubelet a second or two for the first time, and far longer on a busy node.
const comeback = 2 * time.Minute

// A sibling kills a container's first process, with sessions open in it.

func killCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:     "lifecycle/kill-restarts-the-container",
			Level:  suite.Extended,
			Claim:  "A container whose first process a sibling kills ends with exit code 137, and kubelet starts it again, once.",
			Source: onConfiguring + ", signalling other containers; " + kubeletRestarts,
			Judge:  func(o suite.Observation) error { return restartedOnce(o, "victim", 137, "Error") },
		},
		{
			ID:     "lifecycle/kill-spares-the-siblings",
			Level:  suite.Extended,
			Claim:  "While a killed container restarts, its siblings' first processes and PID 1 stay the processes they were, and no sibling restarts.",
			Source: kubeletRestarts + "; " + kep495,
			Judge:  killSparedSiblings,
		},
		{
			ID:     "lifecycle/restarted-container-shares",
			Level:  suite.Extended,
			Claim:  "A container that was started again is back in the pod's PID namespace: it and its siblings see each other.",
			Source: apiReference + " (a single process namespace for all containers)",
			Judge:  restartedShares,
		},
		{
			ID:     "lifecycle/leftovers-die",
			Level:  suite.Extended,
			Claim:  "When a container's first process is killed, every other process of the container dies with it: its children, daemons, and sessions by exec.",
			Source: kep495 + "; containerd#2744, runc#2036, cri-o#5895 (they lived on)",
			Judge:  leftoversDied,
		},
		{
			ID:     "lifecycle/logs-stay-apart",
			Level:  suite.Extended,
			Claim:  "Each container keeps a log of its own, and a restarted container's previous log is that of the instance that was killed.",
			Source: "Kubernetes documentation, Logging Architecture",
			Judge:  logsStayedApart,
		},
		{
			ID:     "lifecycle/log-written-by-a-sibling",
			Level:  suite.Informational,
			Claim:  "What a sibling writes to /proc/PID/fd/1 of a container's first process stands in that container's log, and in no other.",
			Source: ptraceRule,
			Judge:  siblingWroteLog,
		},
		{
			ID:     "lifecycle/exec-joins",
			Level:  suite.Extended,
			Claim:  "A process that exec starts in a container joins the pod's PID namespace: siblings see it, with PPID 0.",
			Source: apiReference + "; pid_namespaces(7)",
			Judge:  execJoined,
		},
		{
			ID:     "lifecycle/exec-killed-by-a-sibling",
			Level:  suite.Extended,
			Claim:  "Killing the process of an exec session from a sibling ends the session with exit code 137, and not the container.",
			Source: onConfiguring + ", signalling other containers",
			Judge:  sessionKilled,
		},
		{
			ID:     "lifecycle/exec-ends-with-its-container",
			Level:  suite.Extended,
			Claim:  "An exec session ends, with exit code 137, when a sibling kills the first process of the container that it is in.",
			Source: "containerd#10603 (it hung)",
			Judge:  sessionEndedWithContainer,
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "lifecycle-kill.yaml", "lifecycle-kill-isolated.yaml"
		cases[i].Given, cases[i].Act = victimHasFamily, killFromSibling
	}
	return cases
}

// began finds the process that a container began with: it has the container's
// marker as an argument of its own, and its parent is outside the namespace.
func began(o suite.Observation, in *probe.Snapshot, container string) (probe.Process, bool) {
	return in.Find(func(p probe.Process) bool { return p.PPID == 0 && hasArgument(p, o.Markers[container]) })
}

// hasArgument is exact, where Has also finds a script that mentions the text.
func hasArgument(p probe.Process, argument string) bool {
	return argument != "" && slices.Contains(p.Argv, argument)
}

// ownBeginning is the first process of a container as it sees it before the act.
func ownBeginning(o suite.Observation, container string) (probe.Process, error) {
	p, ok := began(o, o.Container(container), container)
	if !ok {
		return p, suite.CannotTell("container "+container+" sees its own first process", "it does not", o.Container(container))
	}
	return p, nil
}

// family is everything that descends from the given processes, and they
// themselves.
func family(s *probe.Snapshot, of ...probe.Process) []probe.Process {
	members := map[int]bool{}
	for _, p := range of {
		members[p.PID] = true
	}
	for grown := true; grown; {
		grown = false
		for _, p := range s.All(func(p probe.Process) bool { return members[p.PPID] && !members[p.PID] && p.PID != 1 }) {
			members[p.PID], grown = true, true
		}
	}
	return s.All(func(p probe.Process) bool { return members[p.PID] })
}

// victimHasFamily waits until the victim's script has come to its loop.
func victimHasFamily(o suite.Observation) error {
	if _, err := ownBeginning(o, "victim"); err != nil {
		return err
	}
	for _, marker := range []string{"child", "daemon"} {
		if _, err := ownArgument(o, "victim", marker); err != nil {
			return err
		}
	}
	return nil
}

func ownArgument(o suite.Observation, container, marker string) (probe.Process, error) {
	own := o.Container(container)
	p, ok := own.Find(func(p probe.Process) bool { return hasArgument(p, o.Markers[marker]) })
	if !ok {
		return p, suite.CannotTell("container "+container+" sees its process "+marker, "it does not", own)
	}
	return p, nil
}

var killFromSibling = &suite.Act{
	Name:   "kill-from-sibling",
	Within: comeback,
	Do: func(ctx context.Context, pod suite.Hands) error {
		if err := killSession(ctx, pod); err != nil {
			return err
		}
		o := pod.Before()
		killer := o.Container("killer")
		victim, seen := began(o, killer, "victim")
		bystander, _ := began(o, killer, "bystander")
		if !seen {
			return nil // the judges say that the killer cannot reach it
		}
		written := "written" + probe.RandomHex(10)
		pod.Note("written", written)
		if _, err := pod.Exec(ctx, "write", "killer", "sh", "-c", `echo "$1" >"/proc/$2/fd/1"`, "write", written, strconv.Itoa(bystander.PID)); err != nil {
			return err
		}
		open, err := openSession(ctx, pod, "second session", "victim")
		if err != nil {
			return err
		}
		if _, err := pod.Exec(ctx, "kill", "killer", "kill", "-KILL", strconv.Itoa(victim.PID)); err != nil {
			return err
		}
		ended := open.end(comeback)
		pod.Note("second session ended", strconv.FormatBool(ended))
		back, err := pod.Await(ctx, comeback, "running again", restarted("victim"))
		if err != nil || !back {
			return err
		}
		want := written
		if r := pod.Before().Ran["write"]; r.Code != 0 {
			want = o.Markers["bystander-line"]
		}
		return errors.Join(
			awaitLog(ctx, pod, "victim before", "victim", true, o.Markers["victim-line"]),
			awaitLog(ctx, pod, "victim", "victim", false, o.Markers["victim-line"]),
			awaitLog(ctx, pod, "bystander", "bystander", false, want),
			awaitLog(ctx, pod, "killer", "killer", false, o.Markers["killer-line"]),
		)
	},
}

// awaitLog records a container's log when it holds the text, or as it is in the
// end: a line that was printed takes its time through the runtime's pipes.
func awaitLog(ctx context.Context, pod suite.Hands, name, container string, previous bool, text string) error {
	return askUntil(ctx, func() (bool, error) {
		err := pod.Logs(ctx, name, container, previous)
		return strings.Contains(pod.Before().Logs[name], text), err
	})
}

// askUntil asks again and again for what cannot be watched, until the answer is
// the one that is waited for or a reply's time is over; which it is, the judges
// see in what was recorded.
func askUntil(ctx context.Context, ask func() (bool, error)) error {
	for deadline := time.Now().Add(reply); ; {
		answered, err := ask()
		if answered || err != nil || time.Now().After(deadline) {
			return err
		}
		select { // The server is spared: five questions a second.
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// restarted waits for containers that had not been restarted before.
func restarted(containers ...string) func(suite.PodState) bool {
	return func(p suite.PodState) bool {
		return !slices.ContainsFunc(containers, func(name string) bool {
			c := p.Containers[name]
			return c.Restarts == 0 || !c.Running
		})
	}
}

// session is a command that runs in a container until something ends it.
type session struct {
	argument string // by which its process is found
	process  probe.Process
	done     chan struct{}
	cancel   context.CancelFunc
}

// openSession returns when the container itself sees the session's process. It
// is one process only: a child would keep the session's streams open after its
// death.
func openSession(ctx context.Context, pod suite.Hands, name, container string) (*session, error) {
	running, cancel := context.WithCancel(ctx)
	s := &session{argument: "/tmp/session-" + probe.RandomHex(10), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(s.done)
		// What the exec came to is recorded; that it was given up is no failure.
		_, _ = pod.Exec(running, name, container, "sh", "-c", `: >"$1"; exec tail -f "$1"`, "session", s.argument)
	}()
	err := askUntil(ctx, func() (bool, error) {
		own, err := pod.Observe(ctx, container)
		if err != nil {
			return false, err
		}
		var found bool
		s.process, found = own.Find(func(p probe.Process) bool { return hasArgument(p, s.argument) })
		return found, nil
	})
	if err == nil && s.process.PID == 0 {
		err = fmt.Errorf("the exec session in container %s did not start within %s", container, reply)
	}
	if err != nil {
		s.end(0)
		return nil, err
	}
	return s, nil
}

// end waits for the session to end of itself, and gives it up otherwise.
func (s *session) end(within time.Duration) bool {
	defer s.cancel()
	select {
	case <-s.done:
		return true
	case <-time.After(within):
		s.cancel()
		<-s.done
		return false
	}
}

// killSession opens a session in the victim and kills it from the killer, where
// the killer sees it. What both see of it is recorded.
func killSession(ctx context.Context, pod suite.Hands) error {
	s, err := openSession(ctx, pod, "session", "victim")
	if err != nil {
		return err
	}
	defer s.end(0)
	if _, err := pod.Exec(ctx, "session seen from victim", "victim", "cat", fmt.Sprintf("/proc/%d/stat", s.process.PID)); err != nil {
		return err
	}
	from, err := pod.Observe(ctx, "killer")
	if err != nil {
		return err
	}
	seen, ok := from.Find(func(p probe.Process) bool { return hasArgument(p, s.argument) })
	if !ok {
		return nil
	}
	if _, err := pod.Exec(ctx, "session seen from killer", "killer", "cat", fmt.Sprintf("/proc/%d/stat", seen.PID)); err != nil {
		return err
	}
	if _, err := pod.Exec(ctx, "kill session", "killer", "kill", "-KILL", strconv.Itoa(seen.PID)); err != nil {
		return err
	}
	pod.Note("session ended", strconv.FormatBool(s.end(comeback)))
	return nil
}

// statOf reads a process's identity and parent out of its /proc/PID/stat.
func statOf(line string) (probe.Process, bool) {
	pid, rest, ok := strings.Cut(strings.TrimSpace(line), " (")
	end := strings.LastIndex(rest, ") ") // a name may hold both
	if !ok || end < 0 {
		return probe.Process{}, false
	}
	fields := strings.Fields(rest[end+2:])
	if len(fields) < 20 {
		return probe.Process{}, false
	}
	p := probe.Process{Comm: rest[:end], State: fields[0]}
	var errs [3]error
	p.PID, errs[0] = strconv.Atoi(pid)
	p.PPID, errs[1] = strconv.Atoi(fields[1])
	p.StartTime, errs[2] = strconv.ParseUint(fields[19], 10, 64)
	return p, errors.Join(errs[:]...) == nil
}

// restartedOnce demands that a container ended as told, and runs again.
func restartedOnce(o suite.Observation, name string, code int, reason string) error {
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	was, is := o.Pod.Containers[name], o.AfterPod.Containers[name]
	if err := endedWith(is, name, code, reason); err != nil {
		return err
	}
	if is.Restarts != was.Restarts+1 || !is.Running || is.ID == was.ID {
		return suite.Violation("container "+name+" is started again, once",
			fmt.Sprintf("%d restarts before, %d after; running: %v", was.Restarts, is.Restarts, is.Running))
	}
	return nil
}

func endedWith(c suite.ContainerState, name string, code int, reason string) error {
	if c.ExitCode == nil || *c.ExitCode != code || c.ExitReason != reason {
		return suite.Violation(fmt.Sprintf("container %s ends with exit code %d (%s)", name, code, reason), describeEnd(c))
	}
	return nil
}

func describeEnd(c suite.ContainerState) string {
	if c.ExitCode == nil {
		return fmt.Sprintf("it has not ended (running: %v, restarts: %d)", c.Running, c.Restarts)
	}
	return fmt.Sprintf("it ended with exit code %d (%s)", *c.ExitCode, c.ExitReason)
}

// spared demands of containers that they have the first process and the PID 1
// that they had, and that kubelet did not restart them.
func spared(o suite.Observation, names ...string) error {
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	for _, name := range names {
		was, is := o.Pod.Containers[name], o.AfterPod.Containers[name]
		if is.ID != was.ID || is.Restarts != was.Restarts || !is.Running {
			return suite.Violation("container "+name+" runs on, and is not restarted",
				fmt.Sprintf("%d restarts before, %d after; running: %v", was.Restarts, is.Restarts, is.Running))
		}
		before, after := o.Container(name), o.AfterIn(name)
		first, err := ownBeginning(o, name)
		if err != nil {
			return err
		}
		if now, ok := began(o, after, name); !ok || now.Identity() != first.Identity() {
			return suite.Violation(fmt.Sprintf("container %s's first process stays PID %s", name, first.Identity()), "it does not", before, after)
		}
		if err := samePID1(before, after); err != nil {
			return err
		}
	}
	return nil
}

func samePID1(before, after *probe.Snapshot) error {
	was, okWas := before.Process(1)
	is, okIs := after.Process(1)
	if !okWas {
		return suite.CannotTell("PID 1 before the act", "none", before)
	}
	if !okIs || was.Identity() != is.Identity() {
		return suite.Violation("PID 1 stays the same process", "it does not", before, after)
	}
	return nil
}

func killSparedSiblings(o suite.Observation) error {
	if err := restartedOnce(o, "victim", 137, "Error"); err != nil {
		return err
	}
	return spared(o, "bystander", "killer")
}

func restartedShares(o suite.Observation) error {
	if err := restartedOnce(o, "victim", 137, "Error"); err != nil {
		return err
	}
	old, err := ownBeginning(o, "victim")
	if err != nil {
		return err
	}
	if now, ok := began(o, o.AfterIn("victim"), "victim"); ok && now.Identity() == old.Identity() {
		return suite.Violation("the restarted container has a new first process", "it is still PID "+old.Identity().String(), o.AfterIn("victim"))
	}
	if was, is := o.Container("killer").Namespaces["pid"], o.AfterIn("killer").Namespaces["pid"]; was != is {
		return suite.Violation("the pod keeps its PID namespace", fmt.Sprintf("it was %d and is %d", was, is))
	}
	return sharesNow(o, "victim", "bystander", "killer")
}

// sharesNow demands of the second snapshots that each container sees each
// one's first process, that none of these is PID 1, and that there is one
// namespace.
func sharesNow(o suite.Observation, names ...string) error {
	namespace := o.AfterIn(names[0]).Namespaces["pid"]
	for _, of := range names {
		own := o.AfterIn(of)
		first, ok := began(o, own, of)
		if !ok || namespace == 0 {
			return suite.CannotTell("container "+of+" sees its own first process after the act", "it does not", own)
		}
		if first.PID == 1 || own.Namespaces["pid"] != namespace {
			return suite.Violation("container "+of+" is in the pod's PID namespace, and not as PID 1",
				fmt.Sprintf("it is PID %d in namespace %d, and %s is in %d", first.PID, own.Namespaces["pid"], names[0], namespace), own, o.AfterIn(names[0]))
		}
		for _, from := range names {
			if seen, ok := began(o, o.AfterIn(from), of); !ok || seen.Identity() != first.Identity() {
				return suite.Violation(fmt.Sprintf("container %s sees the first process of container %s, PID %s", from, of, first.Identity()),
					"it does not", o.AfterIn(from), own)
			}
		}
	}
	return nil
}

// leftoversDied looks for the old instance's processes by PID and start time:
// the new instance has the same arguments.
func leftoversDied(o suite.Observation) error {
	own := o.Container("victim")
	first, err := ownBeginning(o, "victim")
	if err != nil {
		return err
	}
	roots := []probe.Process{first}
	for _, marker := range []string{"child", "daemon"} {
		p, err := ownArgument(o, "victim", marker)
		if err != nil {
			return err
		}
		roots = append(roots, p)
	}
	if err := restartedOnce(o, "victim", 137, "Error"); err != nil {
		return err
	}
	return gone(o, own, family(own, roots...), "victim", "bystander", "killer")
}

// gone demands that none of the processes is there any more, whoever looks.
func gone(o suite.Observation, before *probe.Snapshot, processes []probe.Process, from ...string) error {
	for _, container := range from {
		after := o.AfterIn(container)
		if len(after.Processes) == 0 {
			return suite.CannotTell("container "+container+" sees processes after the act", "none", after)
		}
		for _, p := range processes {
			if left, ok := after.Process(p.PID); ok && left.Identity() == p.Identity() {
				return suite.Violation("no process of the container that ended is left",
					fmt.Sprintf("PID %s is (%s)", left.Identity(), p.Command()), before, after)
			}
		}
	}
	return nil
}

// logsStayedApart compares whole logs: each container prints one line, and the
// victim's tells which of its instances printed it.
func logsStayedApart(o suite.Observation) error {
	if err := restartedOnce(o, "victim", 137, "Error"); err != nil {
		return err
	}
	was, err := ownBeginning(o, "victim")
	if err != nil {
		return err
	}
	is, ok := began(o, o.AfterIn("victim"), "victim")
	if !ok {
		return suite.CannotTell("the restarted container sees its own first process", "it does not", o.AfterIn("victim"))
	}
	line := func(container string) string { return o.Markers[container+"-line"] }
	for _, log := range []struct{ name, want string }{
		{"victim before", fmt.Sprintf("%s from PID %d\n", line("victim"), was.PID)},
		{"victim", fmt.Sprintf("%s from PID %d\n", line("victim"), is.PID)},
		{"bystander", line("bystander") + "\n"},
		{"killer", line("killer") + "\n"},
	} {
		got, ok := o.Logs[log.name]
		if !ok {
			return suite.CannotTell("the log of "+log.name, "it could not be read")
		}
		// What the killer wrote into it is another case's concern.
		if written := o.Notes["written"]; written != "" && log.name == "bystander" {
			got = strings.ReplaceAll(got, written+"\n", "")
		}
		if got != log.want {
			return suite.Violation(fmt.Sprintf("the log of %s is %q", log.name, log.want), fmt.Sprintf("%q", got))
		}
	}
	return nil
}

func siblingWroteLog(o suite.Observation) error {
	written := o.Notes["written"]
	if _, ok := began(o, o.Container("killer"), "bystander"); !ok {
		if _, err := ownBeginning(o, "killer"); err != nil {
			return err
		}
		return suite.Violation("the killer sees the bystander's first process", "it does not", o.Container("killer"))
	}
	if written == "" || len(o.Logs) == 0 {
		return suite.CannotTell("the containers' logs", "they could not be read")
	}
	for name, log := range o.Logs {
		want := 0
		if name == "bystander" {
			want = 1
		}
		if got := strings.Count(log, written); got != want {
			return suite.Violation(fmt.Sprintf("the written line stands %d times in the log of %s", want, name), fmt.Sprintf("%d times: %q; %s", got, log, o.Ran["write"]))
		}
	}
	return nil
}

// sessionSeen demands that the killer sees the session's process, as the victim
// does.
func sessionSeen(o suite.Observation) (probe.Process, error) {
	own, ok := statOf(o.Ran["session seen from victim"].Stdout)
	if !ok {
		return own, suite.CannotTell("the session's process, seen from its own container", o.Ran["session seen from victim"].String())
	}
	other, ok := statOf(o.Ran["session seen from killer"].Stdout)
	if !ok || other.Identity() != own.Identity() {
		return own, suite.Violation("the sibling sees the session's process as PID "+own.Identity().String(), o.Ran["session seen from killer"].String(),
			o.Container("victim"), o.Container("killer"))
	}
	return own, nil
}

func execJoined(o suite.Observation) error {
	first, err := ownBeginning(o, "victim")
	if err != nil {
		return err
	}
	process, err := sessionSeen(o)
	if err != nil {
		return err
	}
	if process.PPID != 0 {
		return suite.Violation("the session's process has its parent outside the namespace, PPID 0", fmt.Sprintf("PPID %d", process.PPID))
	}
	// The observation is itself an exec.
	own := o.Container("victim")
	if !first.NSPID.OK() {
		return suite.CannotTell("the PID namespace of the container's first process", first.NSPID.Message, own)
	}
	if joined := fmt.Sprintf("[%d]", own.Namespaces["pid"]); !strings.Contains(first.NSPID.Text, joined) {
		return suite.Violation("an exec is in the PID namespace of the container's first process, "+first.NSPID.Text, joined, own)
	}
	return nil
}

func sessionKilled(o suite.Observation) error {
	if _, err := sessionSeen(o); err != nil {
		return err
	}
	if r := o.Ran["session"]; o.Notes["session ended"] != "true" || r.Code != 137 {
		return suite.Violation("the session ends with exit code 137", fmt.Sprintf("ended: %s; %s", o.Notes["session ended"], r))
	}
	// One restart is the second session's, which is the container's own.
	return restartedOnce(o, "victim", 137, "Error")
}

func sessionEndedWithContainer(o suite.Observation) error {
	if err := restartedOnce(o, "victim", 137, "Error"); err != nil {
		return err
	}
	if r := o.Ran["second session"]; o.Notes["second session ended"] != "true" || r.Code != 137 {
		return suite.Violation("the session in the killed container ends with exit code 137", fmt.Sprintf("ended: %s; %s", o.Notes["second session ended"], r))
	}
	return nil
}

// Containers end, each in another way.

// endings are the containers of lifecycle-ends.yaml that end, and how.
var endings = []struct {
	name   string
	code   int
	reason string
}{
	{"terminated", 143, "Error"},
	{"killed", 137, "Error"},
	{"crashed", 3, "Error"},
	{"finished", 0, "Completed"},
	{"nginx", 0, "Completed"},
}

func endCases() []suite.Case {
	const (
		always = "lifecycle-ends.yaml"
		alone  = "lifecycle-ends-isolated.yaml"
	)
	cases := []suite.Case{
		{
			ID:      "lifecycle/exit-codes",
			Level:   suite.Extended,
			Claim:   "kubelet reports how a sibling's signal ended a container: 143 for SIGTERM, 137 for SIGKILL, and its own exit code where it handles the signal.",
			Source:  kubeletRestarts + "; " + initSignals,
			Fixture: always,
			Control: alone,
			Judge: func(o suite.Observation) error {
				for _, e := range endings {
					if o.AfterPod == nil {
						return suite.CannotTell("the pod's status after the act", "none")
					}
					if err := endedWith(o.AfterPod.Containers[e.name], e.name, e.code, e.reason); err != nil {
						return err
					}
				}
				return spared(o, "killer")
			},
		},
		{
			ID:      "lifecycle/nginx-quits",
			Level:   suite.Extended,
			Claim:   "SIGQUIT from a sibling ends nginx with exit code 0, and kubelet starts it again with a new master.",
			Source:  onConfiguring + ", signalling other containers; nginx documentation, Controlling nginx",
			Fixture: always,
			Control: alone,
			Judge:   nginxQuit,
		},
		{
			ID:      "lifecycle/restart-always",
			Level:   suite.Extended,
			Claim:   "With restartPolicy Always, each container that ends is started again, whatever its exit code, and no other.",
			Source:  kubeletRestarts,
			Fixture: always,
			Control: alone,
			Judge:   restartedIf(func(int) bool { return true }),
		},
		{
			ID:      "lifecycle/restart-on-failure",
			Level:   suite.Extended,
			Claim:   "With restartPolicy OnFailure, a container is started again unless it ended with exit code 0.",
			Source:  kubeletRestarts,
			Fixture: "lifecycle-ends-on-failure.yaml",
			Control: always,
			Varies:  "restartPolicy",
			Judge:   restartedIf(func(code int) bool { return code != 0 }),
		},
		{
			ID:      "lifecycle/restart-never",
			Level:   suite.Extended,
			Claim:   "With restartPolicy Never, no container that ends is started again, and its sibling runs on.",
			Source:  kubeletRestarts,
			Fixture: "lifecycle-ends-never.yaml",
			Control: always,
			Varies:  "restartPolicy",
			Judge:   restartedIf(func(int) bool { return false }),
		},
		{
			ID:      "lifecycle/liveness-failure-spares-the-siblings",
			Level:   suite.Extended,
			Claim:   "A container of several processes whose liveness probe fails is stopped and started again alone: its sibling and PID 1 stay.",
			Source:  kubeletRestarts + "; moby#50523 (all containers were killed)",
			Fixture: always,
			Control: alone,
			Judge: func(o suite.Observation) error {
				if err := restartedOnce(o, "unhealthy", 143, "Error"); err != nil {
					return err
				}
				return spared(o, "killer")
			},
		},
		{
			ID:      "lifecycle/out-of-memory",
			Level:   suite.Extended,
			Claim:   "A container that exceeds its memory limit is reported as OOMKilled and started again alone: its sibling and PID 1 stay.",
			Source:  "Kubernetes documentation, Assign Memory Resources to Containers and Pods",
			Fixture: always,
			Control: alone,
			Judge:   onlyHungryEnded,
		},
		{
			ID:      "lifecycle/no-leftovers-however-it-ends",
			Level:   suite.Extended,
			Claim:   "No process of a container outlives its first process, however that ended: by a signal, a failure, success, a failed probe or lack of memory.",
			Source:  kep495 + "; runc#2632 (they outlived a failure)",
			Fixture: always,
			Control: alone,
			Judge:   noLeftoversOfEnded,
		},
	}
	for i := range cases {
		cases[i].Given, cases[i].Act = allHaveChildren, endEach
	}
	return cases
}

// allHaveChildren waits until each container has come to its loop.
func allHaveChildren(o suite.Observation) error {
	for name := range o.Markers {
		first, err := ownBeginning(o, name)
		if err != nil {
			return err
		}
		if own := o.Container(name); len(family(own, first)) < 2 {
			return suite.CannotTell("container "+name+"'s first process has children", "none", own)
		}
	}
	return nginxServing(o)
}

// endEach has the killer end its siblings. That a container is not started again
// shows only with time, for which the pod with restartPolicy Always is the clock.
var endEach = &suite.Act{
	Name:     "end-each",
	Within:   comeback,
	NoEffect: true,
	Sees:     []string{"killer"},
	Do: func(ctx context.Context, pod suite.Hands) error {
		o := pod.Before()
		killer := o.Container("killer")
		script := []string{"sh", "-c", `
kill -TERM "$1"
kill -KILL "$2"
kill -USR1 "$3" "$4" "$6"
rm "/proc/$5/root/tmp/healthy"
kill -QUIT "$7"
`, "end-each"}
		ending := []string{"terminated", "killed", "crashed", "finished", "unhealthy", "hungry", "nginx"}
		for _, name := range ending {
			p, seen := began(o, killer, name)
			if name == "nginx" {
				p, seen = master(killer)
			}
			if !seen {
				return nil // the judges say that nothing ended
			}
			script = append(script, strconv.Itoa(p.PID))
		}
		if _, err := pod.Exec(ctx, "end each", "killer", script...); err != nil {
			return err
		}
		_, err := pod.Await(ctx, comeback, "over", func(p suite.PodState) bool {
			return !slices.ContainsFunc(ending, func(name string) bool { return p.Containers[name].ExitCode == nil })
		})
		return err
	},
}

// restartedIf demands that each container that ended was started again, once, or
// was not, by its exit code.
func restartedIf(due func(code int) bool) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if o.AfterPod == nil {
			return suite.CannotTell("the pod's status after the act", "none")
		}
		for _, e := range endings {
			is := o.AfterPod.Containers[e.name]
			if err := endedWith(is, e.name, e.code, e.reason); err != nil {
				return err
			}
			switch {
			case due(e.code) && (is.Restarts != 1 || !is.Running):
				return suite.Violation(fmt.Sprintf("container %s, which ended with exit code %d, is started again", e.name, e.code),
					fmt.Sprintf("restarts: %d, running: %v", is.Restarts, is.Running))
			case !due(e.code) && (is.Restarts != 0 || is.Running || is.Waiting != ""):
				return suite.Violation(fmt.Sprintf("container %s, which ended with exit code %d, is not started again", e.name, e.code),
					fmt.Sprintf("restarts: %d, running: %v, waiting: %q", is.Restarts, is.Running, is.Waiting))
			}
		}
		return spared(o, "killer")
	}
}

func nginxQuit(o suite.Observation) error {
	old, ok := master(o.Container("nginx"))
	if !ok {
		return suite.CannotTell("nginx's master process in its own container", "none", o.Container("nginx"))
	}
	if err := restartedOnce(o, "nginx", 0, "Completed"); err != nil {
		return err
	}
	after := o.AfterIn("killer")
	if now, ok := master(after); !ok || now.Identity() == old.Identity() {
		return suite.Violation("the sibling sees nginx's new master", fmt.Sprintf("the old one was PID %s", old.Identity()), o.Container("nginx"), after)
	}
	return spared(o, "killer")
}

// onlyHungryEnded takes the container's own word for whether a limit is enforced
// at all: it ends with 0 when it was given the memory.
func onlyHungryEnded(o suite.Observation) error {
	if o.AfterPod != nil {
		if c := o.AfterPod.Containers["hungry"]; c.ExitCode != nil && *c.ExitCode == 0 {
			return suite.CannotTell("the node enforces the memory limit", "a container with a limit of 64 MiB was given 256")
		}
	}
	if err := restartedOnce(o, "hungry", 137, "OOMKilled"); err != nil {
		return err
	}
	return spared(o, "killer")
}

func noLeftoversOfEnded(o suite.Observation) error {
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	var old []probe.Process
	killer := o.Container("killer")
	for _, name := range slices.Sorted(maps.Keys(o.Markers)) {
		if name == "killer" {
			continue
		}
		own := o.Container(name)
		first, err := ownBeginning(o, name)
		if err != nil {
			return err
		}
		members := family(own, first)
		if len(members) < 2 {
			return suite.CannotTell("container "+name+"'s first process has children", "none", own)
		}
		if c := o.AfterPod.Containers[name]; c.ExitCode == nil {
			return suite.Violation("container "+name+" ends", describeEnd(c), own, killer)
		}
		old = append(old, members...)
	}
	if len(old) == 0 {
		return suite.CannotTell("containers that ended", "none")
	}
	return gone(o, killer, old, "killer")
}

// The sandbox's process is terminated.

func sandboxCases() []suite.Case {
	const (
		always    = "lifecycle-sandbox.yaml"
		alone     = "lifecycle-sandbox-isolated.yaml"
		never     = "lifecycle-sandbox-never.yaml"
		onFailure = "lifecycle-sandbox-on-failure.yaml"
	)
	cases := []suite.Case{
		{
			ID:      "lifecycle/sandbox-end-restarts-the-pod",
			Level:   suite.Extended,
			Claim:   "SIGTERM to PID 1 ends the sandbox and kills every container with it; kubelet makes a new sandbox, and starts each container again in it.",
			Source:  kep495 + " (kill 1 signals the infrastructure container and potentially restarts the pod); " + initSignals,
			Fixture: always,
			Control: alone,
			Judge:   sandboxReplaced,
			Record: func(o suite.Observation) string {
				var ends []string
				for _, name := range []string{"killer", "other"} {
					c := o.AfterPod.Containers[name]
					ends = append(ends, fmt.Sprintf("%s: %d restarts, the last after exit code %d (%s)", name, c.Restarts, *c.ExitCode, c.ExitReason))
				}
				return strings.Join(ends, "; ")
			},
		},
		{
			ID:      "lifecycle/new-sandbox-shares",
			Level:   suite.Extended,
			Claim:   "After its sandbox was replaced, the pod's containers share the new one's PID namespace.",
			Source:  apiReference + "; " + kep495,
			Fixture: always,
			Control: alone,
			Judge: func(o suite.Observation) error {
				if err := sandboxReplaced(o); err != nil {
					return err
				}
				return sharesNow(o, "killer", "other")
			},
		},
		{
			ID:      "lifecycle/sandbox-end-is-reported",
			Level:   suite.Informational,
			Claim:   "kubelet reports a sandbox that ended with the event SandboxChanged.",
			Source:  "kubelet (SyncPod)",
			Fixture: always,
			Control: alone,
			Judge: func(o suite.Observation) error {
				if _, err := ownBeginning(o, "killer"); err != nil {
					return err
				}
				if !sandboxChanged(o) {
					return suite.Violation("an event SandboxChanged", fmt.Sprintf("events: %v", o.Events))
				}
				return nil
			},
		},
		{
			ID:      "lifecycle/sandbox-end-with-restart-never",
			Level:   suite.Extended,
			Claim:   "With restartPolicy Never, a pod whose sandbox is terminated fails: no container is started again.",
			Source:  kubeletRestarts + "; kubernetes#141948, #118321 (pods stayed Pending)",
			Fixture: never,
			Control: always,
			Varies:  "restartPolicy",
			Judge:   sandboxEndFailedPod,
		},
		{
			ID:      "lifecycle/sandbox-end-with-restart-on-failure",
			Level:   suite.Extended,
			Claim:   "With restartPolicy OnFailure, a pod whose sandbox is terminated gets a new one, and each container is started again in it.",
			Source:  kubeletRestarts + "; kubernetes#77544 (pods stayed Pending)",
			Fixture: onFailure,
			Control: never,
			Varies:  "restartPolicy",
			Judge:   sandboxReplaced,
		},
	}
	for i := range cases {
		cases[i].Given, cases[i].Act = bothBegan, terminatePID1
	}
	return cases
}

func bothBegan(o suite.Observation) error {
	_, errKiller := ownBeginning(o, "killer")
	_, errOther := ownBeginning(o, "other")
	return errors.Join(errKiller, errOther)
}

var terminatePID1 = &suite.Act{
	Name:   "terminate-pid-1",
	Within: comeback,
	Do: func(ctx context.Context, pod suite.Hands) error {
		// The session dies with the namespace: how it ends proves nothing.
		if _, err := pod.Exec(ctx, "terminate", "killer", "kill", "-TERM", "1"); err != nil {
			return err
		}
		o := pod.Before()
		if first, ok := began(o, o.Container("killer"), "killer"); ok && first.PID == 1 {
			return nil // it has no handler for it: the signal is dropped (pid_namespaces(7))
		}
		back, failed := restarted("killer", "other"), false
		_, err := pod.Await(ctx, comeback, "running again, or failed", func(p suite.PodState) bool {
			failed = p.Phase == "Failed"
			return failed || back(p)
		})
		if err != nil {
			return err
		}
		// kubelet sends its events when it finds the time.
		return askUntil(ctx, func() (bool, error) {
			err := pod.Events(ctx)
			return failed || sandboxChanged(pod.Before()), err
		})
	},
}

func sandboxChanged(o suite.Observation) bool {
	return slices.ContainsFunc(o.Events, func(e suite.Event) bool { return e.Reason == "SandboxChanged" })
}

// signalAllowed tells a signal that was refused, by credentials or an LSM, from
// one that had no effect.
func signalAllowed(o suite.Observation) error {
	r := o.Ran["terminate"]
	if errno := probe.ErrnoOf(r.Stderr); r.Code == 1 && (errno == probe.EPERM || errno == probe.EACCES) {
		return suite.CannotTell("the container may signal PID 1", r.String(), o.Container("killer"))
	}
	return nil
}

func sandboxReplaced(o suite.Observation) error {
	if err := errors.Join(bothBegan(o), signalAllowed(o)); err != nil {
		return err
	}
	for _, name := range []string{"killer", "other"} {
		if err := startedAnew(o, name); err != nil {
			return err
		}
		before, after := o.Container(name), o.AfterIn(name)
		was, okWas := before.Process(1)
		is, okIs := after.Process(1)
		if !okWas || !okIs {
			return suite.CannotTell("PID 1 before and after", "not seen", before, after)
		}
		if was.Identity() == is.Identity() {
			return suite.Violation("PID 1 is a new process", "it is still "+was.Identity().String(), before, after)
		}
	}
	return nil
}

// startedAnew demands that a container was killed, and runs again. Where kubelet
// notices the container's end before the sandbox's, it first tries to start it
// in the sandbox that is gone: then that attempt (StartError) was the last one to
// end, and there was one restart more.
func startedAnew(o suite.Observation, name string) error {
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	was, is := o.Pod.Containers[name], o.AfterPod.Containers[name]
	if is.ExitReason != "StartError" {
		if err := endedWith(is, name, 137, "Error"); err != nil {
			return err
		}
	}
	if is.Restarts <= was.Restarts || !is.Running || is.ID == was.ID {
		return suite.Violation("container "+name+" is started again",
			fmt.Sprintf("%d restarts before, %d after; running: %v", was.Restarts, is.Restarts, is.Running))
	}
	return nil
}

func sandboxEndFailedPod(o suite.Observation) error {
	if err := errors.Join(bothBegan(o), signalAllowed(o)); err != nil {
		return err
	}
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	for _, name := range []string{"killer", "other"} {
		c := o.AfterPod.Containers[name]
		if err := endedWith(c, name, 137, "Error"); err != nil {
			return err
		}
		if c.Running || c.Restarts != 0 {
			return suite.Violation("container "+name+" is not started again", fmt.Sprintf("restarts: %d, running: %v", c.Restarts, c.Running))
		}
	}
	if o.AfterPod.Phase != "Failed" {
		return suite.Violation("the pod's phase is Failed", o.AfterPod.Phase)
	}
	return nil
}

// The pod is deleted, and its containers have something to do first.

// stopGrace is lifecycle-stop.yaml's grace period, in seconds.
const stopGrace = 30

func stopCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:     "lifecycle/post-start-hook-shares",
			Level:  suite.Extended,
			Claim:  "A postStart hook sees the processes of the containers that were started before its own.",
			Source: onPurpose + "; Kubernetes documentation, Container Lifecycle Hooks",
			Judge:  sawSleeper("/tmp/post-start"),
		},
		{
			ID:     "lifecycle/readiness-probe-shares",
			Level:  suite.Extended,
			Claim:  "A readiness probe by exec sees the processes of the other containers, so that readiness can turn on them.",
			Source: onPurpose + "; Kubernetes documentation, Configure Liveness, Readiness and Startup Probes",
			Judge: func(o suite.Observation) error {
				if err := sawSleeper("/tmp/probe")(o); err != nil {
					return err
				}
				if o.Notes["ready"] != "true" {
					return suite.Violation("the pod becomes ready", "it does not")
				}
				return nil
			},
		},
		{
			ID:     "lifecycle/pre-stop-hook-shares",
			Level:  suite.Extended,
			Claim:  "A preStop hook can signal a process of another container while the pod is being deleted.",
			Source: onConfiguring + ", signalling other containers; Kubernetes documentation, Container Lifecycle Hooks",
			Judge:  printed("told"),
		},
		{
			ID:     "lifecycle/term-default-action",
			Level:  suite.Extended,
			Claim:  "On deletion, a first process without a handler for SIGTERM ends of it at once, with 143, instead of being killed after the grace period.",
			Source: initSignals + "; " + onUnderstanding1,
			Judge:  sleeperEnded,
		},
		{
			ID:     "lifecycle/grace-period",
			Level:  suite.Extended,
			Claim:  "A first process that handles SIGTERM is given its time within the grace period, ends with its own exit code, and its children get no SIGTERM.",
			Source: kubeletStops,
			Judge:  drained,
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "lifecycle-stop.yaml", "lifecycle-stop-isolated.yaml"
		cases[i].Read = []string{"/tmp/post-start", "/tmp/probe"}
		cases[i].Await, cases[i].Given, cases[i].Act = allRunning("sleeper", "drainer", "herald"), stopPodGiven, stopPod
	}
	return cases
}

// allRunning settles a pod that need not become ready.
func allRunning(containers ...string) *suite.Await {
	return &suite.Await{Name: "running", Done: func(p suite.PodState) bool {
		return !slices.ContainsFunc(containers, func(name string) bool { return !p.Containers[name].Running })
	}}
}

// stopPodGiven waits until the hook and the probe have run, and the drainer has
// come to its loop.
func stopPodGiven(o suite.Observation) error {
	for _, file := range []string{"/tmp/post-start", "/tmp/probe"} {
		if a, ok := o.Container("herald").Files[file]; !ok || !a.OK() || file == "/tmp/probe" && a.Text == "" {
			return suite.CannotTell("the herald's container has written "+file, "it has not")
		}
	}
	first, err := ownBeginning(o, "drainer")
	if err != nil {
		return err
	}
	if own := o.Container("drainer"); len(family(own, first)) < 3 {
		return suite.CannotTell("the drainer has a child that has a child", "none", own)
	}
	_, err = ownBeginning(o, "sleeper")
	return err
}

var stopPod = &suite.Act{
	Name: "stop",
	Ends: true,
	Do: func(ctx context.Context, pod suite.Hands) error {
		within := comeback
		if sawSleeper("/tmp/probe")(pod.Before()) != nil {
			within = 10 * time.Second // five periods of a probe that has failed already
		}
		ready, err := pod.Await(ctx, within, "Ready", func(p suite.PodState) bool { return p.Ready })
		if err != nil {
			return err
		}
		pod.Note("ready", strconv.FormatBool(ready))
		if err := pod.Follow(ctx, "drainer", "drainer"); err != nil {
			return err
		}
		return pod.Delete(ctx, stopGrace, stopGrace*time.Second+comeback)
	},
}

// sawSleeper demands that a file of the herald's holds the sleeper's stat line.
func sawSleeper(file string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		sleeper, err := ownBeginning(o, "sleeper")
		if err != nil {
			return err
		}
		a, ok := o.Container("herald").Files[file]
		if !ok || !a.OK() {
			return suite.CannotTell("the herald's container has written "+file, a.Message)
		}
		if p, ok := statOf(a.Text); !ok || p.Identity() != sleeper.Identity() {
			return suite.Violation("it sees the sleeper's first process, PID "+sleeper.Identity().String(), fmt.Sprintf("it saw %q", a.Text), o.Container("sleeper"), o.Container("herald"))
		}
		return nil
	}
}

// printed demands a line of the drainer's, which tells what reached it.
func printed(marker string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		log, ok := o.Logs["drainer"]
		if !ok || o.Deletion == nil || !strings.Contains(log, o.Markers["terminated"]) || o.Markers[marker] == "" {
			return suite.CannotTell("the drainer's log tells of SIGTERM", fmt.Sprintf("%q", log))
		}
		if strings.Count(log, o.Markers[marker]) != 1 {
			return suite.Violation("the drainer's log says once that it was "+marker, fmt.Sprintf("%q (%s)", log, o.Markers[marker]))
		}
		return nil
	}
}

func sleeperEnded(o suite.Observation) error {
	if o.Deletion == nil || !o.Deletion.Gone {
		return suite.CannotTell("the pod is deleted", fmt.Sprintf("%+v", o.Deletion))
	}
	c := o.Deletion.Last.Containers["sleeper"]
	if c.ExitCode == nil {
		return suite.CannotTell("the last status of container sleeper", describeEnd(c))
	}
	return endedWith(c, "sleeper", 143, "Error")
}

func drained(o suite.Observation) error {
	if err := printed("drained")(o); err != nil {
		return err
	}
	if strings.Contains(o.Logs["drainer"], o.Markers["child-terminated"]) {
		return suite.Violation("the first process's child gets no SIGTERM", fmt.Sprintf("it says that it did: %q", o.Logs["drainer"]))
	}
	if err := endedWith(o.Deletion.Last.Containers["drainer"], "drainer", 0, "Completed"); err != nil {
		return err
	}
	if !o.Deletion.Gone {
		return suite.Violation("the pod is gone when all its containers have ended", "it is not")
	}
	return nil
}

// The pod is deleted, and its processes do what they can to hinder it.

// stubbornGrace is lifecycle-stubborn.yaml's grace period, in seconds.
const stubbornGrace = 3

func deletionCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:     "lifecycle/deletion-completes",
			Level:  suite.Extended,
			Claim:  "A pod with a process that ignores SIGTERM, its children, a zombie and a process that a sibling stopped is gone within two minutes after its grace period.",
			Source: kubeletStops + "; moby#37627, crun#1482 (pods stayed)",
			Judge:  deletionCompleted,
		},
		{
			ID:     "lifecycle/sessions-end-with-the-pod",
			Level:  suite.Extended,
			Claim:  "When the pod is deleted, an exec session whose process the siblings see and an attached terminal end.",
			Source: "kubernetes#89233 (they hung, in pods with a shared process namespace only)",
			Judge:  sessionsEnded,
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "lifecycle-stubborn.yaml", "lifecycle-stubborn-isolated.yaml"
		cases[i].Given, cases[i].Act = stubbornGiven, deleteStubborn
	}
	return cases
}

// stubbornGiven waits until the stubborn container has its child and its zombie.
func stubbornGiven(o suite.Observation) error {
	first, err := ownBeginning(o, "stubborn")
	if err != nil {
		return err
	}
	if _, err := ownArgument(o, "stubborn", "child"); err != nil {
		return err
	}
	own := o.Container("stubborn")
	if !slices.ContainsFunc(family(own, first), isZombie) {
		return suite.CannotTell("a zombie in container stubborn", "none", own)
	}
	return nil
}

func isZombie(p probe.Process) bool { return p.State == "Z" }

var deleteStubborn = &suite.Act{
	Name: "delete",
	Ends: true,
	Do: func(ctx context.Context, pod suite.Hands) error {
		open, err := openSession(ctx, pod, "session", "stubborn")
		if err != nil {
			return err
		}
		defer open.end(0)
		o := pod.Before()
		if child, seen := o.Container("stopper").Find(func(p probe.Process) bool { return hasArgument(p, o.Markers["child"]) }); seen {
			// A signal takes effect when the process is scheduled: at most 100 looks.
			const stop = `
kill -STOP "$1"
n=0
until grep -q '^State:.T' "/proc/$1/status" || [ "$n" -eq 100 ]; do n=$((n+1)); done
cat "/proc/$1/stat"
`
			if _, err := pod.Exec(ctx, "stop", "stopper", "sh", "-c", stop, "stop", strconv.Itoa(child.PID)); err != nil {
				return err
			}
		}
		from, err := pod.Observe(ctx, "stopper")
		if err != nil {
			return err
		}
		if seen, ok := from.Find(func(p probe.Process) bool { return hasArgument(p, open.argument) }); ok {
			pod.Note("session seen from stopper", seen.Identity().String())
		}
		pod.Note("session seen from stubborn", open.process.Identity().String())

		attached, detached := make(chan struct{}), make(chan error, 1)
		go func() {
			detached <- pod.Attach(ctx, "terminal", func(t *probe.Terminal) error { return stayAttached(t, attached) })
		}()
		select {
		case <-attached:
		case err := <-detached:
			return err
		}
		if err := pod.Delete(ctx, stubbornGrace, stubbornGrace*time.Second+comeback); err != nil {
			return err
		}
		pod.Note("session ended", strconv.FormatBool(open.end(reply)))
		select {
		case err = <-detached:
		case <-time.After(2 * comeback):
			return errors.New("the attached terminal did not come back by itself, and not when it was given up")
		}
		pod.Note("terminal ended", strconv.FormatBool(errors.Is(err, io.EOF)))
		return nil
	},
}

// stayAttached shows that the terminal answers, and then waits until it closes.
func stayAttached(t *probe.Terminal, attached chan<- struct{}) error {
	if err := t.Type("echo procns-$((6*7))\n"); err != nil {
		return err
	}
	if _, err := t.Await(0, reply, "answer of the shell", func(text string) bool { return strings.Contains(text, "procns-42") }); err != nil {
		return err
	}
	close(attached)
	_, err := t.Await(0, 2*comeback, "end of the session", func(string) bool { return false })
	return err
}

func deletionCompleted(o suite.Observation) error {
	own := o.Container("stubborn")
	first, err := ownBeginning(o, "stubborn")
	if err != nil {
		return err
	}
	child, err := ownArgument(o, "stubborn", "child")
	if err != nil {
		return err
	}
	stopped, ok := statOf(o.Ran["stop"].Stdout)
	if !ok || stopped.Identity() != child.Identity() || stopped.State != "T" {
		return suite.Violation("a sibling sees the process PID "+child.Identity().String()+" and stops it", o.Ran["stop"].String(), own, o.Container("stopper"))
	}
	for _, z := range slices.DeleteFunc(family(own, first), func(p probe.Process) bool { return !isZombie(p) }) {
		if seen, ok := o.Container("stopper").Process(z.PID); !ok || !isZombie(seen) {
			return suite.Violation("a sibling sees the zombie PID "+z.Identity().String(), "it does not", own, o.Container("stopper"))
		}
	}
	d := o.Deletion
	if d == nil {
		return suite.CannotTell("the pod's deletion", "it was not requested")
	}
	if !d.Gone {
		return suite.Violation(fmt.Sprintf("the pod is gone within %s after its grace period of %d s", comeback, d.GraceSeconds), fmt.Sprintf("gone: %v, after %.1f s", d.Gone, d.Seconds))
	}
	return nil
}

func sessionsEnded(o suite.Observation) error {
	own, seen := o.Notes["session seen from stubborn"], o.Notes["session seen from stopper"]
	if own == "" {
		return suite.CannotTell("the session's process in its own container", "not seen")
	}
	if own != seen {
		return suite.Violation("a sibling sees the session's process, PID "+own, "it does not", o.Container("stubborn"), o.Container("stopper"))
	}
	if o.Deletion == nil || !o.Deletion.Gone {
		return suite.CannotTell("the pod is deleted", fmt.Sprintf("%+v", o.Deletion))
	}
	if session, terminal := o.Notes["session ended"], o.Notes["terminal ended"]; session != "true" || terminal != "true" {
		return suite.Violation("both sessions end with the pod", fmt.Sprintf("exec session ended: %s; terminal ended: %s", session, terminal))
	}
	return nil
}
