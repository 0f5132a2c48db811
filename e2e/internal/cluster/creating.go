package cluster

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// createPod creates a pod. Where the answer does not come in time, the pod is looked up by its
// name before it is created again: an API server that is busy may have stored it.
func createPod(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, namespace string) (stored *corev1.Pod, err error) {
	pods := client.CoreV1().Pods(namespace)
	repeated := false
	err = untilAnswered(ctx, func() (final bool, err error) {
		stored, err = pods.Create(ctx, pod.DeepCopy(), metav1.CreateOptions{})
		before := repeated && apierrors.IsAlreadyExists(err) // by the try before, after all
		if err == nil || !unanswered(err) && !before {
			return true, err
		}
		repeated = true
		found, missing := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		if missing == nil && found.DeletionTimestamp == nil && sameLabels(pod, found) {
			stored = found
			return true, nil
		}
		return before || !apierrors.IsNotFound(missing), err
	})
	return stored, err
}

// created has an object created, under its own name: that it is there is no error, for it is so by an earlier try.
func created[T any](ctx context.Context, object *T, create func(context.Context, *T, metav1.CreateOptions) (*T, error)) error {
	err := untilAnswered(ctx, func() (bool, error) {
		_, err := create(ctx, object, metav1.CreateOptions{})
		return false, err
	})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// sameLabels tells whether a pod that was found has the labels that one was sent with, its
// run's among them.
func sameLabels(sent, found *corev1.Pod) bool {
	for key, value := range sent.Labels {
		if found.Labels[key] != value {
			return false
		}
	}
	return true
}
