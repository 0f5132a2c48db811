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
	var b backoff
	pauses := []time.Duration{b.next(), b.next(), b.next()}
	assert.Equal(t, []time.Duration{First, First * 3 / 2, First * 9 / 4}, pauses)
	for range 20 {
		assert.LessOrEqual(t, b.next(), Longest)
	}
	assert.Equal(t, Longest, b.next())
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

// TestPersist: answers that take longer than the time are asked for three times, and others as by Until.
func TestPersist(t *testing.T) {
	broken := errors.New("broken")
	for name, row := range map[string]struct {
		takes   time.Duration // each answer
		answer  func(asked int) (bool, error)
		atLeast int
		atMost  int
		want    error
	}{
		"slow, never":            {40 * time.Second, func(int) (bool, error) { return false, nil }, 3, 3, nil},
		"slow, yes at the third": {40 * time.Second, func(n int) (bool, error) { return n == 3, nil }, 3, 3, nil},
		"slow, yes at once":      {40 * time.Second, func(int) (bool, error) { return true, nil }, 1, 1, nil},
		"slow, an error":         {40 * time.Second, func(int) (bool, error) { return false, broken }, 1, 1, broken},
		"fast, never":            {0, func(int) (bool, error) { return false, nil }, 18, 25, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked, began := 0, time.Now()
				err := Persist(t.Context(), 30*time.Second, func() (bool, error) {
					asked++
					time.Sleep(row.takes)
					return row.answer(asked)
				})
				assert.ErrorIs(t, err, row.want)
				assert.GreaterOrEqual(t, asked, row.atLeast)
				assert.LessOrEqual(t, asked, row.atMost)
				if row.takes == 0 {
					assert.LessOrEqual(t, time.Since(began), 30*time.Second+Longest)
				}
			})
		})
	}
}

// TestRetry: the time begins when the first try has ended, and the last try's error is told, also when
// somebody wants the run to end meanwhile.
func TestRetry(t *testing.T) {
	broken, over := errors.New("broken"), errors.New("over")
	for name, row := range map[string]struct {
		lasts  time.Duration // each try
		again  func(tried int) bool
		tries  int
		cancel time.Duration
		want   []error
	}{
		"not to be repeated":     {time.Hour, func(int) bool { return false }, 1, 0, []error{broken}},
		"a long first try":       {time.Hour, func(n int) bool { return n < 2 }, 2, 0, []error{broken}},
		"until the time is over": {time.Minute, func(int) bool { return true }, 2, 0, []error{broken}},
		"interrupted":            {0, func(int) bool { return true }, 2, First + First/2, []error{broken, over}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				if row.cancel > 0 {
					time.AfterFunc(row.cancel, func() { cancel(over) })
				}
				tried := 0
				err := Retry(ctx, time.Minute, func() (bool, error) {
					tried++
					time.Sleep(row.lasts)
					return row.again(tried), broken
				})
				for _, want := range row.want {
					assert.ErrorIs(t, err, want)
				}
				assert.Equal(t, row.tries, tried)
				cancel(nil)
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
