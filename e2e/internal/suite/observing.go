package suite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
)

// observeUntil takes snapshots again and again until they are enough, or the time
// is over: /proc offers no watch, and each round is one exec a container long. It is
// over as well when a container did not answer in its time, twice: that one is not asked again. A
// container that does not run, as the pod's watched status has it, is not asked until it does, but
// for the last round, in which all are.
func (s *stage) observeUntil(ctx context.Context, pod *corev1.Pod, when string, only []string, within time.Duration, enough func(map[string]*probe.Snapshot) bool) error {
	began := time.Now()
	return pace.RetryWith(ctx, pace.Forever, s.pause, func() (bool, error) {
		last := time.Since(began) >= within
		snapshots, err := s.observe(ctx, pod, when, only, last)
		return snapshots != nil && !enough(snapshots) && err == nil && !last, err
	})
}

// observeUntilGiven takes the first snapshots, until every case's precondition
// holds. Where one never does, its case says itself what it misses.
func (s *stage) observeUntilGiven(ctx context.Context, pod *corev1.Pod) error {
	var broken error
	err := s.observeUntil(ctx, pod, before, s.looks.only(), s.runner.Timeout, func(before map[string]*probe.Snapshot) bool {
		s.observation.Before = before
		missing := lacking(s.observation, s.expected())
		if missing != nil && (s.await == nil || !s.await.MayEnd) {
			broken = s.runner.Cluster.Broken(s.pod)
		}
		return missing == nil || broken != nil
	})
	return errors.Join(broken, err)
}

// observe takes one snapshot from each container that runs, or from those named. Where
// one does not answer in its time, there are the others' snapshots beside the error. Those that do not
// run are asked if all are to be; otherwise their snapshots say that they do not.
func (s *stage) observe(ctx context.Context, pod *corev1.Pod, when string, only []string, all bool) (map[string]*probe.Snapshot, error) {
	if current, ok := s.runner.Cluster.Current(s.pod); ok {
		pod = current
	}
	snapshots := map[string]*probe.Snapshot{}
	var hung error
	containers := s.state(pod).Containers
	for _, name := range s.observable(pod, only) {
		if why := stopped(containers, name); why != "" && !all {
			snapshots[name] = &probe.Snapshot{Container: name, Failure: why}
			continue
		}
		snapshot, raw, err := s.look(ctx, when, name)
		var late *probe.DeadlineError
		if errors.As(err, &late) {
			snapshots[name] = &probe.Snapshot{Container: name, Failure: err.Error()}
			if s.disruption == nil { // which may be why: the container is asked again
				hung = errors.Join(hung, fmt.Errorf("container %s could not be observed: %w", name, err))
			}
			continue
		}
		if err == nil && snapshot.Cut && s.disruption == nil { // which was tried again and again
			err = fmt.Errorf("container %s could not be observed: %s", name, snapshot.Failure)
		}
		if err != nil {
			return nil, err
		}
		snapshots[name] = snapshot
		s.runner.Evidence.Save(s.folder(), transcriptFile(name, when), raw)
	}
	return snapshots, hung
}

// before is when nothing has been done in the pod yet.
const before = "before"

// look looks into one container. Where that is before anything is done there, a silent target has less time.
func (s *stage) look(ctx context.Context, when, container string) (*probe.Snapshot, string, error) {
	if when != before || s.disruption != nil || s.heirOf != nil { // in whose pod another act was done
		return s.sees(ctx, when, s.execWithin(), s.pod, container, s.paths())
	}
	return s.sees(ctx, when, s.firstLookWithin(), s.pod, container, s.paths())
}

// stopped says why there is no use in looking into a container, by its status: it does not run. It is ""
// where it does, and where nothing is known of it.
func stopped(containers map[string]ContainerState, name string) string {
	c, known := containers[name]
	switch {
	case !known || c.Running:
		return ""
	case c.Waiting != "":
		return "it does not run, it waits: " + c.Waiting
	}
	return "it does not run"
}

