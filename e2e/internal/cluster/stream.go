package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"

	"procns/e2e/internal/servertext"
)

// streamEnds is how long a stream whose time is over may take to end. One that is still
// waiting for the server to agree to it may not notice.
const streamEnds = 2 * time.Second

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
	case <-time.After(streamEnds):
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

func (s *Session) subresource(pod, name string) *rest.Request {
	return s.Client.CoreV1().RESTClient().Post().Resource("pods").Namespace(s.Namespace).Name(pod).SubResource(name)
}

// takeTurn waits until the client's rate allows another request: exec and attach bypass
// the client that sends the others.
func (s *Session) takeTurn(ctx context.Context) error {
	if s.Config.RateLimiter == nil {
		return nil
	}
	return s.Config.RateLimiter.Wait(ctx)
}

// stream speaks WebSocket, and SPDY to servers that do not (before v1.31). It ends
// with late when it has lasted for within (0: as long as ctx).
func (s *Session) stream(ctx context.Context, within time.Duration, late error, request *rest.Request, options remotecommand.StreamOptions) error {
	webSocket, err := remotecommand.NewWebSocketExecutor(s.Config, "GET", request.URL().String())
	if err != nil {
		return err
	}
	spdy, err := remotecommand.NewSPDYExecutor(s.Config, "POST", request.URL())
	if err != nil {
		return err
	}
	executor, err := remotecommand.NewFallbackExecutor(webSocket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return err
	}
	if within > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeoutCause(ctx, within, late)
		defer end()
	}
	return legible(abandonable(ctx, func() error { return executor.StreamWithContext(ctx, options) }))
}

// pageError is an error whose text holds the page of a proxy.
type pageError struct {
	error
	without string // the page, in one line
}

func (e pageError) Error() string { return e.without }

func (e pageError) Unwrap() error { return e.error }

// legible is err, in one line if a proxy's page is what it says.
func legible(err error) error {
	if err == nil {
		return nil
	}
	without := servertext.WithoutPage(err.Error())
	if without == err.Error() {
		return err
	}
	return pageError{err, oneLine(without)}
}
