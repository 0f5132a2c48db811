package cases

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// session is a command that runs in a container until something ends it.
type session struct {
	argument string // by which its process is found
	process  probe.Process
	done     chan struct{}
	cancel   context.CancelFunc
	// To be read when done: the result, and that the connection was cut.
	result probe.CommandResult
	err    error
}

// sessionsLast is the longest that an act keeps a session open: each of its waits bounds
// itself.
const sessionsLast = 5 * comeback

// startSession does not wait. The session is one process only: a child would keep
// its streams open after its death.
func startSession(ctx context.Context, pod suite.Hands, name, container string) *session {
	ctx, cancel := context.WithCancel(ctx)
	s := &session{argument: "/tmp/session-" + probe.RandomHex(10), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(s.done)
		result, err := pod.Exec(ctx, name, container, "sh", "-c", `: >"$1"; exec tail -f "$1"`, "session", s.argument)
		s.result = result
		if result.Cut { // that it was given up is no failure
			s.err = err
		}
	}()
	return s
}

// openSession returns when the container itself sees the session's process.
func openSession(ctx context.Context, pod suite.Hands, name, container string) (*session, error) {
	s := startSession(ctx, pod, name, container)
	err := pace.Until(ctx, comeback, func() (bool, error) {
		select {
		case <-s.done:
			return false, fmt.Errorf("the exec session in container %s was over before it was seen: %s", container, s.result)
		default:
		}
		own, err := pod.Observe(ctx, container)
		if err != nil {
			return false, err
		}
		var found bool
		s.process, found = own.Find(func(p probe.Process) bool { return hasArgument(p, s.argument) })
		return found, nil
	})
	if err == nil && s.process.PID == 0 {
		err = fmt.Errorf("the exec session in container %s did not start within %s", container, comeback)
	}
	if err != nil {
		_, cut := s.end(0)
		return nil, errors.Join(err, cut)
	}
	return s, nil
}

// end waits for the session to end of itself, and gives it up otherwise. Its
// error is that the connection was cut, which says nothing of the session.
func (s *session) end(within time.Duration) (bool, error) {
	defer s.cancel()
	select {
	case <-s.done:
		return true, s.err
	default:
	}
	select {
	case <-s.done:
		return true, s.err
	case <-time.After(within):
		s.cancel()
		<-s.done
		return false, s.err
	}
}

// giveUp ends the session when nobody asks any more how it ended.
func (s *session) giveUp() { _, _ = s.end(0) }

// killSession opens a session in the victim and kills it from the killer, where
// the killer sees it. What both see of it is recorded.
func killSession(ctx context.Context, pod suite.Hands) error {
	s, err := openSession(ctx, pod, "session", "victim")
	if err != nil {
		return err
	}
	defer s.giveUp()
	pod.Note("session seen from victim", encoded(s.process))
	from, err := look(ctx, pod, "killer")
	if err != nil {
		return err
	}
	seen, ok := from.Find(func(p probe.Process) bool { return hasArgument(p, s.argument) })
	if !ok {
		return nil
	}
	pod.Note("session seen from killer", encoded(seen))
	kill, err := pod.Exec(ctx, "kill session", "killer", "kill", "-KILL", strconv.Itoa(seen.PID))
	if err != nil || wasRefused(kill) {
		return err
	}
	ended, err := s.end(comeback)
	pod.Note("session ended", strconv.FormatBool(ended))
	return err
}

// sessionSeen demands that the killer sees the session's process, as the victim
// does.
func sessionSeen(o suite.Observation) (probe.Process, error) {
	own, ok := noted(o, "session seen from victim")
	if !ok {
		return own, suite.CannotTell("the session's process, seen from its own container", "it was not seen")
	}
	other, ok := noted(o, "session seen from killer")
	if !ok || other.Identity() != own.Identity() {
		return own, suite.Violation("the sibling sees the session's process as PID "+own.Identity().String(), "it does not",
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
