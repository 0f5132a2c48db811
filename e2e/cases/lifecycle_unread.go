package cases

import (
	"context"
	"fmt"
	"strconv"
	"strings"
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

// noteHeldUp looks at a process until it is seen to be held up.
func (s *session) noteHeldUp(ctx context.Context, pod suite.PodClient, container string, p probe.Process) error {
	var still standstill
	return pace.Until(ctx, comeback, func() (bool, error) {
		pid := strconv.Itoa(p.PID)
		looked, err := pod.Exec(ctx, heldUpIn(container), "killer", "cat", "/proc/"+pid+"/stat", "/proc/"+pid+"/status")
		if err != nil {
			return false, err
		}
		line := firstLines(looked.Stdout, 1)
		now, err := probe.ParseStat(line)
		if err != nil || now.Identity() != p.Identity() {
			return looked.Ran(), nil // it is gone, or was not looked at: the judges say so
		}
		used, err := cpuTicks(line)
		if err != nil || !still.look(now.State, used) {
			return false, err
		}
		held := true
		pod.Note(func(saw *suite.Saw) { saw.InSession(s.name, func(of *suite.Session) { of.HeldUp = &held }) })
		return true, nil
	})
}

// standstill tells from looks at a process that prints without a pause whether it is held up: some
// times in a row it was asleep, and from the first of them to the last it used a tick of CPU at most. One
// that prints is runnable, or uses hundreds of ticks a second. It need not stand still altogether: the
// windows of TCP between here and the node open now and then by a little, for minutes on a busy machine.
type standstill struct {
	since uint64 // the ticks at the first look of the row
	row   int
}

// look tells whether it is held up, with one more look.
func (s *standstill) look(state string, ticks uint64) bool {
	const inARow, atMost = 3, 1
	switch {
	case state != "S":
		s.row = 0
	case s.row == 0 || ticks > s.since+atMost:
		s.since, s.row = ticks, 1
	default:
		s.row++
	}
	return s.row >= inARow
}

// cpuTicks is how many ticks of CPU a process has used in user and kernel mode: fields 14 and 15 of
// /proc/PID/stat (proc(5)).
func cpuTicks(stat string) (uint64, error) {
	const utime, afterComm = 14, 3
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	if len(fields) <= utime+1-afterComm {
		return 0, fmt.Errorf("stat has %d fields behind the name, no times", len(fields))
	}
	user, err := strconv.ParseUint(fields[utime-afterComm], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("stat: user time: %w", err)
	}
	system, err := strconv.ParseUint(fields[utime+1-afterComm], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("stat: system time: %w", err)
	}
	return user + system, nil
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
	Name:    "delete-beside-unread",
	Ends:    true,
	Follows: endBesideExecs, // both containers run again
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
