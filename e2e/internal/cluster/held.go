package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/servertext"
)

// heldLasts is how long a pod waits for what has held another one back for all of roomLasts.
const heldLasts = 5 * time.Second

// schedulingObstacles is the scheduler's answer, if it is no, or if there is none: pods of the suite's
// that are waited for have no gates of their own, and any scheduler says something within moments.
func schedulingObstacles(pod *corev1.Pod) []obstacle {
	if pod.Spec.NodeName != "" {
		return nil
	}
	if len(pod.Spec.SchedulingGates) > 0 {
		var gates []string
		for _, g := range pod.Spec.SchedulingGates {
			gates = append(gates, g.Name)
		}
		all := strings.Join(gates, ", ")
		return []obstacle{{of: "gates", lasts: roomLasts, held: "gates " + all, err: fmt.Errorf("nobody takes off its scheduling gates, %s: %s", all, Describe(pod))}}
	}
	at := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodScheduled })
	if at < 0 {
		if pod.Status.Phase != corev1.PodPending {
			return nil
		}
		return []obstacle{{of: "scheduler", lasts: roomLasts, held: schedulerOf(pod), err: fmt.Errorf("the scheduler %q has said nothing of it: does it run? %s", pod.Spec.SchedulerName, Describe(pod))}}
	}
	answer := pod.Status.Conditions[at]
	if answer.Status != corev1.ConditionFalse || answer.Reason != corev1.PodReasonUnschedulable ||
		strings.Contains(answer.Message, "Too many pods") { // it waits for its turn, and the runner for the others to go
		return nil
	}
	lasts := roomLasts
	if servertext.NeverScheduled(answer.Message) {
		lasts = 0
	}
	return []obstacle{{of: "scheduling", lasts: lasts, err: errors.New(Describe(pod))}}
}

// schedulerOf is what holds back pods of which their scheduler says nothing.
func schedulerOf(pod *corev1.Pod) string { return "scheduler " + pod.Spec.SchedulerName }

// obstaclesTo are those of a pod, with what other pods have shown of them.
func (s *Session) obstaclesTo(pod *corev1.Pod, mayEnd bool) []obstacle {
	all := obstacles(pod, mayEnd)
	s.mu.Lock()
	defer s.mu.Unlock()
	if pod.Spec.NodeName != "" { // its scheduler runs again, if it did not
		delete(s.held, schedulerOf(pod))
	}
	for i, o := range all {
		if s.held[o.held] {
			all[i].lasts = min(o.lasts, heldLasts)
		}
	}
	return all
}

// learnHeld notes what held a pod back until it was given up.
func (s *Session) learnHeld(found []obstacle, givenUp error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range found {
		if o.held == "" || !errors.Is(givenUp, o.err) {
			continue
		}
		if s.held == nil {
			s.held = map[string]bool{}
		}
		s.held[o.held] = true
	}
}
