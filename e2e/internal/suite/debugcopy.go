package suite

import corev1 "k8s.io/api/core/v1"

// DebugContainer is the name of the container that PodClient.Copy adds.
const DebugContainer = "debugger"

// debugCopy is the pod that `kubectl debug POD -it --image=busybox --copy-to=NAME
// --share-processes=SHARE` makes, with kubectl's own default profile (general):
// no labels, annotations and owners, so that no Service and no controller takes
// it for its own; no node, no probes, no ephemeral containers; and one more
// container, with a terminal and SYS_PTRACE. Init containers stay.
func (p Placement) debugCopy(original *corev1.Pod, share bool, image, suffix string) *corev1.Pod {
	pod := &corev1.Pod{Spec: *original.Spec.DeepCopy()}
	pod.Name = original.Name + suffix
	// Ours: the run's label, and what the user and the opt-outs put on every pod.
	pod.Labels = p.podLabels(map[string]string{RunLabel: original.Labels[RunLabel]})
	pod.Annotations = p.podAnnotations(nil)
	pod.Spec.NodeName = ""
	pod.Spec.EphemeralContainers = nil
	pod.Spec.ShareProcessNamespace = &share
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = nil, nil, nil
	}
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
		Name: DebugContainer, Image: image, ImagePullPolicy: corev1.PullIfNotPresent, Stdin: true, TTY: true,
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		SecurityContext:          &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_PTRACE"}}},
	})
	return pod
}
