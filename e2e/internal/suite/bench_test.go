package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/probe"
)

// bench stands in for a cluster, to test what the runner does with answers. It
// is no proof of anything about Kubernetes.
type bench struct {
	Cluster // what these tests do not use
	mu      sync.Mutex
	created map[string]int // by manifest file
	pods    map[string]*corev1.Pod
	files   map[string]string // manifest file by pod
	// The answers, by manifest file; nil means all is well.
	create  func(file string, pod *corev1.Pod) error
	await   func(file string) error
	observe func(file string, round int) *probe.Snapshot
	broken  func(file string, round int) error
	rounds  map[string]int

	discarded []string // manifest files
	disturbed Disturbance
	changers  difference.Attribution
	settings  []difference.Difference
	closed    string
	last      func(*corev1.Pod) (*corev1.Pod, bool) // what the watch saw last
}

func newBench() *bench {
	return &bench{created: map[string]int{}, pods: map[string]*corev1.Pod{}, files: map[string]string{}, rounds: map[string]int{}}
}

func (b *bench) Create(_ context.Context, m Manifest) (*corev1.Pod, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.created[m.File]++
	stored := m.Pod.DeepCopy()
	stored.Spec.RestartPolicy = corev1.RestartPolicyAlways
	if b.create != nil {
		if err := b.create(m.File, stored); err != nil {
			return nil, err
		}
	}
	stored.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	b.pods[stored.Name], b.files[stored.Name] = stored, m.File
	return stored, nil
}

func (b *bench) Await(_ context.Context, name, _ string, _ bool, done func(*corev1.Pod) bool) (*corev1.Pod, error) {
	pod, _ := b.Current(name)
	if b.await != nil {
		b.mu.Lock()
		file := b.files[name]
		b.mu.Unlock()
		if err := b.await(file); err != nil {
			return nil, err
		}
	}
	if !done(pod) {
		return nil, errors.New("the bench's pods are ready at once")
	}
	return pod, nil
}

func (b *bench) Broken(name string) error {
	if b.broken == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken(b.files[name], b.rounds[name])
}

func (b *bench) Current(name string) (*corev1.Pod, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	pod, ok := b.pods[name]
	return pod, ok
}

func (b *bench) Exec(context.Context, time.Duration, string, string, ...string) (probe.CommandResult, error) {
	return probe.CommandResult{}, nil
}

func (b *bench) ExecUnread(context.Context, string, string, ...string) error { return nil }

func (b *bench) Attach(context.Context, string, string, func(*probe.Terminal) error) error {
	return nil
}

func (b *bench) Observe(_ context.Context, _ time.Duration, pod, container string, _ []string) (*probe.Snapshot, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	file := b.files[pod]
	b.rounds[pod]++
	if b.observe != nil {
		if s := b.observe(file, b.rounds[pod]); s != nil {
			return s, "", nil
		}
	}
	return &probe.Snapshot{Container: container}, "", nil
}

func (b *bench) Events(context.Context, string) ([]Event, error) {
	return []Event{{Reason: "Started"}}, nil
}

func (b *bench) Logs(_ context.Context, _, container string, _ bool) (string, error) {
	return "", errors.New("no log of " + container)
}

func (b *bench) Last(pod string) (*corev1.Pod, bool) {
	last, ok := b.Current(pod)
	if ok && b.last != nil {
		return b.last(last.DeepCopy())
	}
	return last, false
}

func (b *bench) Closed(string) string { return b.closed }

func (b *bench) Disturbance(context.Context, string, time.Time) Disturbance { return b.disturbed }

func (b *bench) Discard(_ context.Context, m Manifest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.discarded = append(b.discarded, m.File)
}

func (b *bench) DiscardOn(_ context.Context, nodes []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.discarded = append(b.discarded, "all on "+strings.Join(slices.Sorted(slices.Values(nodes)), " "))
}

func (b *bench) Submit(_ context.Context, m Manifest, podSecurity string) (Answer, error) {
	if podSecurity == "restricted" {
		return Answer{Code: 403, Message: "violates PodSecurity"}, nil
	}
	return Answer{Code: 201, Sharing: sharing(m.Pod)}, nil
}

func (b *bench) Changers(context.Context, Manifest, bool) difference.Attribution { return b.changers }

func (b *bench) WorkloadChanges(string) []difference.Difference { return b.settings }

type noEvidence struct{}

func (noEvidence) Save(string, string, any) {}

// manifestFor has a pod with one container, named like the file.
func manifestFor(file string) ([]byte, error) {
	if file == "missing.yaml" {
		return nil, errors.New("no such manifest")
	}
	if file == "same-as-fixture.yaml" {
		file = "fixture.yaml"
	}
	name := strings.TrimSuffix(file, ".yaml")
	return fmt.Appendf(nil, "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  shareProcessNamespace: true\n  hostname: %s\n  containers:\n  - {name: app, image: busybox}\n", name, name), nil
}

func run(t *testing.T, b *bench, targets []Target, cases ...Case) []Result {
	t.Helper()
	runner := runnerOn(t, b, cases...)
	runner.Targets = targets
	return runner.Run(t.Context())
}

// runnerOn is a runner of one target, one thing at a time.
func runnerOn(t *testing.T, b Cluster, cases ...Case) *Runner {
	t.Helper()
	return &Runner{
		Cluster: b, Cases: cases, Targets: oneTarget, Fixtures: manifestFor, Placement: Placement{RunID: "test"},
		Timeout: 50 * time.Millisecond, Parallel: 1, Starting: 1, Evidence: noEvidence{}, Log: t.Logf,
		OnResult: func(Result) {}, OnReady: func(Target, string, time.Duration) {}, Skip: func(Case) string { return "" },
	}
}

// fixtureOnly says yes to the pod of fixture.yaml and no to any other.
func fixtureOnly(o Observation) error {
	if !strings.HasPrefix(o.Pod.Name, "fixture-") {
		return Violation("the fixture", o.Pod.Name)
	}
	return nil
}

func sampleCase() Case {
	return Case{ID: "area/case", Level: Core, Fixture: "fixture.yaml", Control: "control.yaml", Judge: fixtureOnly}
}

var oneTarget = []Target{{Node: "a"}}
