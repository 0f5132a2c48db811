// Package remote reaches into the containers of a pod through the API server:
// exec, attach, and the observation script by exec.
package remote

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"procns/e2e/internal/locked"
	"procns/e2e/internal/probe"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
)

// Pod is one pod, to run commands in.
type Pod struct {
	Client    kubernetes.Interface
	Config    *rest.Config
	Namespace string
	Name      string
}

// refusedForGood is how the server says that asking again is of no use: no
// permission for pods/exec, or no such pod. (“container not found” is what kubelet
// says of one that is being restarted.)
var refusedForGood = regexp.MustCompile(`(?i)\bforbidden\b|pods? "?[^ ]*"? not found`)

// Exec runs a command in a container without a terminal. A command that exits
// non-zero, or does not start, is a result and no error: an error means that
// there is no use in trying again, or that ctx ended. A request that did not reach
// the node, or that its runtime had no time for, is repeated; a command whose
// connection was cut is not, for it may have been run: its result says so.
//
// A command that has not ended within the given time is given up, with a
// probe.DeadlineError and a result that says so.
func (r Pod) Exec(ctx context.Context, within time.Duration, container string, command ...string) (probe.CommandResult, error) {
	return r.exec(ctx, within, repeatsNothing, container, command...)
}

func (r Pod) exec(ctx context.Context, within time.Duration, repeats func(trouble) bool, container string, command ...string) (result probe.CommandResult, err error) {
	err = persist(ctx, func() (trouble, error) {
		var found trouble
		var err error
		result, found, err = r.execOnce(ctx, within, container, command...)
		result.Cut = found == unreached || found == cut
		return found, err
	}, repeats)
	return result, err
}

func (r Pod) execOnce(ctx context.Context, within time.Duration, container string, command ...string) (probe.CommandResult, trouble, error) {
	request := r.subresource("exec").VersionedParams(&corev1.PodExecOptions{
		Container: container, Command: command, Stdout: true, Stderr: true,
	}, scheme.ParameterCodec)
	if err := r.takeTurn(ctx); err != nil {
		err = fmt.Errorf("exec in container %s: it was not sent: %w", container, err)
		return probe.CommandResult{Failure: err.Error()}, none, err
	}
	var stdout, stderr locked.Buffer // a stream that was abandoned may write to them while they are read
	late := &probe.DeadlineError{What: "exec in container " + container, Within: within}
	err := r.stream(ctx, within, late, request, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr})
	result := probe.CommandResult{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit utilexec.CodeExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		result.Code = exit.Code
	case errors.As(err, &late):
		result.Failure = late.Error()
		return result, none, late
	case ctx.Err() != nil:
		return result, none, fmt.Errorf("exec in container %s: %w", container, context.Cause(ctx))
	case refusalOf(err).Lasting():
		return result, none, lastingRefusal(err, "exec in", container)
	case refusedForGood.MatchString(err.Error()):
		return result, none, fmt.Errorf("exec in container %s: %w", container, err)
	default:
		result.Failure = err.Error()
		return result, troubleOf(err), nil
	}
	return result, none, nil
}

