package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"procns/e2e/internal/suite"
)

// abandonPods deletes the pods whose kubelets are not worth waiting for, without their consent:
// those on nodes that do not answer, which nobody knows ever to come back, and those that never
// started and whose start is not given up in time. A kubelet that comes back to them ends what is
// there of pods that are none any more.
//
// waited is how long their deletion has been waited for, by this machine's clock: the server's need not
// be right.
func abandonPods(ctx context.Context, client kubernetes.Interface, namespace string, waited time.Duration) error {
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing its pods: %w", err)
	}
	if len(pods.Items) == 0 {
		return nil
	}
	if err := deleteAtOnce(ctx, client, pods.Items, func(p corev1.Pod) bool { return heldUp(p, waited) }); err != nil {
		return err
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	answers := map[string]bool{}
	for _, n := range nodes.Items {
		answers[n.Name] = nodeState(n).NotReady == ""
	}
	return deleteAtOnce(ctx, client, pods.Items, func(p corev1.Pod) bool { return !answers[p.Spec.NodeName] && !heldUp(p, waited) })
}

// heldUp tells of a pod that was to be gone startedLast ago, and of which kubelet says that none of
// its containers has ever started: no process of it runs.
func heldUp(p corev1.Pod, waited time.Duration) bool {
	if p.DeletionTimestamp == nil || waited < startedLast {
		return false
	}
	all := statuses(&p)
	return len(all) > 0 && !slices.ContainsFunc(all, func(c corev1.ContainerStatus) bool {
		return c.State.Waiting == nil || c.LastTerminationState.Terminated != nil || c.RestartCount > 0
	})
}

// deleteAtOnce deletes those of the pods without waiting for their kubelets.
func deleteAtOnce(ctx context.Context, client kubernetes.Interface, pods []corev1.Pod, those func(corev1.Pod) bool) error {
	var now int64
	for _, p := range pods {
		if !those(p) {
			continue
		}
		err := client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
		if err != nil && !apierrors.IsNotFound(err) {
			return suite.Failed(err, "deleting pod %s", p.Name)
		}
	}
	return nil
}
