package cluster

import (
	"context"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"procns/e2e/internal/preflight"
	"procns/e2e/internal/suite"
)

// countedNodes is up to how many nodes have their pods counted, with one request each.
// On others, a refusal tells that there is no room.
const countedNodes = 50

// Room finds out how many pods of the run each target's node can take, and the run's
// namespace. wanted is how many each target would have.
func (s *Session) Room(ctx context.Context, on []suite.Target, wanted int) (map[string]int, []preflight.Check) {
	nodes := map[string]preflight.NodeRoom{}
	for _, t := range on {
		n := nodes[t.Node]
		n.Targets++
		n.Takes = s.Nodes[t.Node].Pods
		nodes[t.Node] = n
	}
	quota := -1
	if quotas, err := s.Client.CoreV1().ResourceQuotas(s.Namespace).List(ctx, metav1.ListOptions{}); err == nil {
		quota = preflight.PodsLeft(quotas.Items)
	}
	unknown := ""
	if len(nodes) > countedNodes {
		unknown = fmt.Sprintf("the pods on more than %d nodes are not counted", countedNodes)
	} else {
		unknown = s.countPods(ctx, nodes)
	}
	if unknown != "" {
		for name, n := range nodes {
			n.Takes = 0
			nodes[name] = n
		}
	}
	room, checks := preflight.Room(nodes, quota, len(on), wanted)
	if unknown != "" {
		checks = append(checks, preflight.Check{Name: "room", State: preflight.Note, Said: unknown + ": where a node has no place for a pod, the run has fewer at one time from then on"})
	}
	return room, checks
}

// countPods counts the pods on each node, all at once. Otherwise it says why it cannot.
func (s *Session) countPods(ctx context.Context, nodes map[string]preflight.NodeRoom) (unknown string) {
	var group sync.WaitGroup
	var mu sync.Mutex
	for name, n := range maps.Clone(nodes) { // the first answers come while the last are asked for
		group.Go(func() {
			// Those that have ended take no place.
			list, err := s.Client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
				FieldSelector: fields.AndSelectors(
					fields.OneTermEqualSelector("spec.nodeName", name),
					fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
					fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
				).String(),
				ResourceVersion: "0", // from the server's cache: a node's pods change all the time
			})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case apierrors.IsForbidden(err):
				unknown = "the pods of other namespaces may not be listed"
			case err != nil:
				unknown = "the pods on the nodes could not be counted: " + oneLine(err.Error())
			default:
				n.There = len(list.Items)
				nodes[name] = n
			}
		})
	}
	group.Wait()
	return unknown
}