// ExecUnread runs a command in a container as Exec does, and reads nothing of what it prints,
// as a client that hangs: the command can write until all buffers on the way are full. It
// returns when ctx ends, which is no error, or when the session could not be opened. That
// the session has ended it does not notice.
func (r Pod) ExecUnread(ctx context.Context, container string, command ...string) error {
	err := persist(ctx, func() (trouble, error) {
		request := r.subresource("exec").VersionedParams(&corev1.PodExecOptions{
			Container: container, Command: command, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec)
		if err := r.takeTurn(ctx); err != nil {
			return none, err
		}
		deaf := deafTo{ctx}
		err := r.stream(ctx, 0, nil, request, remotecommand.StreamOptions{Stdout: deaf, Stderr: deaf})
		if refused := lastingRefusal(err, "exec in", container); refused != nil {
			return none, refused
		}
		return troubleOf(err), err
	}, repeatsNothing)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Observe takes a snapshot from inside a container. A container in which no
// script can run yields a snapshot that says so in its Failure. The second
// result is the raw text, for the evidence.
func (r Pod) Observe(ctx context.Context, within time.Duration, container string, paths []string) (*probe.Snapshot, string, error) {
	boundary := "procns-" + probe.RandomHex(8)
	result, err := r.exec(ctx, within, readsOnly, container, probe.ObserveCommand(boundary, paths)...)
	if err != nil {
		return nil, "", err
	}
	raw := probe.RawText(result.Stdout, result.Stderr)
	if !result.Ran() || result.Code != 0 {
		return &probe.Snapshot{Container: container, Failure: failureOf(result), NoShell: !result.Cut && result.NoSuchExecutable(), Cut: result.Cut}, raw, nil
	}
	var snapshot *probe.Snapshot
	answers, err := probe.ReadAnswers(boundary, []byte(result.Stdout), []byte(result.Stderr))
	if err == nil {
		raw = answers.Text()
		snapshot, err = answers.Snapshot(container)
	}
	if err != nil {
		return &probe.Snapshot{Container: container, Failure: fmt.Sprintf("unreadable observation (exit code %d): %v", result.Code, err)}, raw, nil
	}
	return snapshot, raw, nil
}

// failureOf says why an observation failed, without what it had read by then.
func failureOf(result probe.CommandResult) string {
	if !result.Ran() {
		return result.String()
	}
	const most = 300
	result.Stdout, result.Stderr = "", result.Stderr[:min(len(result.Stderr), most)]
	return result.String()
}

// Attach connects to the container's own process, as `kubectl attach -it` does,
// and hands the connection to converse. tty says whether the container has a
// terminal. Leaving converse detaches. A request that did not reach the node, or
// that its runtime had no time for, is repeated with the keys that were typed
// meanwhile: nobody has read them.
func (r Pod) Attach(ctx context.Context, container string, tty bool, converse func(*probe.Terminal) error) error {
	request := r.subresource("attach").VersionedParams(&corev1.PodAttachOptions{
		Container: container, Stdin: true, Stdout: true, Stderr: !tty, TTY: tty,
	}, scheme.ParameterCodec)
	ctx, detach := context.WithCancel(ctx)
	defer detach()
	keys := newKeyboard()
	terminal := probe.NewTerminal(ctx, keys)
	attempt := func() (trouble, error) {
		ctx, end := context.WithCancel(ctx)
		defer end()
		if err := r.takeTurn(ctx); err != nil {
			return none, err
		}
		options := remotecommand.StreamOptions{Stdin: keys.reader(ctx), Stdout: terminal, Tty: tty}
		if tty {
			options.TerminalSizeQueue = &sizeQueue{ctx: ctx, terminal: terminal}
		} else {
			options.Stderr = terminal
		}
		err := r.stream(ctx, 0, nil, request, options) // the conversation has a deadline of its own
		if !terminal.Blank() {
			return none, err // the container was reached
		}
		if refused := lastingRefusal(err, "attaching to", container); refused != nil {
			return none, refused
		}
		return troubleOf(err), err
	}
	streamed := make(chan struct{})
	go func() {
		defer close(streamed)
		terminal.Close(persist(ctx, attempt, repeatsNothing))
		keys.close()
	}()
	err := converse(terminal)
	detach()
	<-streamed
	return err
}

func (r Pod) subresource(name string) *rest.Request {
	return r.Client.CoreV1().RESTClient().Post().Resource("pods").
		Namespace(r.Namespace).Name(r.Name).SubResource(name)
}

// takeTurn waits until the client's rate allows another request: exec and attach bypass
// the client that sends the others.
func (r Pod) takeTurn(ctx context.Context) error {
	if r.Config.RateLimiter == nil {
		return nil
	}
	return r.Config.RateLimiter.Wait(ctx)
}

// stream speaks WebSocket, and SPDY to servers that do not (before v1.31). It ends
// with late when it has lasted for within (0: as long as ctx).
func (r Pod) stream(ctx context.Context, within time.Duration, late error, request *rest.Request, options remotecommand.StreamOptions) error {
	webSocket, err := remotecommand.NewWebSocketExecutor(r.Config, "GET", request.URL().String())
	if err != nil {
		return err
	}
	spdy, err := remotecommand.NewSPDYExecutor(r.Config, "POST", request.URL())
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
	return abandonable(ctx, func() error { return executor.StreamWithContext(ctx, options) })
}

// sizeQueue tells the remote terminal its size: first a wide one, so that a
// shell's line editing and ps wrap nothing, and then what the conversation wants.
type sizeQueue struct {
	ctx      context.Context // of the connection
	terminal *probe.Terminal
	sent     bool
}

// Next implements remotecommand.TerminalSizeQueue.
func (q *sizeQueue) Next() *remotecommand.TerminalSize {
	size := probe.Size{Columns: 200, Rows: 50}
	if q.sent {
		var ok bool
		if size, ok = q.terminal.NextSize(q.ctx); !ok {
			return nil
		}
	}
	q.sent = true
	return &remotecommand.TerminalSize{Width: size.Columns, Height: size.Rows}
}
