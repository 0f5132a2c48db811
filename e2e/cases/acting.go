package cases

import (
	"context"
	"encoding/json"
	"fmt"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// noteOnceSeen observes a container until it sees such a process, and keeps the
// process under a name, for the judge. A process table cannot be watched: each
// look is one exec. Where it is never seen, nothing is kept, and the judge says so.
func noteOnceSeen(ctx context.Context, pod suite.Hands, name, container string, is func(probe.Process) bool) (probe.Process, error) {
	var found probe.Process
	err := pace.Until(ctx, reply, func() (bool, error) {
		s, err := pod.Observe(ctx, container)
		if err != nil {
			return false, err
		}
		p, ok := s.Find(is)
		if ok {
			found = p
			pod.Note(name, encoded(p))
		}
		return ok, nil
	})
	return found, err
}

// look is one look at a container that has to succeed: of what was not looked at, it cannot be said
// that it was not there.
func look(ctx context.Context, pod suite.Hands, container string) (*probe.Snapshot, error) {
	s, err := pod.Observe(ctx, container)
	if err == nil && s.Failure != "" {
		err = fmt.Errorf("container %s could not be observed: %s", container, s.Failure)
	}
	return s, err
}

// encoded is a process as a note.
func encoded(p probe.Process) string {
	text, err := json.Marshal(p)
	if err != nil {
		return "" // plain data can be encoded
	}
	return string(text)
}

// noted is the process that was kept under a name, if it was seen.
func noted(o suite.Observation, name string) (probe.Process, bool) {
	var p probe.Process
	err := json.Unmarshal([]byte(o.Notes[name]), &p)
	return p, err == nil
}

// succeeded demands that a command ran to its end with exit code 0; expected says
// it as a sentence. A command that did not run tells nothing of what it would do.
func succeeded(o suite.Observation, name, expected string, seen ...*probe.Snapshot) error {
	switch r, recorded := o.Ran[name]; {
	case !recorded:
		return suite.CannotTell(expected, "it was not tried", seen...)
	case !r.Ran():
		return suite.Final(suite.CannotTell(expected, r.String(), seen...))
	case r.Code != 0:
		return suite.Final(suite.Violation(expected, failed(r, seen...), seen...))
	}
	return nil
}
