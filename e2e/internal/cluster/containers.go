package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/remote"
)

// The ways into a container.

func (s *Session) remote(pod string) remote.Pod {
	return remote.Pod{Client: s.Client, Config: s.Config, Namespace: s.Namespace, Name: pod}
}

// Exec implements suite.Cluster.
func (s *Session) Exec(ctx context.Context, within time.Duration, pod, container string, command ...string) (probe.CommandResult, error) {
	s.Counts.Execs.Add(1)
	result, err := s.remote(pod).Exec(ctx, within, container, command...)
	if result.Cut {
		s.Counts.noteTrouble(result.Failure)
	}
	return result, s.withState(err, pod)
}

// ExecUnread implements suite.Cluster.
func (s *Session) ExecUnread(ctx context.Context, pod, container string, command ...string) error {
	s.Counts.Execs.Add(1)
	return s.remote(pod).ExecUnread(ctx, container, command...)
}

// Observe implements suite.Cluster.
func (s *Session) Observe(ctx context.Context, within time.Duration, pod, container string, paths []string) (*probe.Snapshot, string, error) {
	s.Counts.Execs.Add(1)
	snapshot, raw, err := s.remote(pod).Observe(ctx, within, container, paths)
	return snapshot, raw, s.withState(err, pod)
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

// Attach implements suite.Cluster.
func (s *Session) Attach(ctx context.Context, pod, container string, converse func(*probe.Terminal) error) error {
	s.Counts.Execs.Add(1)
	// As kubectl does, which asks the pod: where the container has no terminal,
	// attaching with one would wait for a stream that never comes.
	tty := true
	if current, ok := s.Current(pod); ok {
		for _, c := range slices.Concat(current.Spec.InitContainers, current.Spec.Containers) {
			if c.Name == container {
				tty = c.TTY
			}
		}
		for _, c := range current.Spec.EphemeralContainers {
			if c.Name == container {
				tty = c.TTY
			}
		}
	}
	return s.remote(pod).Attach(ctx, container, tty, converse)
}
