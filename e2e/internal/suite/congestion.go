package suite

import (
	"context"
	"errors"
	"sync"
	"time"

	"procns/e2e/internal/probe"
)

// congestion bounds how much is done on a node at one time, starts of pods, acts and looks together, by how soon
// the node answers: additive increase, multiplicative decrease, as TCP bounds what is under way (RFC 5681). A node
// that starts processes slowly is not asked for more of them than it can start within an exec's deadline.
type congestion struct {
	mu          sync.Mutex
	most, limit float64
	taken       int
	queue       []chan struct{} // who waits, the first first
	decreased   time.Time
}

const (
	// A look that takes longer than this part of its deadline halves the bound, one that takes less than that one
	// raises it. What lies between changes nothing.
	slowPart, fastPart = 4, 12
	leastAtOnce        = 2
)

func newCongestion(most int) *congestion {
	return &congestion{most: float64(max(leastAtOnce, most)), limit: float64(max(leastAtOnce, most))}
}

// take waits for a place. Nobody who came later has one before.
func (c *congestion) take() {
	c.mu.Lock()
	if len(c.queue) == 0 && c.taken < int(c.limit) {
		c.taken++
		c.mu.Unlock()
		return
	}
	turn := make(chan struct{})
	c.queue = append(c.queue, turn)
	c.mu.Unlock()
	<-turn
}

func (c *congestion) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken--
	c.admit()
}

// admit lets in who waits, as far as there are places.
func (c *congestion) admit() {
	for len(c.queue) > 0 && c.taken < int(c.limit) {
		c.taken++
		close(c.queue[0])
		c.queue = c.queue[1:]
	}
}

// took notes how long a look took that began then, and how long it might have taken. It returns the new bound
// where that is smaller, and otherwise 0. Looks that began before the last decrease say nothing of it.
func (c *congestion) took(began time.Time, took, within time.Duration) (fewer int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case took > within/slowPart && !began.Before(c.decreased):
		c.decreased = time.Now()
		was := c.limit
		c.limit = max(leastAtOnce, c.limit/2)
		if c.limit < was {
			return int(c.limit)
		}
	case took < within/fastPart:
		c.limit = min(c.most, c.limit+1/c.limit)
		c.admit()
	}
	return 0
}

// looked notes how soon the target answered a look that began then: the time says nothing where a disruption is why.
func (s *stage) looked(purpose string, snapshot *probe.Snapshot, err error, began time.Time, within time.Duration) {
	took := time.Since(began)
	s.runner.Spent.looked(took)
	var late *probe.DeadlineError
	switch unanswered := errors.As(err, &late); {
	case s.disruption != nil, err != nil && !unanswered, err == nil && snapshot.Cut:
		return
	case !unanswered:
		s.health.answers()
	case purpose == before && s.heirOf == nil: // nothing was done in the pod that may be why
		s.health.loses()
	}
	turn, known := s.turns[s.target.Node]
	if !known {
		return
	}
	if fewer := turn.work.took(began, took, within); fewer > 0 {
		s.runner.Log("%s: a look took %s: at most %d pods of the node start or are worked on at one time from now on, until it answers sooner",
			s.target.Name(), took.Round(time.Second), fewer)
	}
}

// tooBusy tells of an exec that had no answer in its time that the node may have been too busy for it: others are
// answered.
func (s *stage) tooBusy(ctx context.Context, err error) bool {
	var late *probe.DeadlineError
	return s.disruption == nil && ctx.Err() == nil && errors.As(err, &late) && !s.health.silent()
}
