package cases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

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
				if !yes(o.Saw.Ready) {
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
			Claim:  "On deletion, a first process without a handler for SIGTERM ends of it, with 143, instead of being killed after the grace period.",
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

// stopPodGiven waits until the hook and the probe have run, and the drainer has
// come to its loop.
func stopPodGiven(o suite.Observation) error {
	for _, file := range []string{"/tmp/post-start", "/tmp/probe"} {
		if a, ok := o.Container("herald").Files[file]; !ok || !a.OK() || file == "/tmp/probe" && a.Text == "" {
			return suite.CannotTell("the herald's container has written "+file, "it has not")
		}
	}
	first, err := ownFirst(o, "drainer")
	if err != nil {
		return err
	}
	if own := o.Container("drainer"); len(family(own, first)) < 3 {
		return suite.CannotTell("the drainer has a child that has a child", "none", own)
	}
	_, err = ownFirst(o, "sleeper")
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
		pod.Note(func(saw *suite.Saw) { saw.Ready = &ready })
		if err := pod.Follow(ctx, "drainer", "drainer"); err != nil {
			return err
		}
		return pod.Delete(ctx, stopGrace, stopGrace*time.Second+comeback)
	},
}

// sawSleeper demands that a file of the herald's holds the sleeper's stat line.
func sawSleeper(file string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		sleeper, err := ownFirst(o, "sleeper")
		if err != nil {
			return err
		}
		a, ok := o.Container("herald").Files[file]
		if !ok || !a.OK() {
			return suite.CannotTell("the herald's container has written "+file, a.Message)
		}
		if p, err := probe.ParseStat(a.Text); err != nil || p.Identity() != sleeper.Identity() {
			return suite.Violation("it sees the sleeper's first process, PID "+sleeper.Identity().String(), fmt.Sprintf("it saw %q", a.Text), o.Container("sleeper"), o.Container("herald"))
		}
		return nil
	}
}

// printed demands a line of the drainer's, which tells what reached it.
func printed(marker string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		log, err := o.Log("drainer")
		if err != nil {
			return err
		}
		if o.Deletion == nil || !strings.Contains(log, o.Markers["terminated"]) || o.Markers[marker] == "" {
			return suite.CannotTell("the drainer's log tells of SIGTERM", fmt.Sprintf("%q", log))
		}
		if c := o.Deletion.Last.Containers["herald"]; c.Restarts > 0 {
			// kubelet runs the preStop hook as well when the postStart hook has failed.
			return suite.CannotTell("the herald, whose hooks they are, is started once", describeEnd(c))
		}
		if strings.Count(log, o.Markers[marker]) != 1 {
			return suite.Violation("the drainer's log says once that it was "+marker, fmt.Sprintf("%q (%s)", log, o.Markers[marker]), o.Container("herald"))
		}
		return nil
	}
}

func sleeperEnded(o suite.Observation) error {
	if o.Deletion == nil || !o.Deletion.Gone {
		return suite.CannotTell("the pod is deleted", fmt.Sprintf("%+v", o.Deletion))
	}
	return lastEndedWith(o, "sleeper", 143, "Error")
}

func drained(o suite.Observation) error {
	if err := printed("drained")(o); err != nil {
		return err
	}
	if strings.Contains(o.Logs["drainer"], o.Markers["child-terminated"]) {
		return suite.Violation("the first process's child gets no SIGTERM", fmt.Sprintf("it says that it did: %q", o.Logs["drainer"]))
	}
	if err := lastEndedWith(o, "drainer", 0, "Completed"); err != nil {
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
	first, err := ownFirst(o, "stubborn")
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

var deleteStubborn = &suite.Act{
	Name: "delete",
	Ends: true, ExecWithin: sessionsLast,
	Do: func(ctx context.Context, pod suite.Hands) error {
		open, err := openSession(ctx, pod, "session", "stubborn")
		if err != nil {
			return err
		}
		defer open.giveUp()
		o := pod.Before()
		if child, seen := o.Container("stopper").Find(withArgument(o.Markers["child"])); seen {
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
		if _, _, err := open.noteSeenFrom(ctx, pod, "stopper"); err != nil {
			return err
		}

		attached, detached := make(chan struct{}), make(chan error, 1)
		attaching, detach := context.WithCancel(ctx)
		defer detach() // also where the deletion was refused
		go func() {
			detached <- pod.Attach(attaching, "terminal", func(t *probe.Terminal) error { return stayAttached(t, attached) })
		}()
		select {
		case <-attached:
		case err := <-detached:
			return err
		}
		if err := pod.Delete(ctx, stubbornGrace, stubbornGrace*time.Second+comeback); err != nil {
			return err
		}
		if err := open.noteEnd(pod, reply); err != nil {
			return err
		}
		select {
		case err = <-detached:
		case <-time.After(2 * comeback):
			return errors.New("the attached terminal did not come back by itself, and not when it was given up")
		}
		ended := errors.Is(err, io.EOF)
		pod.Note(func(saw *suite.Saw) { saw.TerminalEnded = &ended })
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
	first, err := ownFirst(o, "stubborn")
	if err != nil {
		return err
	}
	child, err := ownArgument(o, "stubborn", "child")
	if err != nil {
		return err
	}
	if stop, sent := o.Ran["stop"]; sent && !stop.Ran() {
		return suite.CannotTell("a sibling stops the process PID "+child.Identity().String(), stop.String(), own)
	}
	stopped, err := probe.ParseStat(o.Ran["stop"].Stdout)
	if err != nil || stopped.Identity() != child.Identity() || stopped.State != "T" {
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
	if _, err := sessionSeen(o, "session", "stubborn", "stopper"); err != nil {
		return err
	}
	if o.Deletion == nil || !o.Deletion.Gone {
		return suite.CannotTell("the pod is deleted", fmt.Sprintf("%+v", o.Deletion))
	}
	if session, terminal := o.Saw.Sessions["session"].Ended, o.Saw.TerminalEnded; !yes(session) || !yes(terminal) {
		return suite.Violation("both sessions end with the pod", fmt.Sprintf("exec session ended: %s; terminal ended: %s", waitedFor(session), waitedFor(terminal)))
	}
	return nil
}
