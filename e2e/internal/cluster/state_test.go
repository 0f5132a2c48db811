package cluster

import (
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func waiting(reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "shell", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message},
	}}
}

func TestHopeless(t *testing.T) {
	for name, row := range map[string]struct {
		status   corev1.PodStatus
		hopeless bool
		says     string
	}{
		"starting":      {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("ContainerCreating", "")}}, false, ""},
		"first pull":    {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("ErrImagePull", "timeout")}}, false, ""},
		"image missing": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("ImagePullBackOff", "not found")}}, true, "shell: ImagePullBackOff: not found"},
		"init's image":  {corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{waiting("ErrImageNeverPull", "")}}, true, "ErrImageNeverPull"},
		"debugger's image": {corev1.PodStatus{
			ContainerStatuses:          []corev1.ContainerStatus{{Name: "app", Ready: true}},
			EphemeralContainerStatuses: []corev1.ContainerStatus{waiting("ImagePullBackOff", "not found")},
		}, true, "shell: ImagePullBackOff: not found"},
		"wrong name":      {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("InvalidImageName", "")}}, true, "InvalidImageName"},
		"kubelet refuses": {corev1.PodStatus{Phase: corev1.PodFailed, Reason: "OutOfcpu", Message: "no cpu"}, true, "OutOfcpu: no cpu"},
		"a container ended": {corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: []corev1.ContainerStatus{
			{Name: "shell", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 42}}},
		}}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := Hopeless(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Status: row.status})
			if !row.hopeless {
				assert.NoError(t, got)
				return
			}
			assert.ErrorContains(t, got, row.says)
		})
	}
}

func TestDescribe(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Spec: corev1.PodSpec{NodeName: "node-a"},
		Status: corev1.PodStatus{
			Phase:      corev1.PodPending,
			Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes"}},
			ContainerStatuses: []corev1.ContainerStatus{
				waiting("CrashLoopBackOff", "back-off"),
				{Name: "ended", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}}},
				{Name: "slow", RestartCount: 3, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
				{Name: "fine", Ready: true},
			},
			EphemeralContainerStatuses: []corev1.ContainerStatus{
				{Name: "looking", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
				{Name: "late", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerError", Message: "no target"}}},
			},
		},
	}
	assert.Equal(t, `pod nginx on node "node-a": Pending; Unschedulable: 0/3 nodes; container shell: CrashLoopBackOff: back-off; `+
		`container ended: terminated with exit code 137 (OOMKilled); container slow: running, not ready, 3 restarts; `+
		`container late: CreateContainerError: no target`, Describe(pod))
}
