// Package cluster reaches a cluster: it makes one with kind or attaches to one,
// finds the targets, creates and watches pods, and cleans up.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/remote"
	"procns/e2e/internal/suite"
)

// Session is one run's presence on a cluster: a namespace of its own, a watch
// on its pods, and the clean-up. It implements suite.Cluster.
type Session struct {
	Client    kubernetes.Interface
	Config    *rest.Config
	Namespace string
	RunID     string
	Counts    *Counts
	// Nodes is what the targets' nodes were when the run began.
	Nodes map[string]NodeState
	// Say tells the user what the clean-up waits for; nil: nobody is told.
	Say func(format string, args ...any)

	labels map[string]string // of the namespaces, besides the suite's own

	store cache.Store
	stop  context.CancelFunc // of the watch, and of the signs of life

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change of any pod
	// deleted holds each pod that is gone, as it was last seen.
	deleted map[string]*corev1.Pod
	// closed says what keeps new pods away from a node, and wasClosed what ever did.
	closed, wasClosed map[string]string

	mutatingMu sync.Mutex
	mutating   mutating

	// levels are the namespaces that enforce a level of Pod Security, by level.
	levelsMu sync.Mutex
	levels   map[string]string
	// relabelled is what is said of namespaces whose level somebody changed, by
	// namespace; mu guards it.
	relabelled map[string][]string
	// probed is what unenforced found.
	probedMu sync.Mutex
	probed   map[string]string
}

// Open creates the run's namespace and starts the watch. The namespace admits
// every pod of the catalogue: the page's own manifest is above Pod Security's
// baseline, because of SYS_PTRACE. labels are put on all the run's namespaces, besides
// the opt-outs.
func Open(ctx context.Context, client kubernetes.Interface, config *rest.Config, runID string, counts *Counts, labels map[string]string) (*Session, error) {
	s := newSession(client, config, runID, counts, NamespaceOf(runID))
	s.labels = labels
	if err := s.createNamespace(ctx, s.Namespace, runLevel); err != nil {
		if s.owns(ctx, s.Namespace, err) {
			return s, err // so that it is cleaned up
		}
		return nil, err
	}
	living := s.living()
	s.watchLabels(living)
	if err := s.showLife(ctx, living); err != nil {
		return s, err
	}
	return s, s.watchPods(ctx, living)
}

func newSession(client kubernetes.Interface, config *rest.Config, runID string, counts *Counts, namespace string) *Session {
	return &Session{Client: client, Config: config, RunID: runID, Counts: counts, Namespace: namespace, changed: make(chan struct{})}
}

// living is a context that ends with the session.
func (s *Session) living() context.Context {
	living, stop := context.WithCancel(context.Background())
	s.stop = stop
	return living
}

