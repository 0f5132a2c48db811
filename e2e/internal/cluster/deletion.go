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
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"procns/e2e/internal/suite"
)

// Leftover is a namespace that is not gone.
type Leftover struct {
	Namespace string
	// Pending says that its deletion has begun and that no pod runs in it any more:
	// it goes by itself as soon as the cluster lets it.
	Pending bool
	Why     error
}

func (l *Leftover) Error() string {
	return fmt.Sprintf("namespace %s is left: %s", l.Namespace, oneLine(l.Why.Error()))
}

func (l *Leftover) Unwrap() error { return l.Why }

// Leftovers are what a clean-up could not remove, as an error.
type Leftovers []*Leftover

func (all Leftovers) Error() string {
	var each []string
	for _, l := range all {
		each = append(each, l.Error())
	}
	return strings.Join(each, "; ")
}

// Close deletes everything the run created and waits until it is gone. It uses
// a context of its own, so that it works after an interrupt. Its error, if it has
// one, is Leftovers.
func (s *Session) Close(ctx context.Context) error {
	if s == nil {
		return nil
	}
	if s.stop != nil {
		defer s.stop()
	}
	return deleteNamespaces(ctx, s.cleaner(), s.namespaces(), s.Say)
}

// cleaner is a client with a rate limit of its own: what the run's cases still
// have in their client's queue is not waited for.
func (s *Session) cleaner() kubernetes.Interface {
	if s.Config == nil {
		return s.Client
	}
	config := rest.CopyConfig(s.Config)
	config.RateLimiter = nil
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return s.Client
	}
	return client
}

// deleteNamespaces deletes them all at once, for the server takes its time for
// each, and waits until they are gone. say is told what is waited for, if it is not nil.
func deleteNamespaces(ctx context.Context, client kubernetes.Interface, names []string, say func(string, ...any)) error {
	return deletePaced(ctx, client, names, say, looks{firstLook, nextLook})
}

func deletePaced(ctx context.Context, client kubernetes.Interface, names []string, say func(string, ...any), pace looks) error {
	left := make(Leftovers, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			err := deleteNamespace(ctx, client, name, say, pace)
			if err != nil && !errors.As(err, &left[i]) {
				left[i] = &Leftover{Namespace: name, Why: err}
			}
		})
	}
	wg.Wait()
	left = slices.DeleteFunc(left, func(l *Leftover) bool { return l == nil })
	if len(left) == 0 {
		return nil
	}
	return left
}

// looks are when a namespace that does not go is looked at.
type looks struct{ first, next time.Duration }

const (
	// firstLook is when a namespace is gone, on a cluster that is not busy: kubelet confirms
	// a pod's end within seconds. At that time it is said what is waited for.
	firstLook = 25 * time.Second
	nextLook  = 15 * time.Second
	// finalizersLast is the time in which those who have put them on objects take them off.
	finalizersLast = time.Minute
	// startedLast is the time in which kubelet gives up what a pod that is deleted was to start:
	// it waits for a pull, which a registry that sends nothing holds up for minutes.
	startedLast = time.Minute
)

func deleteNamespace(ctx context.Context, client kubernetes.Interface, name string, say func(string, ...any), pace looks) error {
	// First the namespace: in one that is terminating, no workload makes new pods.
	err := untilTaken(ctx, func() error { return client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}) })
	// Servers before v1.16 say of one that is being deleted already that it conflicts.
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return told(err, "deleting it")
	}
	d := departure{name: name, client: client, running: -1}
	// Where its pods cannot be deleted by us, the namespace's own controller does it.
	if err := untilTaken(ctx, func() error { return deletePods(ctx, client, name) }); err != nil && !apierrors.IsNotFound(err) {
		d.hindered = told(err, "deleting its pods").Error()
	}
	began := time.Now()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	gone := make(chan error, 1)
	go func() { gone <- d.watch(watching) }()
	said := ""
	for wait := pace.first; ; wait = pace.next {
		select {
		case err := <-gone:
			if err == nil || ctx.Err() == nil {
				return err
			}
			return d.leftover("its deletion did not finish in time")
		case <-time.After(wait):
		}
		abandoned := abandonPods(ctx, client, name, time.Since(began))
		d.look(ctx)
		if ctx.Err() != nil {
			continue // what could be found out is known
		}
		if why := d.terminal(time.Since(began)); why != "" {
			return d.leftover(why)
		}
		waits := d.remaining()
		if abandoned != nil { // most of the time, because it is not allowed
			waits = strings.TrimPrefix(waits+"; whether its pods' nodes answer is not known: "+abandoned.Error(), "; ")
		}
		if waits = oneLine(waits); say != nil && waits != "" && waits != said {
			say("==> waiting for namespace %s to go: %s", name, waits)
			said = waits
		}
	}
}

