package cases

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// slowInGrace is a pod in its grace period, whose containers take their time to answer a look: each look of the
// drainer the next of the times, and the last one for ever after. The session is seen by none.
type slowInGrace struct {
	suite.PodClient
	drainer []time.Duration
	sibling time.Duration
	saw     suite.Saw
}

func (s *slowInGrace) Before() suite.Observation {
	return suite.Observation{Markers: map[string]string{"terminated": "told to end"}, Logs: map[string]string{"drainer": "told to end\n"}}
}

func (s *slowInGrace) Logs(context.Context, string, string, bool) error { return nil }

func (s *slowInGrace) Note(what func(*suite.Saw)) { what(&s.saw) }

func (s *slowInGrace) Exec(ctx context.Context, _, _ string, _ ...string) (probe.CommandResult, error) {
	<-ctx.Done() // the session
	return probe.CommandResult{}, context.Cause(ctx)
}

func (s *slowInGrace) Observe(ctx context.Context, container string) (*probe.Snapshot, error) {
	takes := s.sibling
	if container == "drainer" {
		takes = s.drainer[0]
		s.drainer = slices.Clone(s.drainer[min(1, len(s.drainer)-1):])
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(takes):
		return &probe.Snapshot{Container: container}, nil
	}
}

// TestSlowInGrace: only a drainer that answers no look, while its sibling answers soon, has not answered.
func TestSlowInGrace(t *testing.T) {
	const forever = 24 * time.Hour
	for name, row := range map[string]struct {
		drainer    []time.Duration
		sibling    time.Duration
		unanswered bool
	}{
		"never, the sibling at once":     {[]time.Duration{forever}, time.Second, true},
		"never, the sibling neither":     {[]time.Duration{forever}, forever, false},
		"never, the sibling late":        {[]time.Duration{forever}, 20 * time.Second, false},
		"slowly":                         {[]time.Duration{25 * time.Second}, 10 * time.Second, false},
		"once, before the session is up": {[]time.Duration{time.Second, forever}, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pod := &slowInGrace{drainer: row.drainer, sibling: row.sibling}
				err := enterInGrace(t.Context(), pod)
				assert.Equal(t, row.unanswered, pod.saw.Unanswered != "")
				assert.Equal(t, row.unanswered, err == nil, "%v", err)
			})
		})
	}
}
