package cluster

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
)

// Attach implements suite.Cluster. It connects to the container's own process, as `kubectl attach
// -it` does, and hands the connection to converse. Leaving converse detaches. A request that did not
// reach the node, or that its runtime had no time for, is repeated with the keys that were typed
// meanwhile: nobody has read them.
func (s *Session) Attach(ctx context.Context, pod, container string, converse func(*probe.Terminal) error) error {
	s.Counts.Execs.Add(1)
	tty := s.hasTerminal(pod, container)
	request := s.subresource(pod, "attach").VersionedParams(&corev1.PodAttachOptions{
		Container: container, Stdin: true, Stdout: true, Stderr: !tty, TTY: tty,
	}, scheme.ParameterCodec)
	ctx, detach := context.WithCancel(ctx)
	defer detach()
	keys := newKeyboard()
	terminal := probe.NewTerminal(ctx, keys)
	attempt := func() (bool, error) {
		ctx, end := context.WithCancel(ctx)
		defer end()
		if err := s.takeTurn(ctx); err != nil {
			return false, err
		}
		options := remotecommand.StreamOptions{Stdin: keys.reader(ctx), Stdout: terminal, Tty: tty}
		if tty {
			options.TerminalSizeQueue = &sizeQueue{ctx: ctx, terminal: terminal}
		} else {
			options.Stderr = terminal
		}
		err := s.stream(ctx, 0, nil, request, options) // the conversation has a deadline of its own
		if !terminal.Blank() {
			return false, err // the container was reached
		}
		return retried(err, "attaching to", container)
	}
	streamed := make(chan struct{})
	go func() {
		defer close(streamed)
		terminal.Close(pace.Retry(ctx, serverReturns, attempt))
		keys.close()
	}()
	err := converse(terminal)
	detach()
	<-streamed
	return err
}

// hasTerminal asks the pod whether the container has a terminal, as kubectl does: where it has none,
// attaching with one would wait for a stream that never comes.
func (s *Session) hasTerminal(pod, container string) bool {
	current, ok := s.Current(pod)
	if !ok {
		return true
	}
	containers := slices.Concat(current.Spec.InitContainers, current.Spec.Containers)
	for _, c := range current.Spec.EphemeralContainers {
		containers = append(containers, corev1.Container(c.EphemeralContainerCommon))
	}
	at := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == container })
	return at < 0 || containers[at].TTY
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
