package cases

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// An exec session whose client reads nothing of what its command prints.

// unread is a command in a session whose client reads nothing of what it prints.
type unread struct {
	process probe.Process
	over    chan error // one value, when the session is over
	cancel  context.CancelFunc
}

func (u *unread) giveUp() {
	u.cancel()
	<-u.over
}

// unreadIn and heldUpIn name such a command, and what shows that it is held up.
func unreadIn(container string) string { return "unread session in " + container }
func heldUpIn(container string) string { return "held up in " + container }

// openUnread returns when the command is seen from its own container, and is held up, as the
// killer sees, if it does. Whoever calls it gives it up, also where there is an error.
func openUnread(ctx context.Context, pod suite.Hands, container string) (*unread, error) {
	unreading, cancel := context.WithCancel(ctx)
	u := &unread{over: make(chan error, 1), cancel: cancel}
	argument := "/tmp/session-" + probe.RandomHex(10)
	go func() {
		// One process, which prints a long line again and again.
		const script = `line="$1 $1 $1 $1"; line="$line $line $line $line"; while :; do echo "$line"; done`
		err := pod.ExecUnread(unreading, container, "sh", "-c", script, "unread", argument)
		u.over <- errors.Join(fmt.Errorf("the session in container %s, whose client reads nothing, is over", container), err)
	}()
	is := func(p probe.Process) bool { return hasArgument(p, argument) }
	var err error
	if u.process, err = noteOnceSeen(ctx, pod, unreadIn(container), container, is); err != nil || u.process.PID == 0 {
		select {
		case over := <-u.over:
			u.over <- over // giveUp takes it
			err = errors.Join(err, over)
		default:
		}
		return u, err
	}
	from, err := look(ctx, pod, "killer")
	if err != nil {
		return u, err
	}
	seen, ok := from.Find(is)
	if !ok {
		return u, nil // the judges say so
	}
	pod.Note(fromKiller(unreadIn(container)), encoded(seen))
	return u, noteHeldUp(ctx, pod, container, seen)
}

// noteHeldUp looks at a process until it has not run between one look and the next, some times
// in a row: all that the kernel counts of it stands still, and it is not about to run.
func noteHeldUp(ctx context.Context, pod suite.Hands, container string, p probe.Process) error {
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
		pod.Note(heldUpIn(container), strconv.FormatBool(true))
		return true, nil
	})
}

// wasHeldUp demands that a session whose client reads nothing was seen, and held up by that.
func wasHeldUp(o suite.Observation, container string) (probe.Process, error) {
	p, err := seenFromBoth(o, unreadIn(container), container)
	if err == nil && o.Notes[heldUpIn(container)] != "true" {
		err = suite.CannotTell("the "+unreadIn(container)+" cannot print, as its client reads nothing", "it was not seen to stand still: "+o.Ran[heldUpIn(container)].String(), o.Container("killer"))
	}
	return p, err
}

// endBesideUnread ends both containers with such a session in each.
var endBesideUnread = &suite.Act{
	Name:   "end-beside-unread",
	Within: comeback,
	Do: func(ctx context.Context, pod suite.Hands) error {
		pids, seen := toEnd(pod.Before())
		if !seen {
			return nil // the judge says so
		}
		var doomed []probe.Process
		for _, e := range execEnds {
			open, err := openUnread(ctx, pod, e.name)
			defer open.giveUp()
			if err != nil || open.process.PID == 0 {
				return err // not seen: the judge says so
			}
			doomed = append(doomed, open.process)
		}
		if sent, err := endBoth(ctx, pod, pids); err != nil || wasRefused(sent) {
			return err
		}
		back, err := pod.Await(ctx, comeback, "running again", restarted("finished", "killed"))
		if err != nil || !back {
			return err
		}
		return noteLeftovers(ctx, pod, doomed) // the sessions are open still
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
	return nothingLeftOver(o)
}

// execsGrace is lifecycle-execs.yaml's grace period, in seconds.
const execsGrace = 1

// deleteBesideUnread deletes the pod while such a session is open.
var deleteBesideUnread = &suite.Act{
	Name: "delete-beside-unread",
	Ends: true,
	Do: func(ctx context.Context, pod suite.Hands) error {
		open, err := openUnread(ctx, pod, "killed")
		defer open.giveUp()
		if err != nil {
			return err
		}
		if _, seen := noted(pod.Before(), fromKiller(unreadIn("killed"))); !seen {
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
