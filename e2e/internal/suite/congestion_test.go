package suite

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
)

// TestCongestion: slow looks halve what is done at one time, down to two; those that began before the last
// decrease change nothing; answers that come soon raise it one by one, and let in who waits, in their order.
func TestCongestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const within = time.Minute
		c := newCongestion(24)
		look := func(took time.Duration) int {
			began := time.Now()
			time.Sleep(took)
			return c.took(began, took, within)
		}
		assert.Zero(t, look(4*time.Second), "soon")
		assert.Zero(t, look(10*time.Second), "neither")
		old := time.Now()
		assert.Equal(t, 12, look(20*time.Second))
		assert.Zero(t, c.took(old, within, within), "began before")
		assert.Equal(t, 6, look(within))
		assert.Equal(t, 3, look(within))
		assert.Equal(t, 2, look(within))
		assert.Zero(t, look(within), "no fewer than two")

		var lock sync.Mutex
		var entered []int
		c.take()
		c.take()
		for i := range 3 {
			go func() {
				c.take()
				lock.Lock()
				defer lock.Unlock()
				entered = append(entered, i)
			}()
			synctest.Wait()
		}
		assert.Empty(t, entered)
		look(time.Second)
		look(time.Second)
		synctest.Wait()
		assert.Empty(t, entered, "2 + 1/2 + 1/2.5")
		look(time.Second)
		synctest.Wait()
		assert.Equal(t, []int{0}, entered)
		c.leave()
		synctest.Wait()
		c.leave()
		synctest.Wait()
		assert.Equal(t, []int{0, 1, 2}, entered)
		for range 1000 {
			look(time.Second)
		}
		assert.InDelta(t, 24, c.limit, 0, "and no more than at first")
	})
}

// busyFirst is a bench on which the first so many looks, and the first so many commands, have no answer in their time.
type busyFirst struct {
	deletable
	looks, commands *int
}

func (b busyFirst) Observe(_ context.Context, within time.Duration, _, container string, _ []string) (*probe.Snapshot, string, error) {
	if *b.looks == 0 {
		return &probe.Snapshot{Container: container}, "", nil
	}
	*b.looks--
	time.Sleep(within)
	return nil, "", &probe.DeadlineError{What: "exec in container " + container, Within: within}
}

func (b busyFirst) Exec(_ context.Context, within time.Duration, _, container string, _ ...string) (probe.CommandResult, error) {
	if *b.commands == 0 {
		return probe.CommandResult{}, nil
	}
	*b.commands--
	time.Sleep(within)
	late := &probe.DeadlineError{What: "exec in container " + container, Within: within}
	return probe.CommandResult{Failure: late.Error()}, late
}

// TestBusyNode: a look that had no answer in its time is sent once more, and an act of
// which a command had none is done once more, in a new pod.
func TestBusyNode(t *testing.T) {
	ran := func(o Observation) error {
		if r, ok := o.Ran["say"]; !ok || !r.Ran() {
			return CannotTell("what it says", "nothing")
		}
		return nil
	}
	for name, row := range map[string]struct {
		looks, commands int
		outcome         Outcome
		acts            int
	}{
		"answers":              {0, 0, Conformant, 1},
		"one look":             {1, 0, Conformant, 1},
		"each look":            {99, 0, Inconclusive, 0},
		"one command":          {0, 1, Conformant, 2},
		"each command":         {0, 99, Inconclusive, 2},
		"a look and a command": {1, 1, Conformant, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				acts := 0
				c := Case{ID: "a/busy", Fixture: "fixture.yaml", NoControl: "none needed", Judge: ran, Act: &Act{Name: "act", Within: time.Millisecond, Do: func(ctx context.Context, pod PodClient) error {
					acts++
					_, err := pod.Exec(ctx, "say", "busy", "echo")
					return err
				}}}
				b := newBench()
				runner := runnerOn(t, busyFirst{deletable{b}, &row.looks, &row.commands}, c)
				runner.Timeout = 5 * time.Minute
				results := runner.Run(t.Context())
				require.Len(t, results, 1)
				assert.Equal(t, row.outcome, results[0].Outcome, results[0].Reason)
				assert.Equal(t, row.acts, acts)
			})
		})
	}
}
