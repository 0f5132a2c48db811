package pace

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestBackoff: the pauses grow, and no further than the longest.
func TestBackoff(t *testing.T) {
	var b Backoff
	pauses := []time.Duration{b.Next(), b.Next(), b.Next()}
	assert.Equal(t, []time.Duration{First, First * 3 / 2, First * 9 / 4}, pauses)
	for range 20 {
		assert.LessOrEqual(t, b.Next(), Longest)
	}
	assert.Equal(t, Longest, b.Next())
}

// TestUntil: what is asked for minutes is asked some dozens of times, and the first
// answers of a fast node are not waited for.
func TestUntil(t *testing.T) {
	broken := errors.New("broken")
	for name, row := range map[string]struct {
		within  time.Duration
		answer  func(asked int) (bool, error)
		atMost  int           // questions
		took    time.Duration // at most
		atLeast int
		want    error
	}{
		"yes at once":      {time.Minute, func(int) (bool, error) { return true, nil }, 1, 0, 1, nil},
		"yes at the third": {time.Minute, func(n int) (bool, error) { return n == 3, nil }, 3, 300 * time.Millisecond, 3, nil},
		"an error":         {time.Minute, func(int) (bool, error) { return false, broken }, 1, 0, 1, broken},
		"never":            {5 * time.Minute, func(int) (bool, error) { return false, nil }, 170, 5*time.Minute + Longest, 140, nil},
		"no time at all":   {0, func(int) (bool, error) { return false, nil }, 2, First, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked, began := 0, time.Now()
				err := Until(t.Context(), row.within, func() (bool, error) { asked++; return row.answer(asked) })
				assert.ErrorIs(t, err, row.want)
				assert.LessOrEqual(t, asked, row.atMost)
				assert.GreaterOrEqual(t, asked, row.atLeast)
				assert.LessOrEqual(t, time.Since(began), row.took)
			})
		})
	}
}

// TestUntilIsInterrupted: the end of the run is not waited for.
func TestUntilIsInterrupted(t *testing.T) {
	over := errors.New("over")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(over)
	assert.ErrorIs(t, Until(ctx, time.Hour, func() (bool, error) { return false, nil }), over)
}
