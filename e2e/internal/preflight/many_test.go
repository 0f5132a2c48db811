package preflight

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
)

// TestManyNodesAreToldByKind: 5,000 nodes have a few lines, in which nothing is lost.
func TestManyNodesAreToldByKind(t *testing.T) {
	var selection targets.Selection
	images := map[string][]string{}
	for i := range 5000 {
		name := fmt.Sprintf("node-%04d", i)
		target := suite.Target{Node: name, Kernel: "6.18", Architecture: "amd64"}
		switch {
		case i == 7:
			target.Kernel = "6.19"
		case i >= 4950:
			selection.LeftOut = append(selection.LeftOut, targets.LeftOut{Node: name, Reason: "not Ready"})
			continue
		}
		selection.Targets = append(selection.Targets, target)
		images[name] = []string{"docker.io/library/busybox:latest"}
		if i%2 == 0 {
			images[name] = nil
		}
	}
	var said []string
	for _, c := range append(OfTargets(selection), OfImages([]string{"busybox"}, images)...) {
		said = append(said, c.Said)
	}
	assert.Equal(t, []string{
		"node-0000, node-0001, node-0002 and 4946 more: , kernel 6.18 amd64, , kubelet ",
		"node-0007: , kernel 6.19 amd64, , kubelet ",
		"node-4950, node-4951, node-4952 and 47 more are left out: not Ready",
		"node-0000, node-0002, node-0004 and 2472 more do not report busybox: to be pulled; where that fails, cases end inconclusive",
	}, said)
}

// TestManyReasonsAreCut: where each node has a reason of its own, the others are counted.
func TestManyReasonsAreCut(t *testing.T) {
	var all []line
	for i := range 100 {
		all = append(all, line{fmt.Sprint("node", i), fmt.Sprint("reason ", i)})
	}
	told := together(all)
	assert.Len(t, told, mostLines+1)
	assert.Equal(t, line{"… and 60 more", "reason 40, for one"}, told[mostLines])
	assert.Equal(t, all[:mostLines], together(all[:mostLines]))
}
