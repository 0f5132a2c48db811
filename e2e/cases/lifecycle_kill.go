package cases

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

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
			ID:          "lifecycle/leftovers-die",
			Experiments: []string{byKilling, byLookingAgain},
			Level:       suite.Extended,
			Claim:       "When a container's first process is killed, every other process of the container dies with it: its children, daemons, and sessions by exec.",
			Source:      kep495 + "; containerd#2744, runc#2036, cri-o#5895 (they lived on)",
			Judge:       leftoversDied,
		},
		{
			ID:          "lifecycle/logs-stay-apart",
			Experiments: []string{byKilling, byLogs},
			Level:       suite.Extended,
			Claim:       "Each container keeps a log of its own, and a restarted container's previous log, if kubelet still has it, is that of the instance that was killed.",
			Source:      "Kubernetes documentation, Logging Architecture",
			Judge:       logsStayedApart,
			Record: func(o suite.Observation) string {
				if previousLogRemoved(o) {
					return "kubelet removed the instance that was killed, with its log, before the log could be read"
				}
				return "kubelet kept the previous log"
			},
			Records: "whether kubelet kept the previous log",
		},
		{
			ID:          "lifecycle/log-written-by-a-sibling",
			Experiments: []string{byWriting, byLogs},
			Level:       suite.Informational,
			Claim:       "What a sibling writes to /proc/PID/fd/1 of a container's first process stands in that container's log, and in no other.",
			Source:      ptraceRule,
			Judge:       siblingWroteLog,
		},
		{
			ID:          "lifecycle/exec-joins",
			Experiments: []string{bySession},
			Level:       suite.Extended,
			Claim:       "A process that exec starts in a container joins the pod's PID namespace: siblings see it, with PPID 0.",
			Source:      apiReference + "; pid_namespaces(7)",
			Judge:       execJoined,
		},
		{
			ID:          "lifecycle/exec-killed-by-a-sibling",
			Experiments: []string{bySession, byKilling},
			Level:       suite.Extended,
			Claim:       "Killing the process of an exec session from a sibling ends the session with exit code 137, and not the container.",
			Source:      onConfiguring + ", signalling other containers",
			Judge:       ifSent("killer", "kill session", sessionKilled),
		},
		{
			ID:          "lifecycle/exec-ends-with-its-container",
			Experiments: []string{byKilling, bySecondSession},
			Level:       suite.Extended,
			Claim:       "An exec session ends, with exit code 137, when a sibling kills the first process of the container that it is in.",
			Source:      "containerd#10603 (it hung)",
			Judge:       sessionEndedWithContainer,
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "lifecycle-kill.yaml", "lifecycle-kill-isolated.yaml"
		cases[i].Precondition, cases[i].Act = victimHasFamily, killFromSibling
		if cases[i].Experiments == nil {
			cases[i].Experiments = []string{byKilling}
		}
		if slices.Contains(cases[i].Experiments, byKilling) {
			cases[i].Judge = ifSent("killer", "kill", cases[i].Judge)
		}
	}
	return cases
}

// victimHasFamily waits until the victim's script has come to its loop.
func victimHasFamily(o suite.Observation) error {
	if _, err := ownFirst(o, "victim"); err != nil {
		return err
	}
	for _, marker := range []string{"child", "daemon"} {
		if _, err := ownArgument(o, "victim", marker); err != nil {
			return err
		}
	}
	return nil
}

