package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"procns/e2e/internal/suite"
)

// The run's pods: one watch, from which all waits are served.

// watchPods watches the namespace's pods as long as the session lives.
func (s *Session) watchPods(ctx, living context.Context) error {
	if err := s.awaitServiceAccount(ctx, s.Namespace); err != nil {
		return err
	}
	informer := informers.NewSharedInformerFactoryWithOptions(s.Client, 0, informers.WithNamespace(s.Namespace)).Core().V1().Pods().Informer()
	if err := informer.SetTransform(s.ends.remember); err != nil {
		return err
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { s.announce() }, UpdateFunc: func(any, any) { s.announce() }, DeleteFunc: s.noteDeleted,
	})
	if err != nil {
		return err
	}
	s.store = informer.GetStore()
	go informer.Run(living.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return fmt.Errorf("watching pods in %s: %w", s.Namespace, context.Cause(ctx))
	}
	return nil
}

func (s *Session) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Session) noteDeleted(object any) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	if pod, ok := object.(*corev1.Pod); ok {
		s.ends.forget(pod.UID)
		s.mu.Lock()
		if !s.done[pod.Spec.NodeName] {
			s.deleted[pod.Name] = pod
		}
		s.mu.Unlock()
	}
	s.announce()
}

func (s *Session) change() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Create implements suite.Cluster.
func (s *Session) Create(ctx context.Context, m suite.Manifest) (*corev1.Pod, error) {
	core := s.Client.CoreV1()
	for _, secret := range m.Secrets {
		if err := created(ctx, secret, core.Secrets(s.Namespace).Create); err != nil {
			return nil, suite.Failed(err, "creating Secret %s", secret.Name)
		}
	}
	for _, configMap := range m.ConfigMaps {
		if err := created(ctx, configMap, core.ConfigMaps(s.Namespace).Create); err != nil {
			return nil, suite.Failed(err, "creating ConfigMap %s", configMap.Name)
		}
	}
	s.mu.Lock()
	delete(s.deleted, m.Pod.Name) // what came of an earlier try
	s.mu.Unlock()
	s.Counts.Pods.Add(1)
	if m.Workload != nil {
		return s.createWorkload(ctx, m)
	}
	stored, err := createPod(ctx, s.Client, m.New(), s.Namespace)
	if err != nil {
		return nil, s.refusedPod(ctx, suite.Failed(err, "creating pod %s from %s", m.Pod.Name, m.File))
	}
	return stored, nil
}

// Current implements suite.Cluster.
func (s *Session) Current(name string) (*corev1.Pod, bool) {
	if s.store == nil { // nothing is watched as yet
		return nil, false
	}
	item, ok, err := s.store.GetByKey(s.Namespace + "/" + name)
	if err != nil || !ok {
		return nil, false
	}
	pod, ok := item.(*corev1.Pod)
	return pod, ok
}

// Last implements suite.Cluster.
func (s *Session) Last(name string) (last *corev1.Pod, gone bool) {
	if pod, ok := s.Current(name); ok {
		return pod, false
	}
	last = s.lastState(name)
	return last, last != nil
}

// Await implements suite.Cluster.
func (s *Session) Await(ctx context.Context, name, what string, mayEnd bool, done func(*corev1.Pod) bool) (*corev1.Pod, error) {
	seen := false
	var lasting endurance
	for {
		changed := s.change()
		var again <-chan time.Time
		pod, ok := s.Current(name)
		switch {
		case ok && done(pod):
			return pod, nil
		case ok:
			seen = true
			if closed := s.closedTo(pod); closed != "" {
				return pod, fmt.Errorf("pod %s is not %s: %s; its last state: %s", name, what, closed, Describe(pod))
			}
			found := s.obstaclesTo(pod, mayEnd)
			in, ask, terminal := lasting.judge(found, time.Now())
			if ask {
				terminal = errors.Join(terminal, s.sandboxFailure(ctx, pod))
			}
			if terminal != nil {
				s.learnHeld(found, terminal)
				return pod, fmt.Errorf("pod %s will not be %s: %w", name, what, terminal)
			}
			if in > 0 {
				again = time.After(in)
			}
		case seen:
			return nil, fmt.Errorf("pod %s is not %s: it was deleted meanwhile", name, what)
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			state := "it was never seen"
			if ok {
				state = Describe(pod)
				if stalled := s.stalledPull(ctx, pod); stalled != nil {
					return pod, fmt.Errorf("pod %s is not %s: %w", name, what, stalled)
				}
			}
			return pod, fmt.Errorf("pod %s is not %s: %w; its last state: %s", name, what, context.Cause(ctx), state)
		}
	}
}

// Describe says where a pod and each container of it that is not ready stand.
func Describe(pod *corev1.Pod) string {
	state := fmt.Sprintf("pod %s on node %q: %s", pod.Name, pod.Spec.NodeName, pod.Status.Phase)
	if pod.Status.Reason != "" {
		state += fmt.Sprintf(" (%s: %s)", pod.Status.Reason, pod.Status.Message)
	}
	var details []string
	statuses := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status != corev1.ConditionTrue {
			details = append(details, fmt.Sprintf("%s: %s", c.Reason, c.Message))
		}
	}
	for _, c := range pod.Status.EphemeralContainerStatuses {
		// One that runs is as far as it gets: ephemeral containers are never ready.
		c.Ready = c.State.Running != nil
		statuses = append(statuses, c)
	}
	for _, c := range statuses {
		if c.Ready {
			continue
		}
		switch {
		case c.State.Waiting != nil:
			details = append(details, fmt.Sprintf("container %s: %s: %s", c.Name, c.State.Waiting.Reason, c.State.Waiting.Message))
		case c.State.Terminated != nil:
			details = append(details, fmt.Sprintf("container %s: terminated with exit code %d (%s)", c.Name, c.State.Terminated.ExitCode, c.State.Terminated.Reason))
		default:
			details = append(details, fmt.Sprintf("container %s: running, not ready, %d restarts", c.Name, c.RestartCount))
		}
	}
	if len(details) > 0 {
		state += "; " + strings.Join(details, "; ")
	}
	return state
}
