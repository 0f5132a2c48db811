package suite

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// AwaitOne answers as a watch does: with a pod that is there, or when the time is over.
func (b *bench) AwaitOne(ctx context.Context, what string, chosen func(*corev1.Pod) bool) (*corev1.Pod, error) {
	b.mu.Lock()
	for _, pod := range b.pods {
		if chosen(pod) {
			b.mu.Unlock()
			return pod, nil
		}
	}
	b.mu.Unlock()
	<-ctx.Done()
	return nil, errors.New("no " + what)
}

// TestActsFindOtherPods: what a workload made in the pod's place is observed as
// well; that there is none is for the judge to say.
func TestActsFindOtherPods(t *testing.T) {
	for name, row := range map[string]struct {
		other string
		found bool
	}{
		"made":     {"successor", true},
		"not made": {"somebody-else", false},
	} {
		t.Run(name, func(t *testing.T) {
			c, b := sampleCase(), newBench()
			c.Control, c.NoControl = "", "none needed here"
			b.pods[row.other] = &corev1.Pod{}
			b.pods[row.other].Name = row.other
			b.pods[row.other].Spec.Containers = []corev1.Container{{Name: "app"}}
			b.pods[row.other].Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			c.Act = &Act{Name: "look", Within: time.Millisecond, Do: func(ctx context.Context, pod PodClient) error {
				found, err := pod.Find(ctx, "other", "successor", 20*time.Millisecond, func(p PodState) bool { return p.Name == "successor" })
				assert.Equal(t, row.found, found)
				assert.NotNil(t, pod.Stored()["spec"])
				return err
			}}
			c.Judge = func(o Observation) error {
				seen, ok := o.Copies["other"]
				assert.Equal(t, row.found, ok)
				if ok {
					assert.Equal(t, "successor", seen.Pod.Name)
					assert.Contains(t, seen.Before, "app")
				}
				return nil
			}
			results := run(t, b, oneTarget, c)
			require.Len(t, results, 1)
			assert.Equal(t, Conformant, results[0].Outcome, results[0].Reason)
		})
	}
}
