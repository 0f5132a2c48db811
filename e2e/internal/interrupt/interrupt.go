// Package interrupt tells when somebody wants a process to end: from the keyboard,
// from a CI runner, or by closing the terminal.
package interrupt

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// SecondCounts is the time after the first signal in which a further one is taken
// for the same wish: timeout(1), for one, signals its child and then its whole
// process group, within a millisecond.
const SecondCounts = time.Second

// Notify returns a channel of the signals that ask a process to end: SIGINT,
// SIGTERM, and SIGHUP unless the process was started with that ignored, as nohup
// does; and more of them. From then on a write to a closed pipe or terminal is an error, and no
// longer the end of the process: who closes a terminal ends `| tee log` too.
func Notify(more ...os.Signal) <-chan os.Signal {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, append(more, os.Interrupt, syscall.SIGTERM)...)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE) // never read: the write's error tells. Ignored, children would inherit it.
	return signals
}

// Handle calls first with the first signal, and second with the next one that
// comes at least SecondCounts later. It returns after that, or when the channel is
// closed.
func Handle(signals <-chan os.Signal, now func() time.Time, first, second func(os.Signal)) {
	var came time.Time
	for got := range signals {
		switch at := now(); {
		case came.IsZero():
			came = at
			first(got)
		case at.Sub(came) >= SecondCounts:
			second(got)
			return
		}
	}
}

// Context returns a context that the first signal cancels. Its cause names the
// signal. say is told that it came; a second one ends the process with the exit
// code.
func Context(say func(string), exitCode int) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	go Handle(Notify(), time.Now, func(got os.Signal) {
		say(fmt.Sprintf("%s: ending; again to leave at once", got))
		cancel(Cause(got))
	}, func(os.Signal) { os.Exit(exitCode) })
	return ctx, func() { cancel(nil) }
}

// Cause is the error with which a signal ends a run.
func Cause(got os.Signal) error { return fmt.Errorf("interrupted by %s", got) }
