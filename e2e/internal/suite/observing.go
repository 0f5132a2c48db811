package suite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

// observeUntil takes snapshots again and again until they are enough, or the time
// is over: /proc offers no watch, and each round is one exec a container long.
func (s *stage) observeUntil(ctx context.Context, pod *corev1.Pod, when string, only []string, within time.Duration, enough func(map[string]*probe.Snapshot) bool) error {
	deadline := time.Now().Add(within)
	for {
		snapshots, err := s.observe(ctx, pod, when, only)
		if err != nil {
			return err
		}
		if enough(snapshots) || time.Now().After(deadline) {
			return nil
		}
		if err := s.pause(ctx, len(snapshots) == 0); err != nil {
			return err
		}
	}
}

// observeUntilGiven takes the first snapshots, until every case's precondition
// holds. Where one never does, its case says itself what it misses.
func (s *stage) observeUntilGiven(ctx context.Context, pod *corev1.Pod) error {
	return s.observeUntil(ctx, pod, "before", nil, s.runner.Timeout, func(before map[string]*probe.Snapshot) bool {
		s.observation.Before = before
		missing := unobserved(s.observation)
		for _, e := range s.cases {
			missing = errors.Join(missing, given(e.c, s.observation))
		}
		return missing == nil
	})
}

// observe takes one snapshot from each container that runs, or from those named.
func (s *stage) observe(ctx context.Context, pod *corev1.Pod, when string, only []string) (map[string]*probe.Snapshot, error) {
	if current, ok := s.runner.Cluster.Current(s.pod); ok {
		pod = current
	}
	snapshots := map[string]*probe.Snapshot{}
	for _, name := range observable(pod, only) {
		snapshot, raw, err := s.runner.Cluster.Observe(ctx, s.pod, name, s.paths())
		if err == nil && snapshot.Cut && s.disruption == nil { // which was tried again and again
			err = fmt.Errorf("container %s could not be observed: %s", name, snapshot.Failure)
		}
		if err != nil {
			return nil, err
		}
		snapshots[name] = snapshot
		s.runner.Evidence.Save(s.folder(), fmt.Sprintf("%s.%s.txt", name, when), raw)
	}
	return snapshots, nil
}

// observable names the containers to look into: those named, or else every one
// of the pod that is not over. One that waits to be started again is looked into
// as well: its failure makes the round be repeated. One that is never started again
// is not: of how it ended, the pod's status tells.
func observable(pod *corev1.Pod, only []string) []string {
	state := StateOf(pod)
	if len(only) > 0 {
		return slices.DeleteFunc(slices.Clone(only), func(name string) bool {
			return pod.Spec.RestartPolicy == corev1.RestartPolicyNever && !state.Containers[name].Running && state.Containers[name].ExitCode != nil
		})
	}
	var all []string
	for _, c := range pod.Spec.InitContainers {
		if state.Containers[c.Name].Running {
			all = append(all, c.Name)
		}
	}
	for _, c := range pod.Spec.Containers {
		cs := state.Containers[c.Name]
		if over := !cs.Running && cs.Waiting == "" && cs.ExitCode != nil; !over {
			all = append(all, c.Name)
		}
	}
	for _, c := range pod.Spec.EphemeralContainers {
		if state.Containers[c.Name].Running {
			all = append(all, c.Name)
		}
	}
	return all
}

// paths is the union of what the stage's cases read.
func (s *stage) paths() []string {
	var all []string
	seen := map[string]bool{}
	for _, e := range s.cases {
		for _, path := range e.c.Read {
			if !seen[path] {
				seen[path] = true
				all = append(all, path)
			}
		}
	}
	return all
}

// unobserved says which containers could not be observed although a shell would
// run in them. No judge is asked then: an exec that fails proves nothing about
// processes.
func unobserved(o Observation) error {
	for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
		for _, name := range slices.Sorted(maps.Keys(snapshots)) {
			if s := snapshots[name]; s.Failure != "" && !s.NoShell {
				return fmt.Errorf("container %s could not be observed: %s", name, s.Failure)
			}
		}
	}
	return nil
}
