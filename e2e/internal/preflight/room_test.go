package preflight

import (
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestPodsLeft(t *testing.T) {
	quota := func(name corev1.ResourceName, hard, used string) corev1.ResourceQuota {
		q := corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{name: resource.MustParse(hard)}}}
		if used != "" {
			q.Status.Used = corev1.ResourceList{name: resource.MustParse(used)}
		}
		return q
	}
	for want, quotas := range map[int][]corev1.ResourceQuota{
		-1: {quota(corev1.ResourceCPU, "1", "")},
		17: {quota(corev1.ResourcePods, "17", "")},
		9:  {quota(corev1.ResourcePods, "17", "3"), quota("count/pods", "10", "1")},
		0:  {quota(corev1.ResourcePods, "3", "4")},
	} {
		assert.Equal(t, want, PodsLeft(quotas))
	}
}

// TestRoom: a node with room for 17 pods gets no 40.
func TestRoom(t *testing.T) {
	for name, row := range map[string]struct {
		nodes          map[string]NodeRoom
		quota, targets int
		room           map[string]int
		state          State
		says           string
	}{
		"enough":             {map[string]NodeRoom{"a": {110, 12, 1}}, -1, 1, map[string]int{"a": 98}, OK, "for 40 pods of each target at one time"},
		"not enough":         {map[string]NodeRoom{"a": {29, 12, 1}}, -1, 1, map[string]int{"a": 17}, Note, "a takes 29 pods, and has 12: at most 17 of a target's at one time, not 40"},
		"two runtimes":       {map[string]NodeRoom{"a": {46, 12, 2}}, -1, 2, map[string]int{"a": 17}, Note, "at most 17 of a target's"},
		"full":               {map[string]NodeRoom{"a": {29, 30, 1}}, -1, 1, map[string]int{"a": 0}, Warn, "a takes 29 pods, and has 30: what finds no place ends inconclusive"},
		"a quota":            {map[string]NodeRoom{"a": {110, 12, 1}, "b": {110, 12, 1}}, 9, 2, map[string]int{"a": 4, "b": 4}, Note, "a quota leaves 9 pods to the run: at most 4 of a target's"},
		"a quota, and less":  {map[string]NodeRoom{"a": {14, 12, 1}, "b": {110, 12, 1}}, 60, 2, map[string]int{"a": 2, "b": 30}, Note, "a takes 14 pods"},
		"a quota, not told":  {map[string]NodeRoom{"a": {0, 0, 1}}, 9, 1, map[string]int{"a": 9}, Note, "a quota leaves 9 pods"},
		"nothing is known":   {map[string]NodeRoom{"a": {0, 0, 1}}, -1, 1, map[string]int{}, "", ""},
		"a quota of no pods": {map[string]NodeRoom{"a": {110, 1, 1}}, 0, 1, map[string]int{"a": 0}, Note, "a quota leaves 0 pods to the run"},
	} {
		t.Run(name, func(t *testing.T) {
			room, checks := Room(row.nodes, row.quota, row.targets, 40)
			assert.Equal(t, row.room, room)
			if row.state == "" {
				assert.Empty(t, checks)
				return
			}
			assert.Equal(t, row.state, checks[0].State)
			assert.Contains(t, checks[0].Said, row.says)
		})
	}
}
