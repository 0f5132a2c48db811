package cases

import (
	"context"
	"encoding/json"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// noteOnceSeen observes a container until it sees such a process, and keeps the
// process under a name, for the judge. A process table cannot be watched: each
// look is one exec. Where it is never seen, nothing is kept, and the judge says so.
func noteOnceSeen(ctx context.Context, pod suite.Hands, name, container string, is func(probe.Process) bool) error {
	for deadline := time.Now().Add(reply); ; {
		s, err := pod.Observe(ctx, container)
		if err != nil {
			return err
		}
		if p, ok := s.Find(is); ok {
			text, err := json.Marshal(p)
			pod.Note(name, string(text))
			return err
		}
		if time.Now().After(deadline) {
			return nil
		}
	}
}

// noted is the process that was kept under a name, if it was seen.
func noted(o suite.Observation, name string) (probe.Process, bool) {
	var p probe.Process
	err := json.Unmarshal([]byte(o.Notes[name]), &p)
	return p, err == nil
}
