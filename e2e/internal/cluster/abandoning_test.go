package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// TestAbandonPods: only a pod of which nothing runs, or nobody can tell, is taken from its kubelet.
func TestAbandonPods(t *testing.T) {
	waiting := corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}
	running := corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	restarting := corev1.ContainerStatus{State: waiting.State, RestartCount: 1}
	ended := corev1.ContainerStatus{State: waiting.State, LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}
	for name, row := range map[string]struct {
		node     string
		deleted  time.Duration
		statuses []corev1.ContainerStatus
		want     bool
		clock    int64 // the server's
	}{
		"its images have been pulled for minutes": {node: "good", deleted: 2 * startedLast, statuses: []corev1.ContainerStatus{waiting, waiting}, want: true},
		"for some seconds":                        {node: "good", deleted: startedLast / 2, statuses: []corev1.ContainerStatus{waiting, waiting}},
		"for some seconds, by a clock far behind": {node: "good", deleted: startedLast / 2, statuses: []corev1.ContainerStatus{waiting}, clock: 1},
		"for minutes, by a clock far ahead":       {node: "good", deleted: 2 * startedLast, statuses: []corev1.ContainerStatus{waiting}, clock: 1 << 33, want: true},
		"one of its containers runs":              {node: "good", deleted: 2 * startedLast, statuses: []corev1.ContainerStatus{waiting, running}},
		"one has run, and is to run again":        {node: "good", deleted: 2 * startedLast, statuses: []corev1.ContainerStatus{waiting, restarting}},
		"one has ended":                           {node: "good", deleted: 2 * startedLast, statuses: []corev1.ContainerStatus{waiting, ended}},
		"kubelet has said nothing of it":          {node: "good", deleted: 2 * startedLast},
		"its node does not answer":                {node: "bad", statuses: []corev1.ContainerStatus{running}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			since := metav1.NewTime(time.Unix(row.clock, 0))
			client := fake.NewClientset(node("good", corev1.ConditionTrue), node("bad", corev1.ConditionUnknown), &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "procns-a", DeletionTimestamp: &since, Finalizers: []string{"example.com/kept"}},
				Spec:       corev1.PodSpec{NodeName: row.node},
				Status:     corev1.PodStatus{ContainerStatuses: row.statuses},
			})
			require.NoError(t, abandonPods(t.Context(), client, "procns-a", row.deleted))
			left, err := client.CoreV1().Pods("procns-a").List(t.Context(), metav1.ListOptions{})
			require.NoError(t, err)
			assert.Equal(t, row.want, len(left.Items) == 0)
		})
	}
}

func node(name string, ready corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}},
	}
}
