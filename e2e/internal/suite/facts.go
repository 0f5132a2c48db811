package suite

import (
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

// Facts is what the pods of a run showed of their targets, by the target's name.
type Facts struct {
	mu     sync.Mutex
	images map[string]map[string]string
	labels map[string][]string
}

// Known is a target with what its pods showed of it: the images in use, and the
// security module's labels.
func (f *Facts) Known(t Target) Target {
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Images, t.Labels = f.images[t.Name()], f.labels[t.Name()]
	return t
}

// noteImages keeps which images a pod's containers run, by the manifest's names.
func (f *Facts) noteImages(t Target, documented map[string]string, pod *corev1.Pod) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses) {
		image := documented[c.Name]
		if image == "" || c.ImageID == "" {
			continue
		}
		if f.images == nil {
			f.images = map[string]map[string]string{}
		}
		if f.images[t.Name()] == nil {
			f.images[t.Name()] = map[string]string{}
		}
		known := f.images[t.Name()]
		if all := strings.Split(known[image], ", "); known[image] != "" && !slices.Contains(all, c.ImageID) {
			all = append(all, c.ImageID)
			slices.Sort(all)
			known[image] = strings.Join(all, ", ")
			continue
		} else if known[image] == "" {
			known[image] = c.ImageID
		}
	}
}

// noteLabel keeps a label that a container has without having asked for one.
func (f *Facts) noteLabel(t Target, pod *corev1.Pod, container string, s *probe.Snapshot) {
	if f == nil || s.Failure != "" || asksForLabel(pod, container) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	label := lasting(s.Label)
	if f.labels == nil {
		f.labels = map[string][]string{}
	}
	if all := f.labels[t.Name()]; !slices.Contains(all, label) {
		f.labels[t.Name()] = slices.Sorted(slices.Values(append(all, label)))
	}
}

// asksForLabel tells whether the manifest has a say in a container's label.
func asksForLabel(pod *corev1.Pod, container string) bool {
	if pod == nil {
		return true
	}
	if of := pod.Spec.SecurityContext; of != nil && (of.AppArmorProfile != nil || of.SELinuxOptions != nil) {
		return true
	}
	for name := range pod.Annotations {
		if strings.HasPrefix(name, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix) {
			return true
		}
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if of := c.SecurityContext; c.Name == container {
			return of != nil && (of.AppArmorProfile != nil || of.SELinuxOptions != nil || of.Privileged != nil && *of.Privileged)
		}
	}
	return true // an ephemeral one, which the runtime may label otherwise
}

// lasting is a label without what is another in each pod: an SELinux level
// ("system_u:system_r:container_t:s0:c1,c2").
func lasting(label string) string {
	if label == "" {
		return "none"
	}
	if parts := strings.Split(label, ":"); len(parts) >= 4 && parts[0] != "" {
		return strings.Join(parts[:3], ":")
	}
	return label
}
