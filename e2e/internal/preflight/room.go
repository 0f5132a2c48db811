package preflight

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// NodeRoom is what a node has room for.
type NodeRoom struct {
	// Takes is how many pods the node takes, whoever's, and There how many it has.
	Takes, There int
	// Targets are how many of the run's targets are on the node.
	Targets int
}

// PodsLeft is how many more pods the quotas of a namespace allow; -1 where they do not
// limit it.
func PodsLeft(quotas []corev1.ResourceQuota) int {
	left := -1
	for _, q := range quotas {
		for _, name := range []corev1.ResourceName{corev1.ResourcePods, "count/pods"} {
			hard, ok := q.Spec.Hard[name]
			if !ok {
				continue
			}
			used := q.Status.Used[name]
			if more := int(max(0, hard.Value()-used.Value())); left < 0 || more < left {
				left = more
			}
		}
	}
	return left
}

// Room is how many pods each target of a node may have at one time, and what is to be
// said of it. nodes are those whose pods could be counted; quota is how many pods the
// run's namespace takes (-1: any number) for all targets; wanted is how many a target
// would have.
func Room(nodes map[string]NodeRoom, quota, targets, wanted int) (map[string]int, []Check) {
	const name = "room"
	room := map[string]int{}
	var checks []Check
	for _, node := range slices.Sorted(maps.Keys(nodes)) {
		n := nodes[node]
		if n.Takes == 0 {
			continue // it does not say
		}
		each := max(0, n.Takes-n.There) / max(1, n.Targets)
		switch {
		case each == 0:
			checks = append(checks, Check{name, Warn, fmt.Sprintf("%s takes %d pods, and has %d: what finds no place ends inconclusive", node, n.Takes, n.There)})
		case each < wanted:
			checks = append(checks, Check{name, Note, fmt.Sprintf("%s takes %d pods, and has %d: at most %d of a target's at one time, not %d", node, n.Takes, n.There, each, wanted)})
		}
		room[node] = each
	}
	if quota >= 0 {
		each := quota / max(1, targets)
		if each < wanted {
			checks = append(checks, Check{name, Note, fmt.Sprintf("a quota leaves %d pods to the run: at most %d of a target's at one time, not %d", quota, max(1, each), wanted)})
		}
		for node := range nodes {
			if have, ok := room[node]; !ok || each < have {
				room[node] = each
			}
		}
	}
	if len(checks) == 0 && len(room) > 0 {
		checks = append(checks, Check{name, OK, fmt.Sprintf("for %d pods of each target at one time", wanted)})
	}
	return room, checks
}
