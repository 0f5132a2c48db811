package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/suite"
)

// Logs implements suite.Cluster.
func (s *Session) Logs(ctx context.Context, pod, container string, previous bool) (string, error) {
	// Its error has the server's own words, unlike DoRaw's.
	stream, err := s.Client.CoreV1().Pods(s.Namespace).GetLogs(pod, &corev1.PodLogOptions{Container: container, Previous: previous}).Stream(ctx)
	var raw []byte
	if err == nil {
		raw, err = io.ReadAll(stream)
		_ = stream.Close()
	}
	if previous && apierrors.IsBadRequest(err) {
		err = errors.Join(suite.ErrLogGone, err)
	}
	if err != nil {
		return "", suite.Failed(notAllowed(err), "logs of container %s of pod %s", container, pod)
	}
	return string(raw), nil
}

// notAllowed marks the refusal of a permission that a run may be without.
func notAllowed(err error) error {
	if apierrors.IsForbidden(err) {
		return errors.Join(suite.ErrNotAllowed, err)
	}
	return err
}

// FollowLogs implements suite.Cluster.
func (s *Session) FollowLogs(ctx context.Context, pod, container string) (<-chan suite.Followed, error) {
	f := follower{
		open: func() (io.ReadCloser, error) {
			return s.Client.CoreV1().Pods(s.Namespace).GetLogs(pod, &corev1.PodLogOptions{Container: container, Follow: true}).Stream(ctx)
		},
		runs: func() bool { return s.mayPrint(pod, container) },
	}
	stream, err := f.open()
	if err != nil {
		return nil, suite.Failed(notAllowed(err), "logs of container %s of pod %s", container, pod)
	}
	followed := make(chan suite.Followed, 1)
	go func() {
		var lost error
		if err := f.follow(ctx, stream); err != nil {
			lost = fmt.Errorf("the log of container %s of pod %s: %w", container, pod, err)
		}
		followed <- suite.Followed{Text: string(f.said), Lost: lost}
	}()
	return followed, nil
}

// mayPrint tells whether a container runs, as far as is known.
func (s *Session) mayPrint(name, container string) bool {
	pod, ok := s.Current(name)
	if !ok {
		return false
	}
	for _, c := range statuses(pod) {
		if c.Name == container {
			return c.State.Running != nil
		}
	}
	return true
}

// follower reads a log until its container has ended. A stream that ends while the
// container runs is opened again: it begins with what was read already, which is passed
// over.
type follower struct {
	open func() (io.ReadCloser, error)
	runs func() bool
	said []byte // the log so far
}

var (
	errBeganAnew = errors.New("it began anew while it was followed: the container was started again, or its log was rotated")
	errRemoved   = errors.New("kubelet removed it")
)

// saysRemoved is what kubelet sends in place of the log of a container that it has removed.
var saysRemoved = regexp.MustCompile(`^(?:unable to retrieve container logs for |failed to try resolving symlinks in path )`)

// cannotFollow is what kubelet sends behind a log when it cannot wait for more of it, as
// where the node's inotify instances are used up.
var cannotFollow = regexp.MustCompile(`failed to create fsnotify watcher: [^\n]*$`)

// follow returns why the log is not whole, or nil.
func (f *follower) follow(ctx context.Context, stream io.ReadCloser) error {
	ended := false // before the stream was opened: then there is no more than it holds
	var cut error  // why the last stream that could be read on did not come to its end
	return pace.Retry(ctx, pace.Forever, func() (bool, error) {
		if stream == nil {
			ended = !f.runs()
			opened, refused := f.open()
			switch {
			case refused != nil && ended:
				return false, cut // nil where the stream had come to its end
			case refused != nil:
				return true, nil
			}
			stream = opened
		}
		err := f.read(stream)
		_ = stream.Close()
		stream = nil
		switch {
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case errors.Is(err, errRemoved), errors.Is(err, errBeganAnew) && (ended || !f.runs()):
			return false, cut // nil: nothing came after the end
		case errors.Is(err, errBeganAnew):
			return false, err
		}
		cut = err
		return err != nil || !ended, nil
	})
}

// read adds what is new in a stream that begins at the log's beginning.
func (f *follower) read(stream io.Reader) error {
	known := f.said
	buffer := make([]byte, 32<<10)
	for {
		n, err := stream.Read(buffer)
		part := buffer[:n]
		again := min(len(part), len(known))
		if !bytes.Equal(part[:again], known[:again]) {
			if saysRemoved.Match(part) {
				return errRemoved
			}
			return errBeganAnew
		}
		known, part = known[again:], part[again:]
		if len(part) > 0 {
			f.said = append(f.said, part...)
		}
		switch {
		case errors.Is(err, io.EOF):
			if at := cannotFollow.FindIndex(f.said); at != nil {
				err := fmt.Errorf("kubelet: %s", f.said[at[0]:])
				f.said = f.said[:at[0]]
				return err
			}
			return nil
		case err != nil:
			return err
		}
	}
}
