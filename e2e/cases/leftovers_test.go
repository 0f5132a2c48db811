package cases

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// slowLooks take their time, and show what was there when each began.
type slowLooks struct {
	lookingHands
	gone  *probe.Snapshot
	after int // the look that shows that it is gone
	looks int
}

func (h *slowLooks) Observe(ctx context.Context, container string) (*probe.Snapshot, error) {
	h.looks++
	time.Sleep(40 * time.Second)
	if h.looks > h.after {
		return h.gone, nil
	}
	return h.lookingHands.Observe(ctx, container)
}

// TestSlowLooksForLeftovers: a first look that outlasts the time tells of processes that were killed, and not yet
// reaped. What is there at the third is left over.
func TestSlowLooksForLeftovers(t *testing.T) {
	c := named(t, "lifecycle/leftovers-die")
	for after, left := range map[int]int{0: 0, 1: 0, 2: 0, 3: 1} {
		o := recorded(t, c, c.Fixture)
		child, ok := o.Container("killer").Find(marking("child")(&o))
		require.True(t, ok)
		later := recorded(t, c, c.Fixture)
		hide(&later, "killer", func(p probe.Process) bool { return p.Identity() == child.Identity() })
		h := &slowLooks{lookingHands: lookingHands{before: o, seen: o}, gone: later.Container("killer"), after: after}
		synctest.Test(t, func(t *testing.T) {
			require.NoError(t, noteLeftovers(t.Context(), h, "killer", []probe.Process{child}))
		})
		require.NotNil(t, h.saw.Left)
		require.Len(t, *h.saw.Left, left, "gone after look %d", after)
		err := nothingLeftOver(suite.Observation{Saw: h.saw}, "killer")
		require.Equal(t, left > 0, suite.IsViolation(err), "%v", err)
	}
}
