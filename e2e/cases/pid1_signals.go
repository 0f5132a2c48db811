package cases

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// What becomes of signals that containers send to PID 1.

// hangUpPID1 does what some images' scripts do, in nginx's container.
var hangUpPID1 = &suite.Act{
	Name:     "hang-up-pid-1",
	Within:   30 * time.Second,
	NoEffect: true,
	Sees:     []string{"nginx"},
	Follows:  walkByExec, // it left nginx other workers
	Do: func(ctx context.Context, pod suite.PodClient) error {
		_, err := pod.Exec(ctx, "nginx", "nginx", "sh", "-c", "kill -HUP 1")
		return err
	},
}

// hangUpChangedNothing turns on the effect on nginx alone. kill itself may be refused,
// by credentials (kill(2)) or a security module: then PID 1 was found to be another's
// process, which is what is claimed. A kill that ended in any other way was none.
func hangUpChangedNothing(o suite.Observation) error {
	if kill := o.Ran["nginx"]; !kill.Ran() || kill.Code != 0 && !wasRefused(kill) {
		if err := endedWithPID1(o, "nginx", kill); err != nil {
			return err
		}
		return suite.CannotTell("kill -HUP 1 is tried in nginx's container", kill.String())
	}
	if err := samePID1(o, "nginx"); err != nil {
		return err
	}
	if err := workersUntouched(o); err != nil {
		return err
	}
	return nothingRestarted(o)
}

// signalPID1 sends PID 1 what it has no handler for: two signals that nobody can
// have one for, and one that a receiver has.
var signalPID1 = &suite.Act{
	Name:     "signal-pid-1",
	Within:   30 * time.Second,
	NoEffect: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		const script = `for name in KILL STOP USR1; do kill "-$name" 1; echo "$name $?"; done`
		_, err := pod.Exec(ctx, "pid1", "by-exec", "sh", "-c", script)
		return err
	},
}

// pid1Protected needs each signal to have been sent, unless PID 1 ended of one: the
// command then ended with it. On the control PID 1 is the receiver itself: the kernel keeps
// KILL and STOP from it as well, but USR1 it gets.
func pid1Protected(o suite.Observation) error {
	if err := sentToPID1(o, "pid1", "by-exec", "KILL 0\nSTOP 0\nUSR1 0\n", "each of KILL, STOP and USR1"); err != nil {
		return err
	}
	if err := unharmedPID1(o, "by-exec"); err != nil {
		return err
	}
	return receivedNothing(o, receivers)
}

// sentToPID1 demands of a command that signals PID 1 that it was not refused, that PID 1 is
// the same afterwards, and that it sent all that it was to send, of which it prints what is wanted.
func sentToPID1(o suite.Observation, command, from, wanted, signals string) error {
	kill, tried := o.Ran[command]
	needed := "container " + from + " sends PID 1 " + signals
	switch errno := probe.ErrnoOf(kill.Stderr); {
	case !tried:
		return suite.CannotTell(needed, "it was not tried", o.Container(from))
	case kill.Ran() && (errno == probe.EACCES || errno == probe.EPERM):
		return pid1Refused(o, from, needed, kill, errno)
	case kill.Ran() && kill.Stdout != wanted:
		if err := endedWithPID1(o, from, kill); err != nil {
			return err
		}
	}
	if !kill.Ran() || kill.Stdout != wanted {
		return suite.CannotTell(needed, kill.String(), o.Container(from))
	}
	return nil
}

// endedWithPID1 is the violation that a command shows which signalled PID 1 and was cut short:
// PID 1 ended of it, and the command with it. It is nil where nothing shows that.
func endedWithPID1(o suite.Observation, from string, kill probe.CommandResult) error {
	if err := unharmedPID1(o, from); kill.Ran() && len(o.AfterIn(from).Processes) > 0 && suite.IsViolation(err) {
		return err
	}
	return nil
}

// pid1Refused judges a refusal, which is the kernel's own rule of kill(2) where PID 1 is
// another user's and the sender has no CAP_KILL: which user a sandbox runs as is judged elsewhere.
func pid1Refused(o suite.Observation, from, needed string, kill probe.CommandResult, errno probe.Errno) error {
	s := o.Container(from)
	first, okFirst := s.Process(1)
	own, okOwn := s.Find(carrying(o, from))
	if errno == probe.EPERM && okFirst && okOwn && first.UID != own.UID && capabilitiesOfSelf(s)&capKill == 0 {
		return suite.Inapplicable(needed, fmt.Sprintf("%s; PID 1 is uid %d's, and the sender is uid %d without CAP_KILL (kill(2))", kill, first.UID, own.UID), s)
	}
	return notPromised(s, needed, kill.String(), errno)
}

