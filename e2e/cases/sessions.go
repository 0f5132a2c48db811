package cases

import (
	"context"
	"errors"
	"fmt"
	"time"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// Exec sessions that an act keeps open.

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
