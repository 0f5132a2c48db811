package suite

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/probe"
)

// Cluster is what the runner needs of a cluster. Names are those of placed
// manifests.
type Cluster interface {
	// Create creates a manifest's objects and returns the pod as stored.
	Create(ctx context.Context, m Manifest) (*corev1.Pod, error)
	// Await watches a pod until done, and returns its last state. Its error says
	// what the pod is waiting for; it ends early on states that do not pass, such as an
	// image that cannot be pulled and, unless containers of the pod may end meanwhile, a
	// container that ends as soon as it is started.
	Await(ctx context.Context, pod string, what string, mayEnd bool, done func(*corev1.Pod) bool) (*corev1.Pod, error)
	// Broken says why a pod that has started does not stay up, by its watched state: a
	// container that ends again and again; nil where nothing says so.
	Broken(pod string) error
	// AwaitOne watches all pods of the run until there is one that chosen accepts
	// and that is not being deleted.
	AwaitOne(ctx context.Context, what string, chosen func(*corev1.Pod) bool) (*corev1.Pod, error)
	// Current is the watched state of a pod, without a request.
	Current(pod string) (*corev1.Pod, bool)
	// Exec and Observe end with a probe.DeadlineError when there is no answer within
	// the given time of the request.
	Exec(ctx context.Context, within time.Duration, pod, container string, command ...string) (probe.CommandResult, error)
	Observe(ctx context.Context, within time.Duration, pod, container string, paths []string) (*probe.Snapshot, string, error)
	// ExecUnread ends when ctx does, which is no error, or when the session could not be opened.
	ExecUnread(ctx context.Context, pod, container string, command ...string) error
	Attach(ctx context.Context, pod, container string, converse func(*probe.Terminal) error) error

	// Submit sends a manifest with dryRun=All into a namespace that enforces a
	// level of Pod Security (empty: none). A refusal is an answer, no error.
	Submit(ctx context.Context, m Manifest, podSecurity string) (Answer, error)
	// Changers says who may change what is created of a manifest, as far as this
	// user may know; later: or what is done to it afterwards, and other objects of its template.
	Changers(ctx context.Context, m Manifest, later bool) difference.Attribution
	// WorkloadChanges are what the cluster made of the settings of a workload that was created.
	WorkloadChanges(workload string) []difference.Difference
	// Request sends any request into the run's namespace.
	Request(ctx context.Context, r Request) (Answer, error)
	// AddEphemeral adds ephemeral containers to a pod through its subresource.
	AddEphemeral(ctx context.Context, pod *corev1.Pod, containers []corev1.EphemeralContainer) error
	// Delete deletes a pod and waits until it is gone, at most within; last is
	// the pod as it was last seen.
	Delete(ctx context.Context, pod string, graceSeconds int64, within time.Duration) (gone bool, last *corev1.Pod, err error)
	// Logs is what a container, or its previous instance, printed; ErrLogGone if
	// kubelet has nothing left of that instance.
	Logs(ctx context.Context, pod, container string, previous bool) (string, error)
	// FollowLogs yields what a container prints from now on, until it ends.
	// The log comes once, at its end.
	FollowLogs(ctx context.Context, pod, container string) (<-chan Followed, error)
	Events(ctx context.Context, pod string) ([]Event, error)
	// Last is a pod as it was last seen, also where it is gone.
	Last(pod string) (last *corev1.Pod, gone bool)
	// Closed says what has come to keep new pods away from a node since the run began,
	// such as a cordon, as far as it is known without a request; "" if nothing has.
	Closed(node string) string
	// Disturbance tells what happened to a node since the run began, or to the way
	// there since the given moment.
	Disturbance(ctx context.Context, node string, since time.Time) Disturbance
	// Discard deletes what was created for a manifest, in the background: the
	// namespace's deletion is what makes sure of it.
	Discard(ctx context.Context, m Manifest)
	// DiscardOn does the same, by one request, for the pods of the run that have the NodeLabel of one
	// of the nodes, of which nothing is asked any more.
	DiscardOn(ctx context.Context, nodes []string)
}

// Followed is a log that was followed, and why it is not whole.
type Followed struct {
	Text string
	Lost error
}

// ErrNotAllowed says that a permission that a run may be without is missing.
var ErrNotAllowed = errors.New("not allowed")

// ErrLogGone says that kubelet keeps no previous instance of a container, nor its log.
var ErrLogGone = errors.New("kubelet keeps no previous instance of the container")

// Nodes reaches into the nodes of a cluster that the suite made itself.
type Nodes interface {
	Run(ctx context.Context, node string, command ...string) (probe.CommandResult, error)
	Restart(ctx context.Context, node string) error
	// AwaitReady waits until the node is Ready, as kubelet reported after since.
	AwaitReady(ctx context.Context, node string, since time.Time) error
}
