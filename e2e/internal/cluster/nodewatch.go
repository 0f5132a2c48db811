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
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/tools/cache"

	"procns/e2e/internal/suite"
)

// watchedOneByOne is how many nodes are watched each by its name. Of more, all of the
// cluster's nodes are watched at once.
const watchedOneByOne = 16

// closing are the node's taints that keep new pods away and that somebody put there,
// with that of a cordoned node. kubelet's and the node controller's own pass with what
// they are for, and pods wait for that.
func closing(node corev1.Node) []string {
	var all []string
	if node.Spec.Unschedulable {
		all = append(all, cordoned)
	}
	for _, t := range node.Spec.Taints {
		own := strings.HasPrefix(t.Key, "node.kubernetes.io/")
		if !own && (t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute) {
			all = append(all, t.ToString())
		}
	}
	slices.Sort(all)
	return all
}

// cordoned stands for spec.unschedulable among a node's taints.
const cordoned = "cordoned"

// closedSince says what has come to keep new pods away from a node, or "".
func closedSince(name string, was, is NodeState) string {
	for _, c := range is.Closing {
		switch {
		case slices.Contains(was.Closing, c):
		case c == cordoned:
			return fmt.Sprintf("node %s was cordoned during the run", name)
		default:
			return fmt.Sprintf("node %s got the taint %s during the run", name, c)
		}
	}
	return ""
}

// WatchNodes follows the targets' nodes as long as the session lives. Where it may not,
// a node is read when something went wrong on it; note is told of that.
func (s *Session) WatchNodes(note func(format string, args ...any)) {
	living := s.alsoLiving()
	names := slices.Sorted(maps.Keys(s.Nodes))
	s.watchesAll = len(names) > watchedOneByOne
	s.watchNamed(living, names, note)
}

// watchNamed follows some nodes.
func (s *Session) watchNamed(living context.Context, names []string, note func(format string, args ...any)) {
	which := []fields.Selector{fields.Everything()}
	if len(names) <= watchedOneByOne {
		which = nil
		for _, name := range names {
			which = append(which, fields.OneTermEqualSelector(metav1.ObjectNameField, name))
		}
	}
	for _, selector := range which {
		lw := cache.NewListWatchFromClient(s.Client.CoreV1().RESTClient(), "nodes", metav1.NamespaceAll, selector)
		informer := cache.NewSharedInformer(lw, &corev1.Node{}, 0)
		watching, end := context.WithCancel(living)
		_ = informer.SetTransform(slim)
		_ = informer.SetWatchErrorHandler(func(r *cache.Reflector, err error) {
			if apierrors.IsForbidden(err) {
				note("nodes cannot be watched: %v", err)
				end()
				return
			}
			cache.DefaultWatchErrorHandler(watching, r, err)
		})
		_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: s.noteNode, UpdateFunc: func(_, is any) { s.noteNode(is) }, DeleteFunc: s.noteGone,
		})
		go informer.Run(watching.Done())
	}
}

// nodeWas is what a target's node was when the run took it in.
func (s *Session) nodeWas(name string) (NodeState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, ok := s.Nodes[name]
	return was, ok
}

// slim leaves of a node what NodeState is made of.
func slim(object any) (any, error) {
	if node, ok := object.(*corev1.Node); ok {
		node.ManagedFields, node.Annotations, node.Labels = nil, nil, nil
		node.Status.Images, node.Status.VolumesInUse, node.Status.VolumesAttached = nil, nil, nil
	}
	return object, nil
}

// noteNode notes whether a node takes pods. That it once did not is not forgotten.
func (s *Session) noteNode(object any) {
	node, ok := object.(*corev1.Node)
	if !ok {
		return
	}
	was, ok := s.nodeWas(node.Name)
	if !ok {
		return
	}
	said := closedSince(node.Name, was, nodeState(*node))
	s.notePresence(node.Name, whyAbsent(node))
	s.mu.Lock()
	if s.closed == nil {
		s.closed, s.wasClosed = map[string]string{}, map[string]string{}
	}
	changed := s.closed[node.Name] != said
	s.closed[node.Name] = said
	if said != "" {
		s.wasClosed[node.Name] = said
	}
	s.mu.Unlock()
	if changed {
		s.announce()
	}
}

// Closed implements suite.Cluster.
func (s *Session) Closed(node string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed[node]
}

// closedEver is what kept new pods away from a node at any time since the run began.
func (s *Session) closedEver(node string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wasClosed[node]
}

// closedTo says why a pod that has no node yet gets none, or "".
func (s *Session) closedTo(pod *corev1.Pod) string {
	if pod.Spec.NodeName != "" {
		return ""
	}
	return s.Closed(suite.PinnedTo(pod))
}
