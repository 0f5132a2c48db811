package cluster

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"procns/e2e/internal/pace"
)

// Of the refusals for lack of time, client-go itself obeys those that say when to come
// again (429 and 5xx with Retry-After: up to ten times, rest/with_retry.go). What is left
// are creations of which nobody knows whether they took place.
const (
	createTries = 3
	createPause = 2 * time.Second
)

// unanswered tells that a request may have been carried out: its answer did not come, or
// says that the server gave up on it, or that it is too busy, after all that client-go has tried.
func unanswered(err error) bool {
	var late *LateError
	return errors.As(err, &late) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err)
}

// createPod creates a pod. Where the answer does not come in time, the pod is looked up by its
// name before it is created again: an API server that is busy may have stored it.
func createPod(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, namespace string) (*corev1.Pod, error) {
	pods := client.CoreV1().Pods(namespace)
	for tried := 1; ; tried++ {
		stored, err := pods.Create(ctx, pod.DeepCopy(), metav1.CreateOptions{})
		again := tried > 1 && apierrors.IsAlreadyExists(err) // by the try before, after all
		if err == nil || !unanswered(err) && !again {
			return stored, err
		}
		found, missing := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		if missing == nil && found.DeletionTimestamp == nil && sameLabels(pod, found) {
			return found, nil
		}
		if again || tried == createTries || !apierrors.IsNotFound(missing) || pace.Pause(ctx, createPause) != nil {
			return nil, err
		}
	}
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
