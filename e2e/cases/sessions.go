package cases

import (
	"context"
	"errors"
	"fmt"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// Exec sessions that an act keeps open.

// session is a command that runs in a container until something ends it.
type session struct {
	name     string
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

func newSession(ctx context.Context, name string) (context.Context, *session) {
	ctx, cancel := context.WithCancel(ctx)
	return ctx, &session{name: name, argument: "/tmp/session-" + probe.RandomHex(10), done: make(chan struct{}), cancel: cancel}
}

// startSession does not wait. The session is one process only: a child would keep
// its streams open after its death.
func startSession(ctx context.Context, pod suite.PodClient, name, container string) *session {
	ctx, s := newSession(ctx, name)
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

// openSession returns when the container itself sees the session's process, which is noted.
func openSession(ctx context.Context, pod suite.PodClient, name, container string) (*session, error) {
	return openSessionWhile(ctx, ctx, pod, name, container)
}

// openSessionWhile is openSession, but that the session's process is looked for while looking lasts.
func openSessionWhile(ctx, looking context.Context, pod suite.PodClient, name, container string) (*session, error) {
	s := startSession(ctx, pod, name, container)
	err := s.awaitOwn(looking, pod, container)
	if err != nil {
		_, cut := s.end(0)
		return nil, errors.Join(err, cut)
	}
	s.noteSeen(pod, container, s.process)
	return s, nil
}

// awaitOwn looks for the session's process in its own container, as long as the session lasts. Its error is a
// probe.DeadlineError where no look was answered.
func (s *session) awaitOwn(ctx context.Context, pod suite.PodClient, container string) error {
	over, answered := false, false
	found, err := lookUntil(ctx, pod, container, comeback, func(own *probe.Snapshot) (ok bool) {
		answered = answered || own.Failure == ""
		s.process, ok = own.Find(s.is())
		select {
		case <-s.done:
			over = !ok
		default:
		}
		return ok || over
	})
	switch {
	case err != nil && answered:
		return fmt.Errorf("the exec session in container %s was not seen there: %v", container, err) //nolint:errorlint // who answered is not silent
	case err != nil:
		return err
	case over:
		return fmt.Errorf("the exec session in container %s was over before it was seen: %s", container, s.result)
	case !found:
		return fmt.Errorf("the exec session in container %s did not start within %s", container, comeback)
	}
	return nil
}

// is means the session's process.
func (s *session) is() func(probe.Process) bool { return withArgument(s.argument) }

func (s *session) noteSeen(pod suite.PodClient, from string, p probe.Process) {
	pod.Note(func(saw *suite.Saw) { saw.InSession(s.name, func(of *suite.Session) { of.SeenBy(from, p) }) })
}

// noteSeenFrom looks at another container, and notes the session's process where it is seen.
func (s *session) noteSeenFrom(ctx context.Context, pod suite.PodClient, container string) (probe.Process, bool, error) {
	from, err := look(ctx, pod, container)
	if err != nil {
		return probe.Process{}, false, err
	}
	seen, ok := from.Find(s.is())
	if ok {
		s.noteSeen(pod, container, seen)
	}
	return seen, ok, nil
}

// noteEnd waits for the session to end of itself, and notes whether it did.
func (s *session) noteEnd(pod suite.PodClient, within time.Duration) error {
	ended, err := s.end(within)
	if err == nil {
		pod.Note(func(saw *suite.Saw) { saw.InSession(s.name, func(of *suite.Session) { of.Ended = &ended }) })
	}
	return err
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

// sessionSeen demands that a session's process was seen in its own container, and that a sibling saw
// the same one.
func sessionSeen(o suite.Observation, name, container, sibling string) (probe.Process, error) {
	seen := o.Saw.Sessions[name].From
	own, ok := seen[container]
	if !ok {
		return own, suite.CannotTell("the session's process, seen from its own container", "it was not seen")
	}
	if other, ok := seen[sibling]; !ok || other.Identity() != own.Identity() {
		return own, suite.Violation("the sibling sees the session's process as PID "+own.Identity().String(), "it does not",
			o.Container(container), o.Container(sibling))
	}
	return own, nil
}

// sessionEnded137 demands that a session ended of itself, with exit code 137.
func sessionEnded137(o suite.Observation, name, expected string) error {
	ended := o.Saw.Sessions[name].Ended
	if r := o.Ran[name]; !yes(ended) || r.Code != 137 {
		return suite.Violation(expected, fmt.Sprintf("ended: %s; %s", waitedFor(ended), r))
	}
	return nil
}
