package suite

import (
	"context"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

// shelf keeps what is saved, by its path.
type shelf struct {
	mu    sync.Mutex
	saved map[string]any
}

func (s *shelf) Save(folder, name string, document any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved[path.Join(folder, name)] = document
}

type benchNodes struct{ Nodes }

func (benchNodes) Run(_ context.Context, node string, command ...string) (probe.CommandResult, error) {
	return probe.CommandResult{Stdout: node + " " + command[0]}, nil
}

// TestEvidenceOfNonPasses: of a case that did not pass, the pod, its events, its
// logs and its node's logs are kept; of one that passed, they are not.
func TestEvidenceOfNonPasses(t *testing.T) {
	after := []string{"events.json", "pod-in-the-end.json", "app.log", "app.previous.log"}
	for name, row := range map[string]struct {
		fixture string
		kept    bool
	}{"passed": {"fixture.yaml", false}, "did not pass": {"other.yaml", true}} {
		t.Run(name, func(t *testing.T) {
			b, kept := newBench(), &shelf{saved: map[string]any{}}
			b.create = func(_ string, stored *corev1.Pod) error {
				stored.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", ContainerID: "c", RestartCount: 1}}
				return nil
			}
			runner := &Runner{
				Cluster: b, Nodes: benchNodes{}, Targets: oneTarget, Fixtures: manifestFor, Placement: Placement{RunID: "test"},
				Cases:   []Case{{ID: "area/case", Fixture: row.fixture, NoControl: "a test", Judge: fixtureOnly}},
				Timeout: 50 * time.Millisecond, Evidence: kept, Log: t.Logf,
				OnResult: func(Result) {}, OnReady: func(Target, string, time.Duration) {}, Skip: func(Case) string { return "" },
			}
			folder := "a/" + StageName(row.fixture, nil, Runs)
			runner.Run(t.Context())
			discarded := func() bool {
				b.mu.Lock()
				defer b.mu.Unlock()
				return len(b.discarded) > 0
			}
			assert.Eventually(t, discarded, 5*time.Second, time.Millisecond) // the pod goes last
			kept.mu.Lock()
			defer kept.mu.Unlock()
			for _, name := range after {
				_, ok := kept.saved[path.Join(folder, name)]
				assert.Equal(t, row.kept, ok, name)
			}
			_, ok := kept.saved["nodes/a.kubelet.log"]
			assert.Equal(t, row.kept, ok, "the node's log")
			if row.kept {
				assert.Equal(t, "could not be read: no log of app\n", kept.saved[path.Join(folder, "app.log")])
			}
		})
	}
}

// TestNodeLogsOfItsRuntime: the log that is kept is that of the runtime that the node runs.
func TestNodeLogsOfItsRuntime(t *testing.T) {
	for runtime, units := range map[string][]string{
		"containerd://2.4.2": {"kubelet", "containerd"}, "cri-o://1.37.0": {"kubelet", "crio"}, "another://1": {"kubelet"},
	} {
		kept := &shelf{saved: map[string]any{}}
		r := &Runner{Nodes: benchNodes{}, Evidence: kept}
		r.keepNodeLogs(t.Context(), 0, []Result{{Outcome: NonConformant, Target: Target{Node: "a", Runtime: runtime}}})
		assert.Len(t, kept.saved, len(units), runtime)
		for _, unit := range units {
			assert.Contains(t, kept.saved, "nodes/a."+unit+".log")
		}
	}
}
