package suite

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// sharing is spec.shareProcessNamespace as a word: "true", "false" or "absent".
func sharing(pod *corev1.Pod) string {
	if pod.Spec.ShareProcessNamespace == nil {
		return "absent"
	}
	return fmt.Sprint(*pod.Spec.ShareProcessNamespace)
}

// StateOf extracts what judges may know of a pod.
func StateOf(pod *corev1.Pod) PodState {
	state := PodState{
		Name: pod.Name, Node: pod.Spec.NodeName, Sharing: sharing(pod), HostPID: pod.Spec.HostPID,
		Phase: string(pod.Status.Phase), Reason: pod.Status.Reason, Containers: map[string]ContainerState{},
	}
	ready := corev1.PodReady
	if len(pod.Spec.ReadinessGates) > 0 { // no manifest has any: somebody else's controller opens them, or does not
		ready = corev1.ContainersReady
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == ready {
			state.Ready = c.Status == corev1.ConditionTrue
		}
	}
	kinds := map[string]string{}
	for _, c := range pod.Spec.InitContainers {
		kinds[c.Name] = "init"
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			kinds[c.Name] = "sidecar"
		}
	}
	for _, c := range pod.Spec.EphemeralContainers {
		kinds[c.Name] = "ephemeral"
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses) {
		state.Containers[c.Name] = containerState(c, kinds[c.Name])
	}
	return state
}

func containerState(c corev1.ContainerStatus, kind string) ContainerState {
	state := ContainerState{
		Kind: kind, ID: c.ContainerID, Image: c.Image, Ready: c.Ready, Running: c.State.Running != nil, Restarts: int(c.RestartCount),
	}
	if c.State.Running != nil {
		state.StartedAt = c.State.Running.StartedAt.Unix()
	}
	if c.State.Waiting != nil {
		state.Waiting, state.Message = cmp.Or(c.State.Waiting.Reason, "unknown"), c.State.Waiting.Message
	}
	for _, ended := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
		if ended != nil && state.ExitCode == nil {
			code := int(ended.ExitCode)
			state.ExitCode, state.ExitReason, state.EndedAt = &code, ended.Reason, ended.FinishedAt.Unix()
		}
	}
	return state
}
