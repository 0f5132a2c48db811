package cluster

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"procns/e2e/internal/preflight"
	"procns/e2e/internal/suite"
)

func TestSessionRoom(t *testing.T) {
	there := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "kube-system"}, Spec: corev1.PodSpec{NodeName: "a"}}
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "team", Namespace: "procns-a"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("6")}},
	}
	targets := []suite.Target{{Node: "a"}}
	nodes := map[string]NodeState{"a": nodeState(corev1.Node{Status: corev1.NodeStatus{
		Allocatable: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("18")},
	}})}
	for name, row := range map[string]struct {
		objects   []runtime.Object
		forbidden bool
		room      map[string]int
		says      string
	}{
		"counted":               {objects: []runtime.Object{there}, room: map[string]int{"a": 17}, says: "a takes 18 pods, and has 1: at most 17"},
		"with a quota":          {objects: []runtime.Object{there, quota}, room: map[string]int{"a": 6}, says: "a takes 18 pods"},
		"may not be listed":     {forbidden: true, room: map[string]int{}, says: "the pods of other namespaces may not be listed: where a node has no place"},
		"not listed, but quota": {objects: []runtime.Object{quota}, forbidden: true, room: map[string]int{"a": 6}, says: "a quota leaves 6 pods"},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset(row.objects...)
			if row.forbidden {
				client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", nil)
				})
			}
			s := &Session{Client: client, Namespace: "procns-a", Nodes: nodes}
			room, checks := s.Room(t.Context(), targets, 40)
			assert.Equal(t, row.room, room)
			require.NotEmpty(t, checks)
			assert.Contains(t, checks[0].Said, row.says)
			for _, c := range checks {
				assert.NotEqual(t, preflight.Warn, c.State)
			}
		})
	}
}
