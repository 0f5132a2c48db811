package cases

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// An exec session whose client reads nothing of what its command prints.

// unreadIn names such a session, and heldUpIn the look that shows it held up.
func unreadIn(container string) string { return "unread session in " + container }

func heldUpIn(container string) string { return "held up in " + container }

// openUnread returns when the command is seen from its own container, and is held up, as the
// killer sees, if it does.
func openUnread(ctx context.Context, pod suite.PodClient, container string) (*session, error) {
	unreading, s := newSession(ctx, unreadIn(container))
	go func() {
		defer close(s.done)
		// One process, which prints a long line again and again.
		const script = `line="$1 $1 $1 $1"; line="$line $line $line $line"; while :; do echo "$line"; done`
		if err := pod.ExecUnread(unreading, container, "sh", "-c", script, "unread", s.argument); err != nil {
			s.result = probe.CommandResult{Failure: err.Error()}
		}
	}()
	if err := s.awaitHeldUp(ctx, pod, container); err != nil {
		s.giveUp()
		return nil, err
	}
	return s, nil
}

func (s *session) awaitHeldUp(ctx context.Context, pod suite.PodClient, container string) error {
	if err := s.awaitOwn(ctx, pod, container); err != nil {
		return err
	}
	s.noteSeen(pod, container, s.process)
	seen, ok, err := s.noteSeenFrom(ctx, pod, "killer")
	if err != nil || !ok {
		return err // where the killer does not see it, the judges say so
	}
	return s.noteHeldUp(ctx, pod, container, seen)
}

// noteHeldUp looks at a process until it has not run between one look and the next, some times
// in a row: all that the kernel counts of it stands still, and it is not about to run.
func (s *session) noteHeldUp(ctx context.Context, pod suite.PodClient, container string, p probe.Process) error {
	const inARow = 3
	var last string
	same := 0
	return pace.Until(ctx, comeback, func() (bool, error) {
		pid := strconv.Itoa(p.PID)
		looked, err := pod.Exec(ctx, heldUpIn(container), "killer", "cat", "/proc/"+pid+"/stat", "/proc/"+pid+"/status")
		if err != nil {
			return false, err
		}
		now, err := probe.ParseStat(firstLines(looked.Stdout, 1))
		if err != nil || now.Identity() != p.Identity() {
			return looked.Ran(), nil // it is gone, or was not looked at: the judges say so
		}
		if looked.Stdout != last || now.State == "R" {
			last, same = looked.Stdout, 0
		}
		same++
		if same < inARow {
			return false, nil
		}
		held := true
		pod.Note(func(saw *suite.Saw) { saw.InSession(s.name, func(of *suite.Session) { of.HeldUp = &held }) })
		return true, nil
	})
}

// wasHeldUp demands that a session whose client reads nothing was seen, and held up by that.
func wasHeldUp(o suite.Observation, container string) (probe.Process, error) {
	p, err := sessionSeen(o, unreadIn(container), container, "killer")
	if err == nil && !yes(o.Saw.Sessions[unreadIn(container)].HeldUp) {
		err = suite.CannotTell("the "+unreadIn(container)+" cannot print, as its client reads nothing", "it was not seen to stand still: "+o.Ran[heldUpIn(container)].String(), o.Container("killer"))
	}
	return p, err
}

// endBesideUnread ends both containers with such a session in each.
var endBesideUnread = &suite.Act{
	Name:   "end-beside-unread",
	Within: comeback,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		pids, seen := toEnd(pod.Before())
		if !seen {
			return nil // the judge says so
		}
		var doomed []probe.Process
		for _, e := range execEnds {
			open, err := openUnread(ctx, pod, e.name)
			if err != nil {
				return err
			}
			defer open.giveUp()
			doomed = append(doomed, open.process)
		}
		if sent, err := endBoth(ctx, pod, pids); err != nil || wasRefused(sent) {
			return err
		}
		back, err := pod.Await(ctx, comeback, "running again", startedAgain(pod.Before().Pod, 1, "finished", "killed"))
		if err != nil || !back {
			return err
		}
		return noteLeftovers(ctx, pod, "killer", doomed) // the sessions are open still
	},
}

func endedBesideUnread(o suite.Observation) error {
	if err := killerSeesBoth(o); err != nil {
		return err
	}
	var doomed []probe.Process
	for _, e := range execEnds {
		p, err := wasHeldUp(o, e.name)
		if err != nil {
			return err
		}
		doomed = append(doomed, p)
	}
	if err := bothRestarted(o); err != nil {
		return err
	}
	if err := gone(o, o.Container("killer"), doomed, "finished", "killed", "killer"); err != nil {
		return err
	}
	return nothingLeftOver(o, "killer")
}

// execsGrace is lifecycle-execs.yaml's grace period, in seconds.
const execsGrace = 1

// deleteBesideUnread deletes the pod while such a session is open.
var deleteBesideUnread = &suite.Act{
	Name: "delete-beside-unread",
	Ends: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		open, err := openUnread(ctx, pod, "killed")
		if err != nil {
			return err
		}
		defer open.giveUp()
		if _, seen := pod.Before().Saw.Sessions[unreadIn("killed")].From["killer"]; !seen {
			return nil // the judge says so
		}
		return pod.Delete(ctx, execsGrace, execsGrace*time.Second+comeback)
	},
}

func wentBesideUnread(o suite.Observation) error {
	if _, err := wasHeldUp(o, "killed"); err != nil {
		return err
	}
	switch d := o.Deletion; {
	case d == nil:
		return suite.CannotTell("the pod's deletion", "it was not requested")
	case !d.Gone:
		return suite.Violation(fmt.Sprintf("the pod is gone within %s after its grace period of %d s", comeback, d.GraceSeconds), fmt.Sprintf("it is there %.0f s later", d.Seconds))
	}
	return nil
}
