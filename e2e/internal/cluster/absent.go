package cluster

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
)

// whyAbsent says why nothing can be run on a node that there is, or "".
func whyAbsent(node *corev1.Node) string {
	if ready(node) {
		return ""
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return strings.Join(strings.Fields("not Ready any more: "+c.Reason+" "+c.Message), " ")
		}
	}
	return "not Ready any more"
}

// noteGone notes that a node was deleted.
func (s *Session) noteGone(object any) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	if node, ok := object.(*corev1.Node); ok {
		s.notePresence(node.Name, "deleted during the run")
	}
}

func (s *Session) notePresence(node, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.absent == nil {
		s.absent = map[string]string{}
	}
	s.absent[node] = why
}

// Absent says why nothing can be run on a node at the moment, as far as it is watched: it was
// deleted, or is not Ready; "" where it is there.
func (s *Session) Absent(node string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.absent[node]
}
