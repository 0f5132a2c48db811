package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// StartError says that the runtime did not start a container of a pod whose containers
// are started once: none of its program ran.
type StartError struct {
	Container string
	Said      string // the runtime's words
}

func (e *StartError) Error() string {
	return fmt.Sprintf("the runtime did not start container %s: %s", e.Container, e.Said)
}

// startFailures are the reasons of a container that the runtime did not start
// (containerd's, and dockershim's and CRI-O's).
var startFailures = []string{"StartError", "ContainerCannotRun", "ContainerCreateFailed"}

// StartFailed tells whether a container ended for this reason because the runtime did not
// start it.
func StartFailed(reason string) bool { return slices.Contains(startFailures, reason) }

func startError(container string, ended *corev1.ContainerStateTerminated) *StartError {
	return &StartError{Container: container, Said: strings.TrimSpace(ended.Reason + ": " + ended.Message)}
}

// startFailed finds a container that was not started, and that kubelet does not try to
// start again; nil where there is none.
func startFailed(pod *corev1.Pod) error {
	if pod.Spec.RestartPolicy != corev1.RestartPolicyNever {
		return nil
	}
	return notStarted(slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses))
}

// ephemeralNotStarted finds an ephemeral container that was not started: kubelet never tries again,
// whatever the pod's restart policy.
func ephemeralNotStarted(pod *corev1.Pod) error {
	return notStarted(pod.Status.EphemeralContainerStatuses)
}

// notStarted finds a container that the runtime did not start. Of one that kubelet does not start
// again, the failure can stand in the last state, while the present one waits for ever.
func notStarted(containers []corev1.ContainerStatus) error {
	for _, c := range containers {
		ended := c.State.Terminated
		if ended == nil && c.State.Waiting != nil {
			ended = c.LastTerminationState.Terminated
		}
		if ended != nil && c.RestartCount == 0 && StartFailed(ended.Reason) {
			return startError(c.Name, ended)
		}
	}
	return nil
}

// startedLate finds a container of a pod that came up which the runtime failed to start at first:
// that counts as a restart, and is what kubelet tells of the container's last end.
func startedLate(pod *corev1.Pod) error {
	if pod == nil {
		return nil
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if ended := c.LastTerminationState.Terminated; ended != nil && c.State.Running != nil && StartFailed(ended.Reason) {
			return startError(c.Name, ended)
		}
	}
	return nil
}

// blurred says that the runtime failed to start a container during the act, or that one of its commands was cut off,
// by its connection or by its deadline on a busy node, where this may be all that was seen; nil where it is not. Where kubelet tried again, restarts are counted that nothing of the
// case's caused: if nobody can judge that, it is done once more; a violation that was found stays one.
// An ephemeral container is started once: whether it can be is known when it failed twice.
func (s *stage) blurred() error {
	if s.key.submit != Runs || s.disruption != nil || s.placed.Pod == nil || s.placed.Workload != nil || s.runner.Adopted != nil || len(s.copies) > 0 {
		return nil // what was done reaches further than this pod
	}
	if s.key.act != nil && len(s.lookouts) > 0 {
		return nil // what was seen of it before the act is looked for by others, who would not find it in another pod
	}
	current, ok := s.runner.Cluster.Current(s.pod)
	if !ok {
		return nil
	}
	if cut := s.cutOff.Load(); cut != nil && (s.err != nil || s.unclear()) {
		return *cut
	}
	late, never := startedLate(current), ephemeralNotStarted(current)
	failed := errors.Join(late, never)
	var told *StartError
	switch {
	case failed == nil, errors.As(s.err, &told): // which failed twice before the act
		return nil
	case s.err != nil:
		return failed
	case len(s.neighbours) > 0: // its cases are judged with those beside it
		return nil
	case never != nil && !s.satisfied():
		return failed
	case never != nil:
		return nil
	}
	if !s.unclear() {
		return nil
	}
	return failed
}

// unclear tells that a case of the stage has no answer in what was seen, and none has found a violation. What is
// judged with a neighbour is not asked.
func (s *stage) unclear() bool {
	if len(s.neighbours) > 0 {
		return false
	}
	unclear := false
	for _, e := range s.cases {
		err := errors.Join(unmet(e.c, s.observation), e.c.Judge(s.observation))
		if e.holds && IsViolation(err) {
			return false
		}
		unclear = unclear || !e.answered(err)
	}
	return unclear
}

// cleared makes room for the same once more, because of what blurred it.
func (s *stage) cleared(ctx context.Context, why error) bool {
	if ctx.Err() != nil || !s.takenAway(ctx, s.pod) {
		return false
	}
	s.runner.Log("%s: %s: %v: once more, from the beginning", s.target.Name(), s.key.folder(), why)
	s.runner.Evidence.Save(s.folder(), "observation-blurred.json.gz", s.observation)
	s.afresh()
	s.cutOff.Store(nil)
	s.takeBack()
	return true
}

// mayStartAgain tells that a pod is to be made anew: a runtime on a busy node can fail
// once. A second failure is told, or, where kubelet mended it itself, left to the judges. A
// workload's pod is its controller's.
func (s *stage) mayStartAgain(err error, failures *int) bool {
	var failed *StartError
	if !errors.As(err, &failed) || s.placed.Workload != nil {
		return false
	}
	*failures++
	if *failures > 1 {
		return false
	}
	s.runner.Log("%s: %s: %v: once more", s.target.Name(), s.key.folder(), err)
	return true
}
