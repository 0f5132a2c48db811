package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	utilexec "k8s.io/client-go/util/exec"
)

// closing is how long a stream whose time is over may take to end. One that is still
// waiting for the server to agree to it may not notice.
const closing = 2 * time.Second

// abandonable runs a stream, and does not wait for one that outlasts its context. What
// such a stream still reads is thrown away.
func abandonable(ctx context.Context, stream func() error) error {
	ended := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				ended <- fmt.Errorf("the client of the stream failed (panic: %v): report this", p)
			}
		}()
		ended <- stream()
	}()
	select {
	case err := <-ended:
		return cause(ctx, err)
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return cause(ctx, err)
	case <-time.After(closing):
		return context.Cause(ctx)
	}
}

// cause says of a stream that failed because its context ended why that ended. The
// connection has the context's deadline as its own, and may be the first to notice it.
func cause(ctx context.Context, err error) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	if err == nil || ctx.Err() == nil || errors.As(err, new(utilexec.CodeExitError)) {
		return err
	}
	return context.Cause(ctx)
}

// deafTo takes nothing of what a stream writes until its context ends.
type deafTo struct{ ctx context.Context }

// Write implements io.Writer.
func (d deafTo) Write([]byte) (int, error) {
	<-d.ctx.Done()
	return 0, context.Cause(d.ctx)
}