// told is the error of a request in one line: where somebody refused it, with who that was and what to do.
func told(err error, doing string) error {
	if answer, ok := suite.AnswerOf(err); ok {
		if refusal := answer.Refusal(); refusal.Lasting() || refusal.Down {
			return suite.Failed(err, "%s", doing)
		}
	}
	return err
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// departure is a namespace that is being deleted.
type departure struct {
	name   string
	client kubernetes.Interface
	// hindered is why its pods could not be deleted, or "".
	hindered string

	mu   sync.Mutex
	last *corev1.Namespace // as the watch told of it
	// running are its pods that have not ended, when they were last looked for; -1:
	// nobody knows.
	running int
}

// watch returns when the namespace is gone.
func (d *departure) watch(ctx context.Context) error {
	note := func(object any) {
		if namespace, ok := object.(*corev1.Namespace); ok {
			d.mu.Lock()
			d.last = namespace
			d.mu.Unlock()
		}
	}
	lw := cache.NewListWatchFromClient(d.client.CoreV1().RESTClient(), "namespaces", "", fields.OneTermEqualSelector("metadata.name", d.name))
	absent := func(store cache.Store) (bool, error) {
		for _, item := range store.List() {
			note(item)
		}
		return len(store.List()) == 0, nil
	}
	_, err := watchtools.UntilWithSync(ctx, lw, &corev1.Namespace{}, absent, func(e watch.Event) (bool, error) {
		note(e.Object)
		return e.Type == watch.Deleted, nil
	})
	return err
}

// look counts the pods that still run.
func (d *departure) look(ctx context.Context) {
	running := -1
	if pods, err := d.client.CoreV1().Pods(d.name).List(ctx, metav1.ListOptions{}); err == nil {
		running = 0
		for _, p := range pods.Items {
			if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
				running++
			}
		}
	}
	d.mu.Lock()
	d.running = running
	d.mu.Unlock()
}

// remaining is what the namespace itself says, in its conditions, of why it is
// still there.
func (d *departure) remaining() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == nil {
		return ""
	}
	return Remaining(d.last.Status.Conditions)
}

// Remaining quotes the conditions that say why a namespace is still there.
func Remaining(conditions []corev1.NamespaceCondition) string {
	var said []string
	for _, c := range conditions {
		if c.Status == corev1.ConditionTrue {
			said = append(said, fmt.Sprintf("%s: %s", c.Type, strings.TrimSpace(c.Message)))
		}
	}
	return strings.Join(said, "; ")
}

func (d *departure) has(which ...corev1.NamespaceConditionType) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last != nil && slices.ContainsFunc(d.last.Status.Conditions, func(c corev1.NamespaceCondition) bool {
		return c.Status == corev1.ConditionTrue && slices.Contains(which, c.Type)
	})
}

// terminal says why waiting any longer is of no use, or "": nothing of the run
// lives in the namespace, and what keeps it is not the run's.
func (d *departure) terminal(waited time.Duration) string {
	d.mu.Lock()
	running := d.running
	d.mu.Unlock()
	switch {
	case running != 0:
		return ""
	case d.has(corev1.NamespaceDeletionDiscoveryFailure, corev1.NamespaceDeletionGVParsingFailure):
		return "the server cannot finish its deletion before every API of the cluster answers (kubectl get apiservices)"
	case waited >= finalizersLast && d.has(corev1.NamespaceFinalizersRemaining):
		return "something in it has a finalizer that is not taken off"
	}
	return ""
}

// leftover is the namespace, as it is left.
func (d *departure) leftover(why string) *Leftover {
	for _, said := range []string{d.remaining(), d.hindered} {
		if said != "" {
			why += "; " + said
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	deleted := d.last != nil && d.last.DeletionTimestamp != nil
	return &Leftover{Namespace: d.name, Pending: deleted && d.running == 0, Why: errors.New(oneLine(why))}
}
