package cases

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// disruptionBreakages are the faults that the cases of disruption must find.
var disruptionBreakages = map[string][]breakage{
	"disruption/kubelet-restart-changes-nothing":                 changedByRestart,
	"disruption/containerd-restart-changes-nothing":              changedByRestart,
	"disruption/kubelet-restart-keeps-new-containers-joining":    strayRestart,
	"disruption/containerd-restart-keeps-new-containers-joining": strayRestart,
	"disruption/containerd-restart-leaves-no-old-process": {
		livesOn("two", marking("two")), livesOn("two", childOf("two")),
		{"container two is not started again", func(o *suite.Observation) {
			c := o.AfterPod.Containers["two"]
			c.Running = false
			o.AfterPod.Containers["two"] = c
		}},
		{"the runtime lost another container, whose process stays beside the new one", func(o *suite.Observation) {
			c := o.AfterPod.Containers["three"]
			c.ID += "x" // pelagos: without a restart being counted
			o.AfterPod.Containers["three"] = c
		}},
	},
	"disruption/node-restart-shares-again": {
		{"the restarted containers are isolated", func(o *suite.Observation) {
			for _, s := range o.After {
				own := o.Markers[s.Container]
				s.Processes = only(s.Processes, func(p probe.Process) bool { return p.Has(own) || p.Observer })
			}
		}},
		{"a container was not restarted", func(o *suite.Observation) {
			o.AfterPod.Containers["two"] = o.Pod.Containers["two"]
		}},
		{"PID 1 is the old one", func(o *suite.Observation) {
			was, _ := o.Container("one").Process(1)
			editIn(o.After, "one", isPID1, func(p *probe.Process) { p.StartTime = was.StartTime })
		}},
	},
	"disruption/node-restart-ends-never-restarted": {
		{"the pod hangs", func(o *suite.Observation) { o.AfterPod.Phase = "Pending" }},
		{"the pod runs again", func(o *suite.Observation) { o.AfterPod.Phase = "Running" }},
	},
}

var (
	changedByRestart = []breakage{
		{"a container is restarted", func(o *suite.Observation) {
			c := o.AfterPod.Containers["three"]
			c.Restarts++
			o.AfterPod.Containers["three"] = c
		}},
		{"an exec into another container joins another namespace", func(o *suite.Observation) { o.Saw.Disrupted.Joined["three"] = 4026531836 }},
		{"PID 1 is another process", func(o *suite.Observation) { seenAfterwards(o, probe.Identity{PID: 1, StartTime: 1}) }},
		{"a child was started anew", func(o *suite.Observation) {
			child, _ := o.Container("one").Find(childOf("three")(o))
			child.StartTime++
			seenAfterwards(o, child.Identity())
		}},
		{"an exec joins another namespace", func(o *suite.Observation) { o.Saw.Disrupted.Namespace = 4026531836 }},
		{"a process was started anew", func(o *suite.Observation) {
			p, _ := o.Container("three").Find(withMarker(o, "three"))
			p.StartTime++
			seenAfterwards(o, p.Identity())
		}},
		{"a sibling is not seen any more", func(o *suite.Observation) {
			p, _ := o.Container("three").Find(withMarker(o, "three"))
			o.Saw.Disrupted.Processes = slices.DeleteFunc(o.Saw.Disrupted.Processes, func(i probe.Identity) bool { return i == p.Identity() })
		}},
	}
	strayRestart = []breakage{
		{"the restarted container has a namespace of its own", func(o *suite.Observation) { o.After["two"].Namespaces["pid"]++ }},
		{"its siblings do not see it", func(o *suite.Observation) {
			o.After["one"].Processes = only(o.After["one"].Processes, func(p probe.Process) bool { return !p.Has(o.Markers["two"]) })
		}},
		{"it is not started again", func(o *suite.Observation) {
			c := o.AfterPod.Containers["two"]
			c.Running = false
			o.AfterPod.Containers["two"] = c
		}},
	}
)

// seenAfterwards puts another process in the place of the one with its PID.
func seenAfterwards(o *suite.Observation, is probe.Identity) {
	for i, was := range o.Saw.Disrupted.Processes {
		if was.PID == is.PID {
			o.Saw.Disrupted.Processes[i] = is
		}
	}
}

func only(processes []probe.Process, is func(probe.Process) bool) []probe.Process {
	var kept []probe.Process
	for _, p := range processes {
		if is(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// comingBack is a container that cannot be looked into a few times.
type comingBack struct {
	suite.PodClient
	fails int
}

func (c *comingBack) Observe(context.Context, string) (*probe.Snapshot, error) {
	if c.fails--; c.fails >= 0 {
		return &probe.Snapshot{Failure: `container not found ("one")`}, nil
	}
	return &probe.Snapshot{Self: 7}, nil
}

// TestLookWhenBack: a disruption that ends a container is not what nobody can tell: it is looked at
// when it is there again, and the judge finds another namespace.
func TestLookWhenBack(t *testing.T) {
	s, err := lookWhenBack(t.Context(), &comingBack{fails: 2}, "one")
	require.NoError(t, err)
	assert.Equal(t, 7, s.Self)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = lookWhenBack(ctx, &comingBack{fails: 2}, "one")
	assert.ErrorContains(t, err, "container not found")
}

// looksCounted sees what it was told to when the pod was reached again, and counts further looks.
type looksCounted struct {
	suite.PodClient
	seen  suite.Observation
	looks int
}

func (c *looksCounted) Before() suite.Observation { return c.seen }

func (c *looksCounted) Observe(context.Context, string) (*probe.Snapshot, error) {
	c.looks++
	return &probe.Snapshot{Self: 2}, nil
}

// TestReached: what was seen when the pod could be looked into again is not looked at a second time.
func TestReached(t *testing.T) {
	for name, row := range map[string]struct {
		between map[string]*probe.Snapshot
		self    int
		looks   int
	}{
		"seen":         {map[string]*probe.Snapshot{"one": {Self: 1}}, 1, 0},
		"not answered": {map[string]*probe.Snapshot{"one": {Failure: "no answer"}}, 2, 1},
		"not asked":    {nil, 2, 1},
	} {
		c := &looksCounted{seen: suite.Observation{After: row.between}}
		s, err := reached(t.Context(), c, "one")
		require.NoError(t, err, name)
		assert.Equal(t, row.self, s.Self, name)
		assert.Equal(t, row.looks, c.looks, name)
	}
}
