package cluster

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"

	"procns/e2e/internal/locked"
	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
)

// The ways into a container.

// refusedForGood is how the server says that asking again is of no use: no
// permission for pods/exec, or no such pod. (“container not found” is what kubelet
// says of one that is being restarted.)
var refusedForGood = regexp.MustCompile(`(?i)\bforbidden\b|pods? "?[^ ]*"? not found`)

// Exec implements suite.Cluster. It runs a command in a container without a terminal. A command
// that exits non-zero, or does not start, is a result and no error: an error means that there is
// no use in trying again, or that ctx ended. A request that did not reach the node, or that its
// runtime had no time for, is repeated; a command whose connection was cut is not, for it may have
// been run: its result says so.
//
// A command that has not ended within the given time is given up, with a
// probe.DeadlineError and a result that says so.
func (s *Session) Exec(ctx context.Context, within time.Duration, pod, container string, command ...string) (probe.CommandResult, error) {
	return s.exec(ctx, within, repeatsNothing, pod, container, command...)
}

func (s *Session) exec(ctx context.Context, within time.Duration, repeats func(trouble) bool, pod, container string, command ...string) (result probe.CommandResult, err error) {
	s.Counts.Execs.Add(1)
	err = pace.Retry(ctx, serverReturns, func() (bool, error) {
		var found trouble
		var err error
		result, found, err = s.execOnce(ctx, within, pod, container, command...)
		result.Cut = found == unreached || found == cut
		return repeats(found), err
	})
	if result.Cut {
		s.Counts.noteTrouble(result.Failure)
	}
	return result, s.withState(err, pod)
}

// execRequest asks for a command to be run, whose output is read.
func (s *Session) execRequest(pod, container string, command []string) *rest.Request {
	return s.subresource(pod, "exec").VersionedParams(&corev1.PodExecOptions{
		Container: container, Command: command, Stdout: true, Stderr: true,
	}, scheme.ParameterCodec)
}

func (s *Session) execOnce(ctx context.Context, within time.Duration, pod, container string, command ...string) (probe.CommandResult, trouble, error) {
	if err := s.takeTurn(ctx); err != nil {
		err = fmt.Errorf("exec in container %s: it was not sent: %w", container, err)
		return probe.CommandResult{Failure: err.Error()}, none, err
	}
	var stdout, stderr locked.Buffer // a stream that was abandoned may write to them while they are read
	late := &probe.DeadlineError{What: "exec in container " + container, Within: within}
	began := time.Now()
	err := s.stream(ctx, within, late, s.execRequest(pod, container, command), remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr})
	result := probe.CommandResult{Stdout: stdout.String(), Stderr: stderr.String(), Took: time.Since(began)}
	var exit utilexec.CodeExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		result.Code = exit.Code
	case errors.As(err, &late):
		result.Failure = late.Error()
		return result, none, late
	case ctx.Err() != nil:
		err = fmt.Errorf("exec in container %s: %w", container, context.Cause(ctx))
		result.Failure = err.Error()
		return result, none, err
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

// ExecUnread implements suite.Cluster. It runs a command in a container as Exec does, and reads
// nothing of what it prints, as a client that hangs: the command can write until all buffers on the
// way are full. It returns when ctx ends, which is no error, or when the session could not be
// opened. That the session has ended it does not notice.
func (s *Session) ExecUnread(ctx context.Context, pod, container string, command ...string) error {
	s.Counts.Execs.Add(1)
	err := pace.Retry(ctx, serverReturns, func() (bool, error) {
		if err := s.takeTurn(ctx); err != nil {
			return false, err
		}
		deaf := deafTo{ctx}
		err := s.stream(ctx, 0, nil, s.execRequest(pod, container, command), remotecommand.StreamOptions{Stdout: deaf, Stderr: deaf})
		return retried(err, "exec in", container)
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Observe implements suite.Cluster. A container in which no script can run yields a snapshot that
// says so in its Failure. The second result is the raw text, for the evidence.
func (s *Session) Observe(ctx context.Context, within time.Duration, pod, container string, paths []string) (*probe.Snapshot, string, error) {
	boundary := "procns-" + probe.RandomHex(8)
	result, err := s.exec(ctx, within, readsOnly, pod, container, probe.ObserveCommand(boundary, paths)...)
	if err != nil {
		return nil, "", err
	}
	raw := probe.RawText(result.Stdout, result.Stderr)
	if !result.Ran() || result.Code != 0 {
		return &probe.Snapshot{Container: container, Failure: failureOf(result), NoShell: !result.Cut && result.NoSuchExecutable(), Cut: result.Cut, Took: result.Took}, raw, nil
	}
	var snapshot *probe.Snapshot
	answers, err := probe.ReadAnswers(boundary, []byte(result.Stdout), []byte(result.Stderr))
	if err == nil {
		raw = answers.Text()
		snapshot, err = answers.Snapshot(container)
	}
	if err != nil {
		return &probe.Snapshot{Container: container, Failure: fmt.Sprintf("unreadable observation (exit code %d): %v", result.Code, err), Took: result.Took}, raw, nil
	}
	snapshot.Took = result.Took
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

// withState adds the pod's state to the error of a request that did not end in its time.
func (s *Session) withState(err error, pod string) error {
	var late *probe.DeadlineError
	if !errors.As(err, &late) {
		return err
	}
	if current, ok := s.Current(pod); ok {
		return fmt.Errorf("%w: %s", err, Describe(current))
	}
	return fmt.Errorf("%w: pod %s is no longer there", err, pod)
}
