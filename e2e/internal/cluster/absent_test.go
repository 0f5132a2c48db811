package cluster

import (
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// TestAbsent: a node that was deleted or is not Ready is absent until it is there again.
func TestAbsent(t *testing.T) {
	s := newSession(nil, nil, "run", &Counts{}, "procns-run")
	s.Nodes = map[string]NodeState{"a": {}}
	node := func(status corev1.ConditionStatus) *corev1.Node {
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "a"},
			Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: status, Reason: "KubeletNotReady", Message: "no\nnetwork",
			}}},
		}
	}
	assert.Empty(t, s.Absent("a"), "nothing is known")
	for _, step := range []struct {
		happens func()
		want    string
	}{
		{func() { s.noteNode(node(corev1.ConditionTrue)) }, ""},
		{func() { s.noteNode(node(corev1.ConditionUnknown)) }, "not Ready any more: KubeletNotReady no network"},
		{func() { s.noteNode(node(corev1.ConditionTrue)) }, ""},
		{func() { s.noteGone(node(corev1.ConditionTrue)) }, "deleted during the run"},
		{func() { s.noteNode(node(corev1.ConditionTrue)) }, ""},
		{func() { s.noteGone(cache.DeletedFinalStateUnknown{Obj: node(corev1.ConditionTrue)}) }, "deleted during the run"},
	} {
		step.happens()
		assert.Equal(t, step.want, s.Absent("a"))
	}
}
