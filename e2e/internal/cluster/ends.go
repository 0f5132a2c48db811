package cluster

import (
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// RememberedEnds is the annotation of a watched pod, on no server, that names the
// containers whose last end kubelet no longer reports.
const RememberedEnds = "procns/remembered-ends"

// ends remembers how containers ended, as kubelet reported it. kubelet itself can
// forget: its garbage collection takes a dead container as soon as its successor
// is created, which on a busy node is seconds before the successor starts; from
// then on the status shows a restart and no last state.
type ends struct {
	mu   sync.Mutex
	seen map[types.UID]map[instance]corev1.ContainerStateTerminated // by pod
}

// forget lets go of a pod that was deleted.
func (e *ends) forget(pod types.UID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.seen, pod)
}

// instance is one life of a container: the one that had this many before it.
type instance struct {
	container string
	before    int32
}

// remember is a transform of the pods that are watched: it notes how each
// container ended, and gives back what a later status lacks.
func (e *ends) remember(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil // a DeletedFinalStateUnknown
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var forgotten []string
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range statuses {
			if e.complete(pod.UID, &statuses[i]) {
				forgotten = append(forgotten, statuses[i].Name)
			}
		}
	}
	if len(forgotten) > 0 {
		if pod.Annotations == nil {
			pod.Annotations = map[string]string{}
		}
		pod.Annotations[RememberedEnds] = strings.Join(forgotten, ",")
	}
	return pod, nil
}

// complete tells whether it had to add a container's last end.
func (e *ends) complete(pod types.UID, c *corev1.ContainerStatus) bool {
	note := func(before int32, ended *corev1.ContainerStateTerminated) {
		if ended == nil {
			return
		}
		if e.seen == nil {
			e.seen = map[types.UID]map[instance]corev1.ContainerStateTerminated{}
		}
		if e.seen[pod] == nil {
			e.seen[pod] = map[instance]corev1.ContainerStateTerminated{}
		}
		e.seen[pod][instance{c.Name, before}] = *ended
	}
	note(c.RestartCount, c.State.Terminated)
	note(c.RestartCount-1, c.LastTerminationState.Terminated)
	if c.RestartCount == 0 || c.LastTerminationState.Terminated != nil {
		return false
	}
	ended, ok := e.seen[pod][instance{c.Name, c.RestartCount - 1}]
	if ok {
		c.LastTerminationState.Terminated = &ended
	}
	return ok
}