// watchPods watches the namespace's pods as long as the session lives.
func (s *Session) watchPods(ctx, living context.Context) error {
	if err := s.awaitServiceAccount(ctx, s.Namespace); err != nil {
		return err
	}
	informer := informers.NewSharedInformerFactoryWithOptions(s.Client, 0, informers.WithNamespace(s.Namespace)).Core().V1().Pods().Informer()
	if err := informer.SetTransform((&ends{}).remember); err != nil {
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

// NamespaceOf is the name of a run's namespace.
func NamespaceOf(runID string) string { return "procns-" + runID }

// awaitServiceAccount waits for the namespace's default ServiceAccount, without
// which no pod is admitted.
func (s *Session) awaitServiceAccount(ctx context.Context, namespace string) error {
	const bound = 30 * time.Second // the controller needs well under a second
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("not within %s", bound))
	defer cancel()
	accounts := s.Client.CoreV1().ServiceAccounts(namespace)
	lw := cache.NewListWatchFromClient(s.Client.CoreV1().RESTClient(), "serviceaccounts", namespace, fields.OneTermEqualSelector("metadata.name", "default"))
	_, err := watchtools.UntilWithSync(ctx, lw, &corev1.ServiceAccount{}, func(store cache.Store) (bool, error) {
		return len(store.List()) > 0, nil
	}, func(e watch.Event) (bool, error) { return e.Type == watch.Added, nil })
	if err == nil {
		return nil
	}
	// Some clusters let a namespace's owner read but not watch ServiceAccounts.
	if _, readErr := accounts.Get(ctx, "default", metav1.GetOptions{}); readErr == nil {
		return nil
	}
	return fmt.Errorf("namespace %s has no default ServiceAccount: %w", namespace, err)
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
		s.mu.Lock()
		if s.deleted == nil {
			s.deleted = map[string]*corev1.Pod{}
		}
		s.deleted[pod.Name] = pod
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
		if _, err := core.Secrets(s.Namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) { // by an earlier try
			return nil, suite.Failed(err, "creating Secret %s", secret.Name)
		}
	}
	for _, configMap := range m.ConfigMaps {
		if _, err := core.ConfigMaps(s.Namespace).Create(ctx, configMap, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
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
	stored, err := core.Pods(s.Namespace).Create(ctx, m.New(), metav1.CreateOptions{})
	if err != nil {
		return nil, s.refusedPod(ctx, suite.Failed(err, "creating pod %s from %s", m.Pod.Name, m.File))
	}
	return stored, nil
}

// Current implements suite.Cluster.
func (s *Session) Current(name string) (*corev1.Pod, bool) {
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
			in, ask, terminal := lasting.judge(obstacles(pod, mayEnd), time.Now())
			if ask {
				terminal = errors.Join(terminal, s.sandboxFailure(ctx, pod))
			}
			if terminal != nil {
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

// podGrace is the grace period, in seconds, that pods are deleted with. The page's shell
// ignores SIGTERM, as interactive shells do, and would use up any longer one.
const podGrace int64 = 1

func (s *Session) remote(pod string) remote.Pod {
	return remote.Pod{Client: s.Client, Config: s.Config, Namespace: s.Namespace, Name: pod}
}

// Exec implements suite.Cluster.
func (s *Session) Exec(ctx context.Context, within time.Duration, pod, container string, command ...string) (probe.CommandResult, error) {
	s.Counts.Execs.Add(1)
	result, err := s.remote(pod).Exec(ctx, within, container, command...)
	if result.Cut {
		s.Counts.noteTrouble(result.Failure)
	}
	return result, s.withState(err, pod)
}

// ExecUnread implements suite.Cluster.
func (s *Session) ExecUnread(ctx context.Context, pod, container string, command ...string) error {
	s.Counts.Execs.Add(1)
	return s.remote(pod).ExecUnread(ctx, container, command...)
}

// Observe implements suite.Cluster.
func (s *Session) Observe(ctx context.Context, within time.Duration, pod, container string, paths []string) (*probe.Snapshot, string, error) {
	s.Counts.Execs.Add(1)
	snapshot, raw, err := s.remote(pod).Observe(ctx, within, container, paths)
	return snapshot, raw, s.withState(err, pod)
}

// withState adds the pod's state to the error of a request that did not end in its time.
func (s *Session) withState(err error, pod string) error {
	var late *probe.DeadlineError
	if !errors.As(err, &late) {
		return err
	}
	if current, ok := s.Current(pod); ok {
		return fmt.Errorf("%w: %s", err, Describe(current))
	}
	return fmt.Errorf("%w: pod %s is no longer there", err, pod)
}

// Attach implements suite.Cluster.
func (s *Session) Attach(ctx context.Context, pod, container string, converse func(*probe.Terminal) error) error {
	s.Counts.Execs.Add(1)
	// As kubectl does, which asks the pod: where the container has no terminal,
	// attaching with one would wait for a stream that never comes.
	tty := true
	if current, ok := s.Current(pod); ok {
		for _, c := range slices.Concat(current.Spec.InitContainers, current.Spec.Containers) {
			if c.Name == container {
				tty = c.TTY
			}
		}
		for _, c := range current.Spec.EphemeralContainers {
			if c.Name == container {
				tty = c.TTY
			}
		}
	}
	return s.remote(pod).Attach(ctx, container, tty, converse)
}

// Leave ends the run's presence and deletes nothing. It returns what is left.
func (s *Session) Leave() []string {
	if s == nil {
		return nil
	}
	if s.stop != nil {
		s.stop()
	}
	return s.namespaces()
}
