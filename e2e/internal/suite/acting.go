package suite

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

// What a stage does with its pod, between two looks at it.

// act carries the act out, and observes until its effect shows.
func (s *stage) act(ctx context.Context, pod *corev1.Pod) error {
	act := s.key.act
	if act == nil {
		return nil
	}
	began := time.Now()
	if err := s.carryOut(ctx, &podClient{stage: s, pod: pod}); err != nil {
		return fmt.Errorf("%s: %w", act.Name, err)
	}
	settle := func() {
		s.settle.Do(func() {
			s.took = time.Since(began)
			close(s.settled)
		})
	}
	if act.Ends || s.key.submit != Runs {
		s.noteState()
		settle()
		return nil
	}
	if s.decided() {
		settle()
		return nil
	}
	if err := s.waitForControls(ctx); err != nil {
		return err
	}
	return s.observeUntil(ctx, pod, "after", act.Sees, s.patience(act.Within), func(after map[string]*probe.Snapshot) bool {
		s.observation.After = after
		s.noteState()
		if !s.satisfied() {
			return false
		}
		settle()
		return true
	})
}

// decided tells whether the stage is a control that has its no without a second look: every judge finds
// a violation in the first snapshots and in what the act recorded, and asks for nothing else. Whatever
// a second look showed, it would find the same. A control that shows how long an effect takes is looked into.
// Once decided, the observation has nothing but what was judged.
func (s *stage) decided() bool {
	if s.key.act.NoEffect || unobserved(Observation{Before: s.observation.Before}) != nil {
		return false
	}
	first := s.observation
	first.After, first.AfterPod = nil, nil
	for _, e := range s.cases {
		var missing unseen
		if e.holds || !IsViolation(e.c.Judge(first.noting(&missing))) || len(missing.names) > 0 {
			return false
		}
	}
	s.observation = first
	return true
}

func (s *stage) carryOut(ctx context.Context, with *podClient) error {
	defer with.followed()
	act := s.key.act
	if s.disruption == nil {
		return act.Do(ctx, with)
	}
	if err := s.disruption.carryOut(ctx, with); err != nil || act.Then == nil {
		return err
	}
	if err := s.reachAgain(ctx, with.pod); err != nil {
		return err
	}
	return act.Then(ctx, with)
}

// reachAgain waits until every container of a disrupted pod can be looked into.
// Of what is still unobserved then, the judges are not asked.
func (s *stage) reachAgain(ctx context.Context, pod *corev1.Pod) error {
	return s.observeUntil(ctx, pod, "between", nil, s.patience(s.key.act.Within), func(between map[string]*probe.Snapshot) bool {
		s.observation.After = between
		return unobserved(s.observation) == nil
	})
}

// noteState records the pod's state after the act.
func (s *stage) noteState() {
	if current, ok := s.runner.Cluster.Current(s.pod); ok {
		state := s.state(current)
		s.observation.AfterPod = &state
	}
}
