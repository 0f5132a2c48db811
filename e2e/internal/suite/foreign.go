package suite

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// endedByNode are the reasons of a pod that kubelet or the node's controller ended for
// the node's sake.
var endedByNode = []string{"Evicted", "Preempting", "NodeShutdown", "Shutdown", "Terminated", "NodeLost"}

// Foreign says what somebody else did to a pod, or "": deleted or evicted it, or ended
// it for the node's sake. gone says that the object is no longer there. own says that
// the case itself, or a controller that it works with, deletes or evicts it.
func Foreign(pod *corev1.Pod, gone, own bool) string {
	if pod == nil {
		return ""
	}
	for _, c := range pod.Status.Conditions {
		switch {
		case c.Type != corev1.DisruptionTarget || c.Status != corev1.ConditionTrue:
		case own && c.Reason == "EvictionByEvictionAPI": // by the case
		default:
			return fmt.Sprintf("pod %s was disrupted by something else (%s: %s)", pod.Name, c.Reason, c.Message)
		}
	}
	switch {
	case pod.Status.Phase == corev1.PodFailed && slices.Contains(endedByNode, pod.Status.Reason):
		return fmt.Sprintf("the node ended pod %s (%s: %s)", pod.Name, pod.Status.Reason, pod.Status.Message)
	case !own && (gone || pod.DeletionTimestamp != nil):
		return "pod " + pod.Name + " was deleted by somebody else"
	}
	return ""
}

// foreign is what somebody else did to the stage's pod and to its copies. Where the act
// disrupts the node, nobody knows who did what.
func (s *stage) foreign() string {
	if s.disruption != nil || s.key.submit != Runs || s.placed.Pod == nil || s.observation.Pod.Name == "" {
		return ""
	}
	look := func(name string, own bool) string {
		last, gone := s.runner.Cluster.Last(name)
		return Foreign(last, gone, own)
	}
	// A workload's controller deletes pods of its own accord.
	if said := look(s.pod, s.deletes.Load() || s.placed.Workload != nil); said != "" {
		return said
	}
	for _, copied := range s.copies {
		if said := look(copied.Pod.Name, false); said != "" {
			return said
		}
	}
	return ""
}

// blame puts what somebody else did before what came of it.
func blame(foreign string, err error) error {
	if err == nil {
		return errors.New("cannot tell: " + foreign)
	}
	return fmt.Errorf("cannot tell: %s; and then: %w", foreign, err)
}

// deletesPods tells that a request deletes or evicts.
func (r Request) deletesPods() bool {
	return strings.EqualFold(r.Verb, "DELETE") || strings.HasSuffix(r.Path, "/eviction")
}
