package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/suite"
)

// Client is what making pods takes: creations, one watch, deletions. cluster.Session is one.
type Client interface {
	Create(ctx context.Context, m suite.Manifest) (*corev1.Pod, error)
	Await(ctx context.Context, pod, what string, mayEnd bool, done func(*corev1.Pod) bool) (*corev1.Pod, error)
	AddEphemeral(ctx context.Context, pod *corev1.Pod, containers []corev1.EphemeralContainer) error
	Discard(ctx context.Context, m suite.Manifest)
}

// Pods are those of one target, in the order in which they start.
type Pods []Pod

// Pod is a pod that is made and deleted.
type Pod struct {
	suite.Manifest
	suite.PlannedPod
}

// Maker makes pods as a run of the suite does, and does nothing with them: no exec, no look, no act.
type Maker struct {
	Client Client
	// Starting bounds how many start at one time, and AtOnce how many each target has.
	Starting, AtOnce int
	// Timeout bounds the wait for each of them.
	Timeout time.Duration
}

// Make makes all pods, each target's at the same time as the others', and deletes each as soon as it is
// settled, as the suite does with one that nobody looks at any more. It returns how many were made, and
// what went wrong.
func (m Maker) Make(ctx context.Context, targets []Pods) (made int, err error) {
	starting := make(chan struct{}, max(1, m.Starting))
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, pods := range targets {
		all.Go(func() {
			places := make(chan struct{}, max(1, m.AtOnce))
			var here sync.WaitGroup
			for _, pod := range pods {
				places <- struct{}{}
				here.Go(func() {
					starting <- struct{}{}
					failed := m.start(ctx, pod)
					<-starting
					<-places
					m.Client.Discard(ctx, pod.Manifest)
					mu.Lock()
					defer mu.Unlock()
					if failed != nil {
						err = errors.Join(err, fmt.Errorf("%s: %w", pod.PlannedPod.File, failed))
						return
					}
					made++
				})
			}
			here.Wait()
		})
	}
	all.Wait()
	return made, err
}

// start creates a pod, and waits until it is settled.
func (m Maker) start(ctx context.Context, pod Pod) error {
	ctx, cancel := context.WithTimeoutCause(ctx, m.Timeout, fmt.Errorf("not within %s", m.Timeout))
	defer cancel()
	stored, err := m.Client.Create(ctx, pod.Manifest)
	if err != nil || pod.Submit == suite.Stored {
		return err
	}
	what, mayEnd, done := "Ready", false, func(s suite.PodState) bool { return s.Ready }
	if pod.PlannedPod.Await != nil {
		what, mayEnd, done = pod.PlannedPod.Await.Name, pod.PlannedPod.Await.MayEnd, pod.PlannedPod.Await.Done
	}
	settled, err := m.Client.Await(ctx, stored.Name, what, mayEnd, func(p *corev1.Pod) bool { return done(suite.StateOf(p)) })
	if err != nil {
		return err
	}
	ephemeral := pod.Ephemeral()
	if len(ephemeral) == 0 {
		return nil
	}
	if err := m.Client.AddEphemeral(ctx, settled, ephemeral); err != nil {
		return err
	}
	_, err = m.Client.Await(ctx, stored.Name, "running its ephemeral containers", true, func(p *corev1.Pod) bool {
		state := suite.StateOf(p)
		for _, c := range ephemeral {
			if got := state.Containers[c.Name]; !got.Running && got.ExitCode == nil {
				return false
			}
		}
		return true
	})
	return err
}

// Place are the pods that a runner would make on each of its targets.
func Place(r *suite.Runner) ([]Pods, error) {
	var all []Pods
	for _, target := range r.Targets {
		var pods Pods
		placement := r.Placement
		placement.Target = target
		for _, planned := range r.PlannedPods(target) {
			raw, err := r.Fixtures(planned.File)
			if err != nil {
				return nil, err
			}
			manifest, err := suite.DecodeManifest(planned.File, raw)
			if err != nil {
				return nil, err
			}
			pods = append(pods, Pod{manifest.Place(placement), planned})
		}
		all = append(all, pods)
	}
	return all, nil
}
