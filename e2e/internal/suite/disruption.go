package suite

import (
	"context"
	"maps"
	"sync"

	"procns/e2e/internal/probe"
)

// turn is whose turn it is on a node that is the place of several targets, as with several
// runtime classes: what disrupts it would disturb the cases of them all.
type turn struct {
	work  *congestion    // what is done there at one time
	quiet sync.WaitGroup // the targets of which a case that does not disrupt is not concluded
	mu    sync.Mutex     // held by the target that disrupts the node
}

// disruption is one act on a node, for all the pods whose fate it is judged by:
// it is carried out once, when each of them has been observed.
type disruption struct {
	stages  []*stage
	mu      sync.Mutex
	arrived map[*stage]bool
	all     chan struct{} // closed when every pod has been observed, or given up
	once    sync.Once
	err     error
	ran     map[string]probe.CommandResult
}

func newDisruption(stages []*stage) *disruption {
	d := &disruption{stages: stages, arrived: map[*stage]bool{}, all: make(chan struct{})}
	for _, s := range stages {
		s.disruption = d
	}
	return d
}

// arrive says that a pod has been observed, or will not be.
func (d *disruption) arrive(s *stage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.arrived[s] {
		d.arrived[s] = true
		if len(d.arrived) == len(d.stages) {
			close(d.all)
		}
	}
}

// carryOut waits for the other pods, and has one of the stages act. All of them
// record what the act ran.
func (d *disruption) carryOut(ctx context.Context, with *podClient) error {
	d.arrive(with.stage)
	// The other pods need a place to be observed in meanwhile.
	with.stage.rest(func() { with.stage.waitForOthers(func() { <-d.all }) })
	d.once.Do(func() {
		d.err = with.stage.key.act.Do(ctx, with)
		d.ran = maps.Clone(with.stage.observation.Ran)
	})
	for name, result := range d.ran {
		with.record(func(o *Observation) { put(&o.Ran, name, result) })
	}
	return d.err
}