// unharmedPID1 demands that PID 1 is the same process, neither stopped nor dead, and that no
// container was started again: a sandbox with a kernel of its own may have the same PID 1 anew.
func unharmedPID1(o suite.Observation, from string) error {
	if err := samePID1(o, from); err != nil {
		return err
	}
	after := o.AfterIn(from)
	if first, _ := after.Process(1); first.State == "T" || first.State == "Z" {
		return suite.Violation("PID 1 is neither stopped nor dead", "its state is "+first.State, after)
	}
	return nothingRestarted(o)
}

// The pod with two senders, and its twin.
const (
	unhandled         = "unhandled-signals.yaml"
	unhandledIsolated = "unhandled-signals-isolated.yaml"
)

// senders of unhandled-signals.yaml, in the order in which they send.
var senders = []string{"user", "root"}

// unhandledBy are the signals from 1 to 31 that a container's PID 1 has no handler for, as far
// as /proc tells, without those that end a sandbox, with which it reaps, and with which it goes
// on. Where /proc does not tell, they are the two that nobody can have a handler for. Where PID 1
// is a container's own process, it is signalled all the same.
func unhandledBy(o suite.Observation, container string) []string {
	if handlersUnsaid(o, container) {
		return []string{strconv.Itoa(int(syscall.SIGKILL)), strconv.Itoa(int(syscall.SIGSTOP))}
	}
	first, _ := o.Container(container).Process(1)
	handled := signalSet(first.SigCgt)
	if isSender(o, first) {
		handled = nil
	}
	var signals []string
	for n := 1; n <= 31; n++ {
		switch syscall.Signal(n) {
		case syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD, syscall.SIGCONT:
			continue
		}
		if !slices.Contains(handled, n) {
			signals = append(signals, strconv.Itoa(n))
		}
	}
	return signals
}

// handlersUnsaid tells that a container sees a PID 1 of another's, and that /proc does not say which
// signals that has handlers for, as gVisor's does not.
func handlersUnsaid(o suite.Observation, container string) bool {
	first, seen := o.Container(container).Process(1)
	return seen && first.SigCgt == "" && !isSender(o, first)
}

// isSender tells whether a process is one of those that listen in unhandled-signals.yaml.
func isSender(o suite.Observation, p probe.Process) bool {
	return slices.ContainsFunc(senders, func(name string) bool { return carrying(o, name)(p) })
}

// signalUnhandled has one sender after the other send PID 1 all signals that it has no
// handler for. Where PID 1 did not live through those of one, the next one sends none.
var signalUnhandled = &suite.Act{
	Name:     "signal-unhandled",
	Within:   30 * time.Second,
	NoEffect: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		const script = `for n in "$@"; do kill "-$n" 1; echo "$n $?"; done`
		o := pod.Before()
		for _, from := range senders {
			signals := unhandledBy(o, from)
			kill, err := pod.Exec(ctx, from, from, append([]string{"sh", "-c", script, "kill"}, signals...)...)
			if err != nil || !kill.Ran() || kill.Code != 0 {
				return err
			}
			now, err := pod.Observe(ctx, from)
			if err != nil || now.Failure != "" {
				return err // the second snapshots show what became of PID 1
			}
			if first, ok := now.Process(1); ok {
				pod.Note(func(saw *suite.Saw) { keep(&saw.PID1After, from, first) })
			}
		}
		return nil
	},
}

// unhandledSent is what a sender prints that was refused nothing.
func unhandledSent(o suite.Observation, from string) string {
	var lines strings.Builder
	for _, n := range unhandledBy(o, from) {
		lines.WriteString(n + " 0\n")
	}
	return lines.String()
}

// unhandledDropped judges one sender's signals. On the control PID 1 is the sender's own
// first process, which has a handler for USR1.
func unhandledDropped(from string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if _, err := ownProcess(o, from, from); err != nil {
			return err
		}
		if err := sentToPID1(o, from, from, unhandledSent(o, from), "every signal that it has no handler for"); err != nil {
			return err
		}
		err := unharmedPID1(o, from)
		if suite.IsViolation(err) && from != senders[len(senders)-1] && livedThrough(o, from) {
			err = nil // it was the next sender that harmed it
		} else if err == nil {
			err = receivedNothing(o, senders)
		}
		if err == nil && handlersUnsaid(o, from) {
			return suite.CannotTell("which signals besides KILL and STOP, which did nothing, PID 1 has no handler for (SigCgt in /proc/1/status)", "the kernel does not say", o.Container(from))
		}
		return err
	}
}

// livedThrough tells whether PID 1 was unharmed when a sender had sent its signals.
func livedThrough(o suite.Observation, from string) bool {
	was, okWas := o.Container(from).Process(1)
	is, okIs := o.Saw.PID1After[from]
	return okWas && okIs && was.Identity() == is.Identity() && is.State != "T" && is.State != "Z"
}

func recordUnhandled(from string) func(suite.Observation) string {
	return func(o suite.Observation) string { return "PID 1 was sent " + strings.Join(unhandledBy(o, from), ", ") }
}