var killFromSibling = &suite.Act{
	Name:   "kill-from-sibling",
	Within: comeback, ExecWithin: sessionsLast,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		killSessionOpen := func(ctx context.Context) error { return killSession(ctx, pod) }
		if err := pod.Apart(ctx, bySession, killSessionOpen); err != nil {
			return err
		}
		o := pod.Before()
		killer := o.Container("killer")
		victim, seen := killer.Find(firstOf(o, "victim"))
		if !seen {
			return nil // the judges say that the killer cannot reach it
		}
		write := func(ctx context.Context) error { return writeLog(ctx, pod) }
		if err := pod.Apart(ctx, byWriting, write); err != nil {
			return err
		}
		whileItRan := func(ctx context.Context) error {
			return awaitLog(ctx, pod, "victim while it ran", "victim", false, o.Markers["victim-line"])
		}
		if err := pod.Apart(ctx, byLogs, whileItRan); err != nil {
			return err
		}
		again := false
		kill := func(ctx context.Context) (err error) {
			again, err = killVictim(ctx, pod, victim)
			return err
		}
		if err := pod.Apart(ctx, byKilling, kill); err != nil {
			return err
		}
		return pod.Apart(ctx, byLogs, func(ctx context.Context) error { return readLogs(ctx, pod, again) })
	},
}

// killVictim kills the victim with a session open in it, and tells whether it runs again.
func killVictim(ctx context.Context, pod suite.PodClient, victim probe.Process) (again bool, err error) {
	o := pod.Before()
	doomed, err := doomedFamily(o)
	if err != nil {
		return false, err
	}
	open, err := openSession(ctx, pod, "second session", "victim")
	if err != nil {
		return false, err
	}
	defer open.giveUp()
	doomed = append(doomed, open.process)
	kill, err := pod.Exec(ctx, "kill", "killer", "kill", "-KILL", strconv.Itoa(victim.PID))
	if err != nil || wasRefused(kill) {
		return false, err // where it was refused, nothing ends
	}
	if err := pod.Apart(ctx, bySecondSession, func(context.Context) error { return open.noteEnd(pod, comeback) }); err != nil {
		return false, err
	}
	again, err = pod.Await(ctx, comeback, "running again", startedAgain(o.Pod, 1, "victim"))
	if err != nil || !again {
		return again, err
	}
	return again, pod.Apart(ctx, byLookingAgain, func(ctx context.Context) error { return noteLeftovers(ctx, pod, "killer", doomed) })
}

// doomedFamily is what the victim runs by itself before it is killed.
func doomedFamily(o suite.Observation) ([]probe.Process, error) {
	own := o.Container("victim")
	first, err := ownFirst(o, "victim")
	if err != nil {
		return nil, err
	}
	roots := []probe.Process{first}
	for _, marker := range []string{"child", "daemon"} {
		p, err := ownArgument(o, "victim", marker)
		if err != nil {
			return nil, err
		}
		roots = append(roots, p)
	}
	return family(own, roots...), nil
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
	old, err := ownFirst(o, "victim")
	if err != nil {
		return err
	}
	if now, ok := o.AfterIn("victim").Find(firstOf(o, "victim")); ok && isSame(o.Container("victim"), old, o.AfterIn("victim"), now) {
		return suite.Violation("the restarted container has a new first process", "it is still PID "+old.Identity().String(), o.AfterIn("victim"))
	}
	if was, is := o.Container("killer").Namespaces["pid"], o.AfterIn("killer").Namespaces["pid"]; was != is {
		return suite.Violation("the pod keeps its PID namespace", fmt.Sprintf("it was %d and is %d", was, is))
	}
	return sharesNow(o, "victim", "bystander", "killer")
}

// leftoversDied looks for the old instance's processes by PID and start time:
// the new instance has the same arguments.
func leftoversDied(o suite.Observation) error {
	doomed, err := doomedFamily(o)
	if err != nil {
		return err
	}
	if err := restartedOnce(o, "victim", 137, "Error"); err != nil {
		return err
	}
	everyone := []string{"victim", "bystander", "killer"}
	if err := gone(o, o.Container("victim"), doomed, everyone...); err != nil {
		return err
	}
	session, ok := o.Saw.Sessions["second session"].From["victim"]
	if !ok {
		return suite.CannotTell("the process of the session that is open when the container is killed", "it was not seen")
	}
	if err := gone(o, o.Container("victim"), []probe.Process{session}, everyone...); err != nil {
		return err
	}
	return nothingLeftOver(o, "killer")
}
