package cluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"procns/e2e/internal/suite"
)

// NodeState is by what is seen that a node was disturbed meanwhile.
type NodeState struct {
	UID, BootID string
	// ReadySince is when kubelet or the node controller last changed the node's
	// condition Ready, by their clock; it is only compared.
	ReadySince string
	NotReady   string // why it is not Ready, or ""
	// Closing is what keeps new pods away: its taints, and that it is cordoned.
	Closing []string
	// Pods is how many pods it takes, whoever's; 0 where it does not say.
	Pods int
}

func nodeState(node corev1.Node) NodeState {
	state := NodeState{UID: string(node.UID), BootID: node.Status.NodeInfo.BootID, Closing: closing(node), Pods: int(node.Status.Allocatable.Pods().Value()), NotReady: "kubelet has not said that it is"}
	for _, c := range node.Status.Conditions {
		if c.Type != corev1.NodeReady {
			continue
		}
		state.ReadySince, state.NotReady = c.LastTransitionTime.String(), ""
		if c.Status != corev1.ConditionTrue {
			state.NotReady = fmt.Sprintf("%s: %s", c.Reason, c.Message)
		}
	}
	return state
}

// disturbed compares a node with what it was when the run began.
func disturbed(name string, was, is NodeState) suite.Disturbance {
	closed := closedSince(name, was, is)
	switch {
	case is.UID != was.UID:
		return suite.Disturbance{Lost: true, Said: fmt.Sprintf("node %s was replaced during the run by another one of that name", name)}
	case is.NotReady != "":
		return suite.Disturbance{Lost: true, Said: fmt.Sprintf("node %s is not Ready (%s)", name, is.NotReady)}
	case is.BootID != was.BootID:
		return suite.Disturbance{Said: fmt.Sprintf("node %s was booted during the run", name)}
	case is.ReadySince != was.ReadySince:
		return suite.Disturbance{Said: fmt.Sprintf("node %s was not Ready for a while during the run, until %s", name, is.ReadySince)}
	case closed != "":
		return suite.Disturbance{Closed: true, Said: closed}
	}
	return suite.Disturbance{}
}

// Disturbance implements suite.Cluster.
func (s *Session) Disturbance(ctx context.Context, name string, since time.Time) suite.Disturbance {
	const bound = serverReturns + 15*time.Second // which is for the answer itself
	asking, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("no answer within %s", bound))
	defer cancel()
	list, err := s.Client.CoreV1().Nodes().List(asking, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()})
	switch {
	case err != nil && (ctx.Err() != nil || apierrors.IsForbidden(err)):
		return suite.Disturbance{} // nobody is asked any more, or may ask
	case err != nil:
		return suite.Disturbance{Lost: true, Said: "the API server does not answer: " + err.Error()}
	case len(list.Items) == 0:
		return suite.Disturbance{Lost: true, Said: "node " + name + " is no longer in the cluster"}
	}
	if was, ok := s.nodeWas(name); ok {
		if found := disturbed(name, was, nodeState(list.Items[0])); found.Said != "" {
			return found
		}
	}
	if said := s.closedEver(name); said != "" {
		return suite.Disturbance{Said: said}
	}
	return suite.Disturbance{Said: s.Counts.troubleSince(since)}
}
