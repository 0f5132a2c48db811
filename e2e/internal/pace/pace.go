// Package pace spaces out what has to be asked, or tried, again and again, because
// nothing tells when the answer will be another one.
package pace

import (
	"context"
	"fmt"
	"math"
	"time"
)

// The pause after the first question is short, so that a fast node is not waited
// for; each is half as long again as the one before, up to the longest.
const (
	First   = 100 * time.Millisecond
	Longest = 2 * time.Second
)

// Forever is the time of what is tried until ctx ends.
const Forever = time.Duration(math.MaxInt64)

// backoff is the pauses between the questions. Its zero value has not paused yet.
type backoff struct{ last time.Duration }

// next is how long to pause before the next question.
func (b *backoff) next() time.Duration {
	switch {
	case b.last == 0:
		b.last = First
	case b.last < Longest:
		b.last = min(b.last*3/2, Longest)
	}
	return b.last
}

// Pause waits for so long, or until ctx ends; then it returns why.
func Pause(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Retry tries something until it is not to be tried again, or the time is over, which
// begins at the end of the first try: that may have been long. It returns the last try's
// error; where ctx ends in a pause, with why it ended.
func Retry(ctx context.Context, within time.Duration, try func() (again bool, err error)) error {
	return RetryWith(ctx, within, Pause, try)
}

// RetryWith is Retry with pauses of one's own: who gives something back meanwhile.
func RetryWith(ctx context.Context, within time.Duration, pause func(context.Context, time.Duration) error, try func() (again bool, err error)) error {
	var pauses backoff
	var began time.Time
	for {
		again, err := try()
		if began.IsZero() {
			began = time.Now()
		}
		if !again || time.Since(began) > within {
			return err
		}
		stopped := pause(ctx, pauses.next())
		switch {
		case stopped != nil && err != nil:
			return fmt.Errorf("%w; before: %w", stopped, err)
		case stopped != nil:
			return stopped
		}
	}
}

// Until asks until the answer is yes, or asking fails, or the time is over, the first
// question's included. That the time is over is no error.
func Until(ctx context.Context, within time.Duration, ask func() (bool, error)) error {
	return until(ctx, 1, within, ask)
}

// Persist is Until, but asks at least three times, whatever the time. Where one answer takes longer than all was to
// take, the first tells of the beginning alone.
func Persist(ctx context.Context, within time.Duration, ask func() (bool, error)) error {
	return until(ctx, 3, within, ask)
}

func until(ctx context.Context, fewest int, within time.Duration, ask func() (bool, error)) error {
	began, asked := time.Now(), 0
	return Retry(ctx, Forever, func() (bool, error) {
		yes, err := ask()
		asked++
		return !yes && err == nil && (asked < fewest || time.Since(began) <= within), err
	})
}
