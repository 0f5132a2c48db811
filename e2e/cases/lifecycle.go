package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// lifecycleCases state what becomes of a pod when its processes end.
func lifecycleCases() []suite.Case {
	return slices.Concat(killCases(), endCases(), execCases(), sandboxCases(), stopCases(), graceCases(), deletionCases(), aliveCases(), nodeCases())
}

// The sources of these claims.
const (
	kubeletRestarts = "Kubernetes documentation, Pod Lifecycle, Container restarts"
	kubeletStops    = "Kubernetes documentation, Pod Lifecycle, Termination of Pods"
	initSignals     = "pid_namespaces(7), The namespace init process; signal(7)"
)

// comeback bounds the wait for what kubelet does when a container has ended: it is
// started again, or its pod is over. The first time that takes a second or two, and far
// longer on a busy node.
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
			Claim:  "Each container keeps a log of its own, and a restarted container's previous log, if kubelet still has it, is that of the instance that was killed.",
			Source: "Kubernetes documentation, Logging Architecture",
			Judge:  logsStayedApart,
			Record: func(o suite.Observation) string {
				if previousLogRemoved(o) {
					return "kubelet removed the instance that was killed, with its log, before the log could be read"
				}
				return "kubelet kept the previous log"
			},
			Records: "whether kubelet kept the previous log",
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
		switch cases[i].ID {
		case "lifecycle/log-written-by-a-sibling", "lifecycle/exec-joins": // they turn on no signal
		case "lifecycle/exec-killed-by-a-sibling":
			cases[i].Judge = ifSent("killer", "kill session", cases[i].Judge)
		default:
			cases[i].Judge = ifSent("killer", "kill", cases[i].Judge)
		}
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
	Within: comeback, ExecWithin: sessionsLast,
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
		if err := awaitLog(ctx, pod, "victim while it ran", "victim", false, o.Markers["victim-line"]); err != nil {
			return err
		}
		open, err := openSession(ctx, pod, "second session", "victim")
		if err != nil {
			return err
		}
		defer open.giveUp()
		pod.Note("second session seen from victim", encoded(open.process))
		doomed, err := doomedFamily(o)
		if err != nil {
			return err
		}
		kill, err := pod.Exec(ctx, "kill", "killer", "kill", "-KILL", strconv.Itoa(victim.PID))
		if err != nil {
			return err
		}
		want := written
		if r := pod.Before().Ran["write"]; r.Code != 0 {
			want = o.Markers["bystander-line"]
		}
		others := func() error {
			return errors.Join(
				awaitLog(ctx, pod, "bystander", "bystander", false, want),
				awaitLog(ctx, pod, "killer", "killer", false, o.Markers["killer-line"]),
			)
		}
		if wasRefused(kill) {
			open.giveUp() // nothing ends
			return others()
		}
		ended, err := open.end(comeback)
		if err != nil {
			return err
		}
		pod.Note("second session ended", strconv.FormatBool(ended))
		back, err := pod.Await(ctx, comeback, "running again", restarted("victim"))
		if err != nil || !back {
			return err
		}
		if err := noteLeftovers(ctx, pod, append(doomed, open.process)); err != nil {
			return err
		}
		return errors.Join(
			awaitLog(ctx, pod, "victim before", "victim", true, o.Markers["victim-line"]),
			awaitLog(ctx, pod, "victim", "victim", false, o.Markers["victim-line"]),
			others(),
		)
	},
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

// restartedOnce demands that a container ended as told, and runs again.
func restartedOnce(o suite.Observation, name string, code int, reason string) error {
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	was, is := o.Pod.Containers[name], o.AfterPod.Containers[name]
	if err := startedAtOnce(o, name); err != nil {
		return err
	}
	if err := endedWith(is, name, code, reason); err != nil {
		return err
	}
	if is.Restarts != was.Restarts+1 || !is.Running || is.ID == was.ID {
		return suite.Violation("container "+name+" is started again, once",
			fmt.Sprintf("%d restarts before, %d after; running: %v", was.Restarts, is.Restarts, is.Running))
	}
	return nil
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
		if now, ok := began(o, after, name); !ok || !isSame(before, first, after, now) {
			return suite.Violation(fmt.Sprintf("container %s's first process stays PID %s", name, first.Identity()), "it does not", before, after)
		}
		if err := samePID1(o, name); err != nil {
			return err
		}
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
	if now, ok := began(o, o.AfterIn("victim"), "victim"); ok && isSame(o.Container("victim"), old, o.AfterIn("victim"), now) {
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