// observable names the containers to look into: those named, or else every one
// of the pod that is not over. One that waits to be started again is looked into
// as well: its failure makes the round be repeated. One that is never started again
// is not: of how it ended, the pod's status tells. What the cluster added is not either, and
// neither is what waits for the init containers, which may take for ever.
func (s *stage) observable(pod *corev1.Pod, only []string) []string {
	state := s.state(pod)
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
		if s.added[c.Name] {
			continue // it is not the suite's to enter
		}
		if over := !cs.Running && cs.Waiting == "" && cs.ExitCode != nil; !over && !initializing(pod, cs) {
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

// initializing tells of a regular container that has never been started, because an init
// container before it runs and is none that restarts.
func initializing(pod *corev1.Pod, c ContainerState) bool {
	if c.Waiting != "PodInitializing" || c.ExitCode != nil || c.ID != "" {
		return false
	}
	always := corev1.ContainerRestartPolicyAlways
	return slices.ContainsFunc(pod.Spec.InitContainers, func(init corev1.Container) bool {
		if init.RestartPolicy != nil && *init.RestartPolicy == always {
			return false
		}
		return slices.ContainsFunc(pod.Status.InitContainerStatuses, func(s corev1.ContainerStatus) bool {
			return s.Name == init.Name && s.State.Running != nil
		})
	})
}

// paths is the union of what the stage's cases read.
func (s *stage) paths() []string {
	var all []string
	seen := map[string]bool{}
	for _, e := range s.expected() {
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

// lacking is what an observation lacks for some cases to be judged by it.
func lacking(o Observation, cases []expectation) error {
	missing := unobserved(o)
	for _, e := range cases {
		missing = errors.Join(missing, unmet(e.c, o))
	}
	return missing
}

// pause is the time until the containers are observed again. A longer one gives the
// stage's place to another.
func (s *stage) pause(ctx context.Context, length time.Duration) error {
	const worthAPlace = 500 * time.Millisecond
	if length < worthAPlace {
		return pace.Pause(ctx, length)
	}
	var err error
	s.rest(func() { err = pace.Pause(ctx, length) })
	return err
}

// asExpected tells whether the stage's own part in all its cases is what it has to be.
func (s *stage) asExpected() bool { return s.err == nil && len(s.neighbours) == 0 && s.satisfied() }

// satisfied tells whether every case's judge has answered: of an act that was refused, no effect is
// waited for.
func (s *stage) satisfied() bool {
	if unobserved(s.observation) != nil {
		return false
	}
	for _, e := range s.cases {
		if !e.answered(e.c.Judge(s.observation)) {
			return false
		}
	}
	return true
}

// hasSettled tells whether the act's effect has shown. Of a stage that is done, select might have found that first.
func (s *stage) hasSettled() bool {
	select {
	case <-s.settled:
		return true
	default:
		return false
	}
}

// waitForControls holds a stage whose claim is that nothing happens, until the
// control has shown how long it takes when it does happen, and then as long
// again: what was to come would have come. The time counts from the end of the act, which may have sent last what
// has an effect.
func (s *stage) waitForControls(ctx context.Context) error {
	acted := time.Now()
	if len(s.after) == 0 {
		return nil
	}
	// The controls need a place to act in meanwhile.
	s.rest(func() {
		for _, control := range s.after {
			s.waitForOthers(func() {
				select {
				case <-control.settled:
				case <-control.done:
				case <-ctx.Done():
				}
			})
			if ctx.Err() != nil {
				return
			}
			if !control.hasSettled() { // it never showed: the case ends inconclusive
				continue
			}
			// A physical time: the reaction time of the same program to the same
			// signal on the same node, at least one second, twice over.
			if pace.Pause(ctx, time.Until(acted.Add(2*max(control.took, time.Second)))) != nil {
				return
			}
		}
	})
	return context.Cause(ctx)
}
