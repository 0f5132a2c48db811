package suite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// How a stage comes by its pod.

// errStopped says that a pod was not started because the run was stopped.
var errStopped = errors.New("not started: the run was stopped")

// stopped is an errStopped when no pod is to be started any more.
func (r *Runner) stopped() error {
	if r.Stopped != nil {
		if why := r.Stopped(); why != "" {
			return fmt.Errorf("%w: %s", errStopped, why)
		}
	}
	return nil
}

// begins tells whose pod is about to be created, or looked at.
func (s *stage) begins() {
	if s.runner.OnStart == nil {
		return
	}
	for _, one := range s.aboard() {
		for _, e := range one.cases {
			s.runner.OnStart(e.c, s.target)
		}
	}
}

// start creates the pod and waits until it is settled.
func (s *stage) start(ctx context.Context) (*corev1.Pod, error) {
	s.enter(starting)
	defer s.leave(starting)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := s.runner.stopped(); err != nil {
		return nil, err
	}
	if closed := s.runner.Cluster.Closed(s.target.Node); closed != "" {
		return nil, noMore(closed)
	}
	if err := s.health.refuses(s.placed.Pod); err != nil {
		return nil, err
	}
	s.begins()
	waiting := s.runner.newWaiting(ctx)
	defer waiting.over()
	if s.placed.Workload != nil {
		waiting.answered() // its pod comes later, by its controller
	}
	for tried, alone, failures := 0, 0, 0; ; tried++ {
		pod, err := s.attempt(ctx, waiting)
		why := noRoom(pod, err)
		if !s.mayStartAgain(errors.Join(err, startedLate(pod)), &failures) && (why == "" || !s.backDown(waiting, why, tried, &alone)) {
			return pod, err
		}
		if pod != nil && !s.takenAway(waiting, pod.Name) {
			return pod, cmp.Or(err, fmt.Errorf("pod %s, which was to be made anew, did not go in time", pod.Name))
		}
	}
}

// takenAway deletes a pod that is to be made anew, under the same name, and waits until its
// containers have ended.
func (s *stage) takenAway(ctx context.Context, name string) bool {
	const grace, bound = 1, 3 * time.Minute // nobody waits for what its containers do at their end, but a busy node takes its time
	gone, _, err := s.runner.Cluster.Delete(ctx, name, grace, s.patience(bound))
	return err == nil && gone
}

// attempt creates the pod once, and waits until it is settled.
func (s *stage) attempt(ctx context.Context, waiting *waiting) (*corev1.Pod, error) {
	applied := time.Now()
	stored, err := s.runner.Cluster.Create(waiting, s.placed)
	waiting.answered()
	if err != nil {
		return nil, err
	}
	s.pod = stored.Name // a workload names its pods itself
	s.places.created(s.pod)
	s.observation.Pod = s.state(stored)
	s.runner.Evidence.Save(s.folder(), "pod.json", s.withoutOthers(stored))
	if s.key.submit == Stored {
		put(&s.observation.Answers, "create", Answer{Code: http.StatusCreated, Sharing: s.observation.Pod.Sharing})
		return stored, s.compare(ctx, stored, true)
	}
	if len(s.riders) > 0 {
		put(&s.observation.Answers, "create", Answer{Code: http.StatusCreated, Sharing: s.observation.Pod.Sharing})
	}
	err = s.compare(ctx, stored, true)
	s.handOver(Stored)
	if len(s.riders) > 0 {
		s.observation.Answers = nil
	}
	// Nothing is awaited of a pod that is not the one that was sent.
	if err == nil && s.idle() {
		err = errAllChanged
	}
	if err != nil {
		return stored, err
	}

	what, mayEnd, done := "Ready", false, func(p *corev1.Pod) bool { return s.state(p).Ready }
	if s.await != nil {
		what, mayEnd, done = s.await.Name, s.await.MayEnd, func(p *corev1.Pod) bool { return s.await.Done(s.state(p)) }
	}
	settled, told := done, false
	var failed error
	done = func(p *corev1.Pod) bool {
		if failed = startFailed(p); failed != nil {
			return true
		}
		if !told && tooMany(p) { // it waits for its turn, and the next ones need not come as yet
			told = true
			s.fewer("the node has room for no more")
		}
		return settled(p)
	}
	pod, err := s.runner.Cluster.Await(waiting, s.pod, what, mayEnd, done)
	if err == nil {
		err = failed
	}
	if err != nil {
		return pod, err
	}
	s.health.pulled(pod)
	s.ready = time.Since(applied)
	s.runner.OnReady(s.target, s.key.file, s.ready)
	if ephemeral := s.ephemeral(); len(ephemeral) > 0 {
		if pod, err = s.addEphemeral(waiting, pod, ephemeral); err != nil {
			return pod, err
		}
		s.runner.Evidence.Save(s.folder(), "pod.json", s.withoutOthers(pod))
	}
	s.observation.Pod = s.state(pod)
	s.runner.Facts.noteImages(s.target, s.placed.Documented, pod)
	return pod, s.compare(ctx, pod, false)
}

// addEphemeral adds the manifest's ephemeral containers to the pod that runs,
// and waits until each has started. One that the runtime did not start is an
// error: nothing was seen from it.
func (s *stage) addEphemeral(ctx context.Context, pod *corev1.Pod, ephemeral []corev1.EphemeralContainer) (*corev1.Pod, error) {
	if err := s.runner.Cluster.AddEphemeral(ctx, pod, ephemeral); err != nil {
		return pod, err
	}
	var failed error
	stored, err := s.runner.Cluster.Await(ctx, s.pod, "running its ephemeral containers", true, func(p *corev1.Pod) bool {
		if failed = ephemeralNotStarted(p); failed != nil {
			return true
		}
		state := s.state(p)
		for _, c := range ephemeral {
			if got := state.Containers[c.Name]; !got.Running && got.ExitCode == nil {
				return false
			}
		}
		return true
	})
	if err == nil {
		err = failed
	}
	return stored, err
}
