package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
)

// CommandResult is the end of one command run in a container: what it printed
// and its exit code, or why it could not be run at all.
type CommandResult struct {
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr,omitempty"`
	Code   int    `json:"code"`
	// Failure says why the command did not run to its end (the container has no
	// such executable, the stream was cut, the request was refused).
	Failure string `json:"failure,omitempty"`
}

// Ran tells whether the command ran to its end, with whatever exit code.
func (r CommandResult) Ran() bool { return r.Failure == "" }

// noExecutable is how the runtimes (runc, crun, runsc, kata) say that the image
// holds no such program.
var noExecutable = regexp.MustCompile(`(?i)executable file .*not found|no such file or directory`)

// NoSuchExecutable tells whether the command did not start because the image
// holds no such program. Runtimes report it as a failed request, or as the
// shell's exit code 127.
func (r CommandResult) NoSuchExecutable() bool {
	return (!r.Ran() || r.Code == 126 || r.Code == 127) && noExecutable.MatchString(r.Failure+r.Stderr)
}

func (r CommandResult) String() string {
	if !r.Ran() {
		return "did not run: " + r.Failure
	}
	text := fmt.Sprintf("exit code %d", r.Code)
	if out := strings.TrimSpace(r.Stdout + r.Stderr); out != "" {
		text += ": " + out
	}
	return text
}

// Remote reaches into the containers of one pod through the API server.
type Remote struct {
	Client    kubernetes.Interface
	Config    *rest.Config
	Namespace string
	Pod       string
}

// refusedForGood is how the server says that asking again is of no use: no
// permission for pods/exec, or no such pod or container.
var refusedForGood = regexp.MustCompile(`(?i)\bforbidden\b|pods? "?[^ ]*"? not found|container not found`)

// Exec runs a command in a container without a terminal. A command that exits
// non-zero, or does not start, is a result and no error: an error means that
// there is no use in trying again, or that ctx ended.
func (r Remote) Exec(ctx context.Context, container string, command ...string) (CommandResult, error) {
	request := r.subresource("exec").VersionedParams(&corev1.PodExecOptions{
		Container: container, Command: command, Stdout: true, Stderr: true,
	}, scheme.ParameterCodec)
	var stdout, stderr bytes.Buffer
	err := r.stream(ctx, request, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr})
	result := CommandResult{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit utilexec.CodeExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		result.Code = exit.Code
	case refusedForGood.MatchString(err.Error()):
		return result, fmt.Errorf("exec in container %s: %w", container, err)
	case ctx.Err() != nil:
		return result, fmt.Errorf("exec in container %s: %w", container, context.Cause(ctx))
	default:
		result.Failure = err.Error()
	}
	return result, nil
}

// Observe takes a snapshot from inside a container. A container in which no
// script can run yields a snapshot that says so in its Failure. The second
// result is the raw text, for the evidence.
func (r Remote) Observe(ctx context.Context, container string, paths []string) (*Snapshot, string, error) {
	boundary := "procns-" + randomHex()
	result, err := r.Exec(ctx, container, ObserveCommand(boundary, paths)...)
	if err != nil {
		return nil, "", err
	}
	raw := result.Stdout + "\n--- standard error ---\n" + result.Stderr
	if !result.Ran() || result.Code != 0 {
		return &Snapshot{Container: container, Failure: result.String(), NoShell: result.NoSuchExecutable()}, raw, nil
	}
	snapshot, err := ParseSnapshot(container, boundary, []byte(result.Stdout), []byte(result.Stderr))
	if err != nil {
		return &Snapshot{Container: container, Failure: fmt.Sprintf("unreadable observation (%s): %v", result, err)}, raw, nil
	}
	return snapshot, raw, nil
}

// Attach connects to the container's own process, as `kubectl attach -it` does,
// and hands the connection to converse. tty says whether the container has a
// terminal. Leaving converse detaches.
func (r Remote) Attach(ctx context.Context, container string, tty bool, converse func(*Terminal) error) error {
	request := r.subresource("attach").VersionedParams(&corev1.PodAttachOptions{
		Container: container, Stdin: true, Stdout: true, Stderr: !tty, TTY: tty,
	}, scheme.ParameterCodec)
	ctx, detach := context.WithCancel(ctx)
	defer detach()
	stdin, keyboard := io.Pipe()
	terminal := newTerminal(ctx, keyboard)
	streamed := make(chan error, 1)
	go func() {
		options := remotecommand.StreamOptions{Stdin: stdin, Stdout: terminal, Tty: tty}
		if tty {
			options.TerminalSizeQueue = newSizeQueue(ctx)
		} else {
			options.Stderr = terminal
		}
		err := r.stream(ctx, request, options)
		terminal.close(err)
		// Unblocks a key press that nobody reads any more.
		_ = stdin.CloseWithError(io.ErrClosedPipe)
		streamed <- err
	}()
	err := converse(terminal)
	detach()
	<-streamed
	return err
}

func (r Remote) subresource(name string) *rest.Request {
	return r.Client.CoreV1().RESTClient().Post().Resource("pods").
		Namespace(r.Namespace).Name(r.Pod).SubResource(name)
}

// stream speaks WebSocket, and SPDY to servers that do not (before v1.31).
func (r Remote) stream(ctx context.Context, request *rest.Request, options remotecommand.StreamOptions) error {
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
	return executor.StreamWithContext(ctx, options)
}

// sizeQueue tells the remote terminal its size once: wide, so that a shell's
// line editing and ps wrap nothing.
type sizeQueue struct {
	ctx  context.Context
	sent bool
}

func newSizeQueue(ctx context.Context) *sizeQueue { return &sizeQueue{ctx: ctx} }

// Next implements remotecommand.TerminalSizeQueue.
func (q *sizeQueue) Next() *remotecommand.TerminalSize {
	if !q.sent {
		q.sent = true
		return &remotecommand.TerminalSize{Width: 200, Height: 50}
	}
	<-q.ctx.Done()
	return nil
}

func randomHex() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand.Read aborts the program instead
	return hex.EncodeToString(b[:])
}
