// Package cluster reaches a cluster: it makes one with kind or attaches to one,
// finds the targets, creates and watches pods, and cleans up.
package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"procns/e2e/internal/difference"
)

// Session is one run's presence on a cluster: a namespace of its own, a watch
// on its pods, and the clean-up. It implements suite.Cluster.
type Session struct {
	Client    kubernetes.Interface
	Config    *rest.Config
	Namespace string
	RunID     string
	Counts    *Counts
	// Nodes is what the targets' nodes were when the run began, or when it took them in. Once
	// they are watched, mu guards it.
	Nodes map[string]NodeState
	// Say tells the user what the clean-up waits for; nil: nobody is told.
	Say func(format string, args ...any)

	labels map[string]string // of the namespaces, besides the suite's own

	store cache.Store
	stop  context.CancelFunc // of the watch, and of the signs of life

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change of any pod
	// deleted holds each pod that is gone, as it was last seen, but for those of the nodes in done,
	// which nobody asks about any more.
	deleted map[string]*corev1.Pod
	done    map[string]bool
	ends    ends
	// held is what has held pods back until they were given up.
	held map[string]bool
	// settings are those of workloads that were changed on their way, by the workload's name.
	settings map[string][]difference.Difference
	// closed says what keeps new pods away from a node, and wasClosed what ever did.
	closed, wasClosed map[string]string
	// absent says why nothing can be run on a node.
	absent map[string]string
	// watchesAll says that all of the cluster's nodes are watched, and not the targets' one by one.
	watchesAll bool

	mutatingMu sync.Mutex
	mutating   mutating

	// levels are the namespaces that enforce a level of Pod Security, by level.
	levelsMu sync.Mutex
	levels   map[string]string
	// relabelled is what is said of namespaces whose level somebody changed, by
	// namespace; mu guards it.
	relabelled map[string][]string
	// labelled are the labels that the run's namespaces have had; mu guards them.
	labelled []map[string]string
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
	return &Session{Client: client, Config: config, RunID: runID, Counts: counts, Namespace: namespace, changed: make(chan struct{}), deleted: map[string]*corev1.Pod{}, done: map[string]bool{}}
}

// living is a context that ends with the session.
func (s *Session) living() context.Context {
	living, stop := context.WithCancel(context.Background())
	s.stop = stop
	return living
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

// podGrace is the grace period, in seconds, that pods are deleted with. The page's shell
// ignores SIGTERM, as interactive shells do, and would use up any longer one.
const podGrace int64 = 1

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
