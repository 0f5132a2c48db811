package simulated

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// Pods are the pods of all simulated nodes, as their kubelet knows them.
type Pods struct {
	mu      sync.Mutex
	known   map[string]*corev1.Pod // by namespace/name
	awaited map[string]chan struct{}
}

// NewPods knows no pod yet.
func NewPods() *Pods {
	return &Pods{known: map[string]*corev1.Pod{}, awaited: map[string]chan struct{}{}}
}

// Watch keeps them up to date until ctx ends.
func (p *Pods) Watch(ctx context.Context, client kubernetes.Interface) {
	placed := fields.OneTermNotEqualSelector("spec.nodeName", "")
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "pods", corev1.NamespaceAll, placed),
		ObjectType:    &corev1.Pod{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { p.set(o) },
			UpdateFunc: func(_, o any) { p.set(o) },
			DeleteFunc: p.remove,
		},
		Transform: trimmed,
	})
	informer.RunWithContext(ctx)
}

// trimmed keeps of a pod what the kubelet answers from: there can be tens of thousands.
func trimmed(o any) (any, error) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil
	}
	few := &corev1.Pod{}
	few.Namespace, few.Name, few.ResourceVersion = pod.Namespace, pod.Name, pod.ResourceVersion
	few.Spec.NodeName, few.Spec.HostPID, few.Spec.ShareProcessNamespace = pod.Spec.NodeName, pod.Spec.HostPID, pod.Spec.ShareProcessNamespace
	commands := func(all []corev1.Container) []corev1.Container {
		var some []corev1.Container
		for _, c := range all {
			some = append(some, corev1.Container{Name: c.Name, Command: c.Command, Args: c.Args, Env: c.Env})
		}
		return some
	}
	few.Spec.InitContainers, few.Spec.Containers = commands(pod.Spec.InitContainers), commands(pod.Spec.Containers)
	return few, nil
}

func (p *Pods) set(o any) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	key := pod.Namespace + "/" + pod.Name
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[key] = pod
	if waiting := p.awaited[key]; waiting != nil {
		close(waiting)
		delete(p.awaited, key)
	}
}

func (p *Pods) remove(o any) {
	if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	if pod, ok := o.(*corev1.Pod); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.known, pod.Namespace+"/"+pod.Name)
	}
}

// patience is how long an exec waits for its pod to be known here: the API server knew it when it sent
// the request, and the watch may be a little behind.
const patience = 10 * time.Second

// get returns the pod of a namespace and a name. Its error says that there is none, after patience.
func (p *Pods) get(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key := namespace + "/" + name
	for {
		pod, appears := p.look(key)
		if pod != nil {
			return pod, nil
		}
		select {
		case <-appears:
		case <-ctx.Done():
			return nil, fmt.Errorf("the simulated kubelet has no pod %s", key)
		}
	}
}

// look returns the pod, or what is closed when it appears.
func (p *Pods) look(key string) (*corev1.Pod, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pod := p.known[key]; pod != nil {
		return pod, nil
	}
	if p.awaited[key] == nil {
		p.awaited[key] = make(chan struct{})
	}
	return nil, p.awaited[key]
}
