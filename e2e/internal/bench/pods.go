package bench

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// PodCounter counts the pods that come while it watches, and the containers that are started in them.
type PodCounter struct {
	mu      sync.Mutex
	before  map[types.UID]bool
	started map[types.UID]int
}

// CountPods watches the pods of all namespaces until ctx ends. What is there already does not count.
func CountPods(ctx context.Context, client kubernetes.Interface) (*PodCounter, error) {
	c := &PodCounter{before: map[types.UID]bool{}, started: map[types.UID]int{}}
	informer := informers.NewSharedInformerFactory(client, 0).Core().V1().Pods().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(object any, first bool) { c.see(object, first) },
		UpdateFunc: func(_, object any) { c.see(object, false) },
		DeleteFunc: func(object any) { c.see(object, false) },
	})
	if err != nil {
		return nil, err
	}
	go informer.Run(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return nil, fmt.Errorf("watching pods: %w", context.Cause(ctx))
	}
	return c, nil
}

// see notes what a pod shows; first says that it was there before the watch.
func (c *PodCounter) see(object any, first bool) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if first {
		c.before[pod.UID] = true
	}
	if !c.before[pod.UID] {
		c.started[pod.UID] = max(c.started[pod.UID], started(pod))
	}
}

// Made is how many pods came, and how many containers were started in them.
func (c *PodCounter) Made() (pods, containers int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.started {
		containers += n
	}
	return len(c.started), containers
}

// started is how many containers have been started in a pod, each as often as it was.
func started(pod *corev1.Pod) int {
	n := 0
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses} {
		for _, c := range list {
			if c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil {
				n += 1 + int(c.RestartCount)
			}
		}
	}
	return n
}
