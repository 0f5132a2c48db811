// Package pace spaces out questions that have to be asked again and again, because
// nothing tells of the answer's change.
package pace

import (
	"context"
	"time"
)

// The pause after the first question is short, so that a fast node is not waited
// for; each is half as long again as the one before, up to the longest.
const (
	First   = 100 * time.Millisecond
	Longest = 2 * time.Second
)

// Backoff is the pauses between the questions. Its zero value has not paused yet.
type Backoff struct{ last time.Duration }

// Next is how long to pause before the next question.
func (b *Backoff) Next() time.Duration {
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

// Until asks until the answer is yes, or asking fails, or the time is over. That the
// time is over is no error.
func Until(ctx context.Context, within time.Duration, ask func() (bool, error)) error {
	var pauses Backoff
	for deadline := time.Now().Add(within); ; {
		yes, err := ask()
		if yes || err != nil || time.Now().After(deadline) {
			return err
		}
		if err := Pause(ctx, pauses.Next()); err != nil {
			return err
		}
	}
}
