package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"

	"procns/e2e/internal/targets"
)

// Latecomers looks for nodes that have come since the run began: the selection holds those targets alone whose
// nodes have not been a target's before, and nothing of what was left out. From then on their nodes are watched;
// note is told where they may not be. Its error is that the nodes cannot be listed.
func (s *Session) Latecomers(ctx context.Context, choice targets.Choice, note func(format string, args ...any)) (targets.Selection, error) {
	found := findNodes(ctx, s.Client, choice)
	if found.err != nil && !errors.Is(found.err, targets.ErrNone) {
		return targets.Selection{}, found.err
	}
	late := found.selection
	late.Targets, late.LeftOut = nil, nil
	for _, t := range found.selection.Targets {
		if _, known := s.nodeWas(t.Node); !known {
			late.Targets = append(late.Targets, t)
		}
	}
	nodes := map[string]bool{}
	for _, t := range late.Targets {
		nodes[t.Node] = true
		s.takeIn(t.Node, found.states[t.Node])
	}
	if len(nodes) > 0 && !s.watchesAll {
		s.watchesAll = len(nodes) > watchedOneByOne
		s.watchNamed(s.alsoLiving(), slices.Sorted(maps.Keys(nodes)), note)
	}
	return late, nil
}

// takeIn notes what a node is that has come.
func (s *Session) takeIn(name string, is NodeState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Nodes == nil {
		s.Nodes = map[string]NodeState{}
	}
	s.Nodes[name] = is
}

// alsoLiving is a context that ends with the session, besides those that do already.
func (s *Session) alsoLiving() context.Context {
	living, stop := context.WithCancel(context.Background())
	also := s.stop
	s.stop = func() {
		stop()
		if also != nil {
			also()
		}
	}
	return living
}
