package suite

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// waiting is the time that a pod has until it is as it should be. It begins when the API
// server has answered the pod's creation: what stands in the client's queue, behind thousands of
// others, is not late.
type waiting struct {
	context.Context
	within time.Duration
	end    context.CancelCauseFunc
	begin  sync.Once
	timer  *time.Timer
}

func (r *Runner) newWaiting(ctx context.Context) *waiting {
	inner, end := context.WithCancelCause(ctx)
	return &waiting{Context: inner, within: r.Timeout, end: end}
}

// answered begins the time, if it has not begun.
func (w *waiting) answered() {
	w.begin.Do(func() {
		w.timer = time.AfterFunc(w.within, func() { w.end(notWithin{w.within}) })
	})
}

// notWithin is why a context has ended whose time began after it. It is a context.DeadlineExceeded, as
// the error of such a context is not: there it cannot be told from that somebody wants the run to end.
type notWithin struct{ within time.Duration }

func (e notWithin) Error() string { return fmt.Sprintf("not within %s", e.within) }

// Is implements errors.Is.
func (e notWithin) Is(target error) bool { return target == context.DeadlineExceeded }

// over gives up what is still waited for.
func (w *waiting) over() {
	w.begin.Do(func() {})
	if w.timer != nil {
		w.timer.Stop()
	}
	w.end(nil)
}
