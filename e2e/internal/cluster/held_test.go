package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
)

// TestHeldBack: a pod that no scheduler takes up says by what it is held back, and others that are held
// back by the same do not wait as long.
func TestHeldBack(t *testing.T) {
	pending := corev1.PodStatus{Phase: corev1.PodPending}
	gated := pending
	gated.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulingGated}}
	of := func(name, scheduler string, status corev1.PodStatus, gates ...corev1.PodSchedulingGate) *corev1.Pod {
		pod := inStatus("", status)
		pod.Name, pod.Spec.NodeName, pod.Spec.SchedulerName, pod.Spec.SchedulingGates = name, "", scheduler, gates
		return pod
	}
	queue := []corev1.PodSchedulingGate{{Name: "kueue.x-k8s.io/admission"}, {Name: "kueue.x-k8s.io/topology"}}
	for name, row := range map[string]struct {
		first, second *corev1.Pod
		took, then    time.Duration
		says          string
	}{
		"at gates": {
			of("a", "default-scheduler", gated, queue...), of("b", "default-scheduler", gated, queue...), roomLasts, heldLasts,
			"nobody takes off its scheduling gates, kueue.x-k8s.io/admission, kueue.x-k8s.io/topology: pod",
		},
		"at other gates":             {of("a", "s", gated, queue...), of("b", "s", gated, queue[0]), roomLasts, roomLasts, "nobody takes off its scheduling gates, kueue.x-k8s.io/admission"},
		"a scheduler that is silent": {of("a", "yunikorn", pending), of("b", "yunikorn", pending), roomLasts, heldLasts, `the scheduler "yunikorn" has said nothing of it: does it run?`},
		"another that is silent":     {of("a", "yunikorn", pending), of("b", "volcano", pending), roomLasts, roomLasts, `has said nothing of it`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := cache.NewStore(cache.MetaNamespaceKeyFunc)
				s := &Session{Client: fake.NewClientset(), Namespace: "ns", store: store, changed: make(chan struct{})}
				ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Minute, errors.New("not in time"))
				defer cancel()
				for _, one := range []struct {
					pod  *corev1.Pod
					took time.Duration
				}{{row.first, row.took}, {row.second, row.then}} {
					require.NoError(t, store.Add(one.pod))
					began := time.Now()
					_, err := s.Await(ctx, one.pod.Name, "Ready", false, func(*corev1.Pod) bool { return false })
					require.ErrorContains(t, err, row.says)
					assert.Equal(t, one.took, time.Since(began))
				}
			})
		})
	}
	placed := of("c", "yunikorn", pending)
	placed.Spec.NodeName = "node-a"
	s := &Session{held: map[string]bool{"scheduler yunikorn": true, "scheduler volcano": true}}
	assert.Equal(t, heldLasts, s.obstaclesTo(of("d", "yunikorn", pending), false)[0].lasts)
	for _, o := range s.obstaclesTo(placed, false) {
		assert.Empty(t, o.held, "it has a node")
	}
	assert.Equal(t, roomLasts, s.obstaclesTo(of("d", "yunikorn", pending), false)[0].lasts, "the scheduler runs")
	assert.Equal(t, heldLasts, s.obstaclesTo(of("d", "volcano", pending), false)[0].lasts)
}
