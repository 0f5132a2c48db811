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

// The pod is deleted, and its processes do what they can to hinder it.

// stubbornGrace is lifecycle-stubborn.yaml's grace period, in seconds.
const stubbornGrace = 3

func deletionCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:          "lifecycle/deletion-completes",
			Experiments: []string{byStopping, byDeleting},
			Level:       suite.Extended,
			Claim:       "A pod with a process that ignores SIGTERM, its children, a zombie and a process that a sibling stopped is gone within two minutes after its grace period.",
			Source:      kubeletStops + "; moby#37627, crun#1482 (pods stayed)",
			Judge:       deletionCompleted,
		},
		{
			ID:          "lifecycle/sessions-end-with-the-pod",
			Experiments: []string{bySession, byAttaching, byDeleting},
			Level:       suite.Extended,
			Claim:       "When the pod is deleted, an exec session whose process the siblings see and an attached terminal end.",
			Source:      "kubernetes#89233 (they hung, in pods with a shared process namespace only)",
			Judge:       sessionsEnded,
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "lifecycle-stubborn.yaml", "lifecycle-stubborn-isolated.yaml"
		cases[i].Precondition, cases[i].Act = stubbornGiven, deleteStubborn
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
	Do: func(ctx context.Context, pod suite.PodClient) error {
		var open *session
		openIt := func(ctx context.Context) (err error) {
			if open, err = openSession(ctx, pod, "session", "stubborn"); err != nil {
				return err
			}
			_, _, err = open.noteSeenFrom(ctx, pod, "stopper")
			return err
		}
		// The session, and the terminal below, live until the pod is deleted.
		if err := pod.Apart(ctx, bySession, openIt); err != nil {
			return err
		}
		if open != nil {
			defer open.giveUp()
		}
		stop := func(ctx context.Context) error { return stopChild(ctx, pod) }
		if err := pod.Apart(ctx, byStopping, stop); err != nil {
			return err
		}

		attaching, detach := context.WithCancel(ctx)
		defer detach() // also where the deletion was refused
		detached := make(chan error, 1)
		if err := pod.Apart(ctx, byAttaching, func(context.Context) error { return attachInBackground(attaching, pod, detached) }); err != nil {
			return err
		}
		deletion := func(ctx context.Context) error {
			return pod.Delete(ctx, stubbornGrace, stubbornGrace*time.Second+comeback)
		}
		if err := pod.Apart(ctx, byDeleting, deletion); err != nil || pod.Before().Saw.Undone[byDeleting] != "" {
			return err
		}
		if open != nil {
			if err := pod.Apart(ctx, bySession, func(context.Context) error { return open.noteEnd(pod, reply) }); err != nil {
				return err
			}
		}
		if pod.Before().Saw.Undone[byAttaching] != "" {
			return nil
		}
		return pod.Apart(ctx, byAttaching, func(context.Context) error {
			var err error
			select {
			case err = <-detached:
			case <-time.After(2 * comeback):
				return errors.New("the attached terminal did not come back by itself, and not when it was given up")
			}
			ended := errors.Is(err, io.EOF)
			pod.Note(func(saw *suite.Saw) { saw.TerminalEnded = &ended })
			return nil
		})
	},
}

// stopChild has the stopper stop the stubborn container's child.
func stopChild(ctx context.Context, pod suite.PodClient) error {
	o := pod.Before()
	child, seen := o.Container("stopper").Find(withArgument(o.Markers["child"]))
	if !seen {
		return nil // the judge says so
	}
	// A signal takes effect when the process is scheduled: at most 100 looks.
	const stop = `
kill -STOP "$1"
n=0
until grep -q '^State:.T' "/proc/$1/status" || [ "$n" -eq 100 ]; do n=$((n+1)); done
cat "/proc/$1/stat"
`
	_, err := pod.Exec(ctx, "stop", "stopper", "sh", "-c", stop, "stop", strconv.Itoa(child.PID))
	return err
}

// attachInBackground returns when the attached terminal has answered; how it ends comes through
// detached.
func attachInBackground(ctx context.Context, pod suite.PodClient, detached chan<- error) error {
	attached, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		err := pod.Attach(ctx, "terminal", func(t *probe.Terminal) error { return stayAttached(t, attached) })
		failed <- err
		detached <- err
	}()
	select {
	case <-attached:
		return nil
	case err := <-failed:
		select {
		case <-attached: // it answered, and has ended since
			return nil
		default:
			return err
		}
	}
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
