package cases

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// neighboursBreakages are the faults that the cases of neighbours must find.
var neighboursBreakages = map[string][]breakage{
	"neighbours/nothing-of-the-node": {
		{"a process of the node is visible", func(o *suite.Observation) {
			o.Before["lookout"].Processes = append(o.Before["lookout"].Processes, probe.Process{PID: 9999, Comm: "kubelet"})
		}},
		{"a child of the node's init is visible", func(o *suite.Observation) {
			o.Before["lookout"].Processes = append(o.Before["lookout"].Processes, probe.Process{PID: 9999, PPID: 1, Comm: "containerd"})
		}},
		{"PID 1 has a parent", func(o *suite.Observation) {
			edit(o, "lookout", isPID1, func(p *probe.Process) { p.PPID = 7 })
		}},
		{"PID 1 is younger than the container's process", func(o *suite.Observation) {
			edit(o, "lookout", isPID1, func(p *probe.Process) { p.StartTime *= 2 })
		}},
	},
	"neighbours/sharing-beside-isolated": strangersVisible,
	"neighbours/isolated-beside-sharing": strangersVisible,
	"neighbours/host-pid-sees-the-node": {
		{"hostPID is not honoured: PID 1 is a sandbox", func(o *suite.Observation) {
			sandbox, _ := o.Neighbour.Container("one").Process(1)
			edit(o, "lookout", func(p probe.Process) bool { return p.StartTime < sandbox.StartTime }, func(p *probe.Process) {
				p.StartTime = sandbox.StartTime + 1
			})
		}},
		{"PID 1 has a parent", func(o *suite.Observation) {
			edit(o, "lookout", isPID1, func(p *probe.Process) { p.PPID = 7 })
		}},
		{"the other pod is invisible", func(o *suite.Observation) { hide(o, "lookout", withMarker(o.Neighbour, "two")) }},
		{"another process has the other pod's text", func(o *suite.Observation) {
			edit(o, "lookout", withMarker(o.Neighbour, "three"), func(p *probe.Process) { p.StartTime++ })
		}},
	},
}

// strangersVisible are faults after which one pod sees another.
var strangersVisible = []breakage{
	{"the other pod's process is visible", func(o *suite.Observation) {
		p, _ := o.Neighbour.Container("two").Find(withMarker(o.Neighbour, "two"))
		p.PID = 9999
		o.Before["lookout"].Processes = append(o.Before["lookout"].Processes, p)
	}},
	{"both pods share one namespace", func(o *suite.Observation) {
		o.Before["lookout"].Namespaces["pid"] = o.Neighbour.Before["three"].Namespaces["pid"]
		o.Before["lookout"].Kernel, o.Neighbour.Before["three"].Kernel = nodesKernel, nodesKernel
	}},
}

// TestNeighboursDoNotWaitForEachOther: a pod is observed after its neighbour, so
// that a neighbour with a neighbour of its own may wait in a circle. What is only looked
// at may have the pod of an act, and waits for the neighbours of that.
func TestNeighboursDoNotWaitForEachOther(t *testing.T) {
	waits := map[string]bool{}
	for _, c := range All() {
		if c.Neighbour != "" {
			waits[c.Fixture], waits[c.Control] = true, true
		}
	}
	for _, c := range All() {
		if c.Neighbour != "" {
			assert.False(t, waits[c.Neighbour], "%s: its neighbour %s waits for another", c.ID, c.Neighbour)
		}
	}
}

// TestNodeVisibleBesideACopy: while others look at a pod, a copy of it, as kubectl debug makes it, may run on its
// node: with the same texts, and with lower PIDs where the node's have come round.
func TestNodeVisibleBesideACopy(t *testing.T) {
	c := caseOf(t, "neighbours/host-pid-sees-the-node")
	for name, row := range map[string]struct {
		further int  // the copy's PID, from that of the pod's process
		alone   bool // the pod itself is not visible
		holds   bool
	}{
		"with higher PIDs":   {further: 1, holds: true},
		"with lower PIDs":    {further: -1, holds: true},
		"in the pod's place": {alone: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := recorded(t, c, c.Fixture)
			copied, ok := o.Container("lookout").Find(withMarker(o.Neighbour, "two"))
			require.True(t, ok)
			if row.alone {
				hide(&o, "lookout", withMarker(o.Neighbour, "two"))
			}
			copied.PID += row.further
			copied.StartTime++
			seen := o.Before["lookout"]
			seen.Processes = append(seen.Processes, copied)
			slices.SortStableFunc(seen.Processes, func(a, b probe.Process) int { return cmp.Compare(a.PID, b.PID) })
			err := c.Judge(o)
			if row.holds {
				require.NoError(t, err)
				return
			}
			assert.True(t, suite.IsViolation(err), "%v", err)
		})
	}
}
