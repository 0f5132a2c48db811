package suite

import (
	"context"
	"errors"
	"sync"
	"time"

	"procns/e2e/internal/probe"
)

// congestion bounds how many pods of a node start, and how many are acted on or looked into, at one time, by how soon the
// node answers: additive increase, multiplicative decrease, as TCP bounds what is under way (RFC 5681). A node that
// starts processes slowly is not asked for more of them than it can start within an exec's deadline.
type congestion struct {
	mu               sync.Mutex
	share            float64 // of the most
	decreased        time.Time
	acting, starting *bound
}

// bound is one of the two: who starts never has the place of who acts, without whom no pod leaves the node.
type bound struct {
	most, taken int
	queue       []chan struct{} // who waits, the first first
}

const (
	// A look that takes longer than this part of its deadline halves the bounds, one that takes less than that one
	// raises them. What lies between changes nothing.
	slowPart, fastPart = 4, 12
	leastAtOnce        = 2
)

func newCongestion(acting, starting int) *congestion {
	return &congestion{share: 1, acting: &bound{most: max(1, acting)}, starting: &bound{most: max(1, starting)}}
}

// limit is how many there may be at one time.
func (c *congestion) limit(b *bound) int {
	return max(min(leastAtOnce, b.most), int(c.share*float64(b.most)))
}

// take waits for a place. Nobody who came later has one before.
func (c *congestion) take(b *bound) {
	c.mu.Lock()
	turn := make(chan struct{})
	b.queue = append(b.queue, turn)
	c.admit(b)
	c.mu.Unlock()
	<-turn
}

func (c *congestion) leave(b *bound) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.taken--
	c.admit(b)
}

// admit lets in who waits, as far as there are places.
func (c *congestion) admit(b *bound) {
	for len(b.queue) > 0 && b.taken < c.limit(b) {
		b.taken++
		close(b.queue[0])
		b.queue = b.queue[1:]
	}
}

// took notes how long a look took that began then, and how long it might have taken. It returns the bounds, and whether they
// became smaller. Looks that began before they did the last time say nothing of it.
func (c *congestion) took(began time.Time, took, within time.Duration) (acting, starting int, fewer bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.limit(c.acting)
	switch {
	case took > within/slowPart && !began.Before(c.decreased):
		c.decreased = time.Now()
		c.share = max(min(1, leastAtOnce/float64(c.acting.most)), c.share/2)
	case took < within/fastPart:
		most := float64(c.acting.most)
		c.share = min(1, c.share+1/(c.share*most*most)) // as many such answers as are acted on make it one more
		c.admit(c.acting)
		c.admit(c.starting)
	}
	acting, starting = c.limit(c.acting), c.limit(c.starting)
	return acting, starting, acting < before
}

// looked notes how soon the target answered a look that began then: the time says nothing where a disruption is why.
func (s *stage) looked(purpose string, snapshot *probe.Snapshot, err error, began time.Time, within time.Duration) {
	took := time.Since(began)
	var late *probe.DeadlineError
	unanswered := errors.As(err, &late)
	switch { // without the wait for -qps, and for a server that restarts
	case unanswered:
		took = within
	case snapshot != nil && snapshot.Took > 0:
		took = snapshot.Took
	}
	s.runner.Spent.looked(took)
	switch {
	case s.disruption != nil, err != nil && !unanswered, err == nil && snapshot.Cut:
		return
	case !unanswered:
		s.health.answers()
	case purpose == before && s.heirOf == nil: // nothing was done in the pod that may be why
		s.health.loses(began)
	}
	turn, known := s.turns[s.target.Node]
	if !known {
		return
	}
	if acting, starting, fewer := turn.work.took(began, took, within); fewer {
		s.runner.Log("%s: a look took %s: at most %d pods of the node are worked on, and %d start, at one time until it answers sooner",
			s.target.Name(), took.Round(time.Second), acting, starting)
	}
}

// tooBusy tells of an exec that had no answer in its time that the node may have been too busy for it: others are
// answered.
func (s *stage) tooBusy(ctx context.Context, err error) bool {
	var late *probe.DeadlineError
	return s.disruption == nil && ctx.Err() == nil && errors.As(err, &late) && !s.health.silent()
}
