package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/cases"
	"procns/e2e/internal/cluster"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// client is a cluster whose pods take a second to become ready.
type client struct {
	mu                                     sync.Mutex
	now, most, there, mostThere            int
	created, awaited, ephemeral, discarded []string
	refuses, neverReady                    string
}

func (c *client) Create(_ context.Context, m suite.Manifest) (*corev1.Pod, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.created = append(c.created, m.File)
	if m.File == c.refuses {
		return nil, errors.New("refused")
	}
	c.now++
	c.there++
	c.most, c.mostThere = max(c.most, c.now), max(c.mostThere, c.there)
	pod := m.Pod.DeepCopy()
	pod.Labels = map[string]string{"file": m.File}
	return pod, nil
}

func (c *client) Await(ctx context.Context, pod, what string, _ bool, _ func(*corev1.Pod) bool) (*corev1.Pod, error) {
	time.Sleep(time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaited = append(c.awaited, what)
	if what == "Ready" {
		c.now--
	}
	if c.neverReady != "" {
		return nil, errors.New(c.neverReady)
	}
	return &corev1.Pod{}, nil
}

func (c *client) AddEphemeral(_ context.Context, _ *corev1.Pod, containers []corev1.EphemeralContainer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range containers {
		c.ephemeral = append(c.ephemeral, one.Name)
	}
	return nil
}

func (c *client) Discard(_ context.Context, m suite.Manifest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.there--
	c.discarded = append(c.discarded, m.File)
}

func TestMaker(t *testing.T) {
	pod := func(file string, submit suite.Submission) Pod {
		raw, err := fixtures.Read(file)
		require.NoError(t, err)
		m, err := suite.DecodeManifest(file, raw)
		require.NoError(t, err)
		return Pod{m, suite.PlannedPod{File: file, Submit: submit}}
	}
	many := make(Pods, 20)
	for i := range many {
		many[i] = pod("markers.yaml", suite.Runs)
	}
	synctest.Test(t, func(t *testing.T) {
		c := &client{}
		made, err := Maker{Client: c, Starting: 4, AtOnce: 3, Timeout: time.Minute}.Make(t.Context(), []Pods{many, many})
		require.NoError(t, err)
		require.Equal(t, 40, made)
		require.Len(t, c.discarded, 40)
		require.Equal(t, 4, c.most, "so many start at one time")
	})
	synctest.Test(t, func(t *testing.T) {
		c := &client{}
		_, err := Maker{Client: c, Starting: 9, AtOnce: 3, Timeout: time.Minute}.Make(t.Context(), []Pods{many})
		require.NoError(t, err)
		require.Equal(t, 3, c.most, "so many a target has")
	})
	synctest.Test(t, func(t *testing.T) {
		c := &client{refuses: "markers.yaml"}
		made, err := Maker{Client: c, Starting: 1, AtOnce: 1, Timeout: time.Minute}.Make(t.Context(),
			[]Pods{{pod("markers.yaml", suite.Runs), pod("lookout.yaml", suite.Stored), pod("ephemeral.yaml", suite.Runs)}})
		require.ErrorContains(t, err, "markers.yaml: refused")
		require.Equal(t, 2, made)
		require.Equal(t, []string{"Ready", "running its ephemeral containers"}, c.awaited, "what is stored is not awaited")
		require.Equal(t, []string{"debugger", "targeted"}, c.ephemeral)
		require.ElementsMatch(t, []string{"markers.yaml", "lookout.yaml", "ephemeral.yaml"}, c.discarded,
			"a place is free before its pod is deleted, so the order is open")
	})
	synctest.Test(t, func(t *testing.T) {
		c := &client{neverReady: "ImagePullBackOff"}
		made, err := Maker{Client: c, Starting: 1, AtOnce: 1, Timeout: time.Minute}.Make(t.Context(), []Pods{many[:2]})
		require.ErrorContains(t, err, "ImagePullBackOff")
		require.Zero(t, made)
	})
}

// TestPlace: L makes as many pods as the suite estimates for the same cases, on the same node, with the
// same images.
func TestPlace(t *testing.T) {
	core := slices.DeleteFunc(cases.All(), func(c suite.Case) bool { return c.Level != suite.Core })
	for name, selected := range map[string][]suite.Case{"all": cases.All(), "Core": core} {
		t.Run(name, func(t *testing.T) {
			target := suite.Target{Node: "worker"}
			r := &suite.Runner{
				Cases: selected, Targets: []suite.Target{target}, Fixtures: fixtures.Read, AtOnce: 40, Nodes: cluster.OwnNodes{},
				Skip:      func(suite.Case) string { return "" },
				Placement: suite.Placement{RunID: "r", Images: map[string]string{"busybox": "mirror/busybox:1"}},
			}
			for i := range r.Cases {
				r.Cases[i].Needs = nil // what a node lacks is no matter here
			}
			all, err := Place(r)
			require.NoError(t, err)
			require.Len(t, all, 1)
			estimated, err := suite.CostOf(selected, fixtures.Read)
			require.NoError(t, err)
			require.Len(t, all[0], estimated.Pods)
			names := map[string]bool{}
			for _, pod := range all[0] {
				require.Equal(t, "worker", suite.PinnedTo(pod.Pod), pod.PlannedPod.File)
				require.False(t, names[pod.Pod.Name], "two pods are called %s", pod.Pod.Name)
				names[pod.Pod.Name] = true
				for _, c := range pod.Pod.Spec.Containers {
					require.NotEqual(t, "busybox", c.Image)
				}
			}
		})
	}
}
