package suite

import (
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

func TestFacts(t *testing.T) {
	target, other := Target{Node: "a"}, Target{Node: "a", RuntimeClass: "gvisor"}
	running := func(ids map[string]string) *corev1.Pod {
		pod := &corev1.Pod{}
		for container, id := range ids {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: container, ImageID: id})
		}
		return pod
	}
	documented := map[string]string{"web": "nginx", "shell": "busybox:1.28"}
	f := &Facts{}
	f.noteImages(target, documented, running(map[string]string{"web": "nginx@sha256:2", "shell": "", "proxy": "mesh@sha256:9"}))
	f.noteImages(target, documented, running(map[string]string{"web": "nginx@sha256:1", "shell": "sha256:3"}))
	f.noteImages(target, documented, running(map[string]string{"web": "nginx@sha256:2"}))
	assert.Equal(t, map[string]string{"nginx": "nginx@sha256:1, nginx@sha256:2", "busybox:1.28": "sha256:3"}, f.Known(target).Images)
	assert.Empty(t, f.Known(other).Images)

	plain := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web"}}}}
	for name, row := range map[string]struct {
		pod   *corev1.Pod
		seen  probe.Snapshot
		label []string
	}{
		"AppArmor":     {plain, probe.Snapshot{Label: "cri-containerd.apparmor.d (enforce)"}, []string{"cri-containerd.apparmor.d (enforce)"}},
		"SELinux":      {plain, probe.Snapshot{Label: "system_u:system_r:container_t:s0:c1,c2"}, []string{"system_u:system_r:container_t"}},
		"none":         {plain, probe.Snapshot{}, []string{"none"}},
		"not observed": {plain, probe.Snapshot{Failure: "exec was refused"}, nil},
		"asked for": {&corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", SecurityContext: &corev1.SecurityContext{
			AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined},
		}}}}}, probe.Snapshot{Label: "unconfined"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := &Facts{}
			f.noteLabel(target, row.pod, "web", &row.seen)
			assert.Equal(t, row.label, f.Known(target).Labels)
		})
	}
}
