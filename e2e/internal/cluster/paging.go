package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"procns/e2e/internal/suite"
)

// pageOfPods is how many pods are deleted by one request. The API server deletes a collection one
// by one, and ends a request after a minute (--request-timeout).
const pageOfPods = 500

// deletePods deletes all pods of a namespace, page by page. Where the list has changed so much that
// its pages are no more (410 Gone), or where it cannot be listed, the rest is deleted by one request. A
// request without an answer, as of a server that is too busy to end it, is sent again.
func deletePods(ctx context.Context, client kubernetes.Interface, namespace string) error {
	pods := client.CoreV1().Pods(namespace)
	for page := (metav1.ListOptions{Limit: pageOfPods}); ; {
		// Where the next page begins is known before this one is deleted.
		list, err := pods.List(ctx, page)
		if err != nil {
			page = metav1.ListOptions{}
		}
		err = untilAnswered(ctx, func() (bool, error) {
			return false, pods.DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: new(podGrace)}, page)
		})
		switch {
		case apierrors.IsResourceExpired(err) && page.Continue != "":
			page = metav1.ListOptions{Limit: pageOfPods}
		case err != nil:
			return err
		case list == nil || list.Continue == "" || page.Limit == 0:
			return nil
		default:
			page.Continue = list.Continue
		}
	}
}

// DiscardOn implements suite.Cluster.
func (s *Session) DiscardOn(ctx context.Context, nodes []string) {
	var ids []string
	s.mu.Lock()
	for _, node := range nodes {
		ids = append(ids, suite.IDOfNode(node))
		s.done[node] = true
	}
	maps.DeleteFunc(s.deleted, func(_ string, pod *corev1.Pod) bool { return slices.Contains(nodes, pod.Spec.NodeName) })
	s.mu.Unlock()
	// What cannot be deleted now goes with the namespace, or is said there.
	_ = s.Client.CoreV1().Pods(s.Namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: new(podGrace)}, metav1.ListOptions{
		LabelSelector: fmt.Sprintf("%s=%s,%s in (%s)", suite.RunLabel, s.RunID, suite.NodeLabel, strings.Join(ids, ",")),
	})
}
