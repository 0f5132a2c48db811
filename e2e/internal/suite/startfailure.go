package suite

import (
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
			return &StartError{Container: c.Name, Said: strings.TrimSpace(ended.Reason + ": " + ended.Message)}
		}
	}
	return nil
}

// mayStartAgain tells that a pod is to be made anew: a runtime on a busy node can fail
// once, and kubelet tries again where the pod's restart policy lets it. A second
// failure is told. A workload's pod is its controller's.
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
