package suite

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestImage(t *testing.T) {
	const digest = "@sha256:0123"
	pinned := map[string]string{
		"nginx": "docker.io/library/nginx:1.31@sha256:a", "pause": "registry.k8s.io/pause:3.10.2@sha256:p",
		"busybox": "docker.io/library/busybox:1.37@sha256:b", "busybox:1.28": "docker.io/library/busybox:1.28@sha256:old",
	}
	for name, row := range map[string]struct {
		placement       Placement
		documented, use string
	}{
		"as documented":             {Placement{}, "nginx", "nginx"},
		"by reference":              {Placement{Images: map[string]string{"nginx": "r.example:5000/n:1"}}, "nginx", "r.example:5000/n:1"},
		"by its tag":                {Placement{Images: map[string]string{"busybox": "r.example/b", "busybox:1.28": "r.example/old"}}, "busybox:1.28", "r.example/old"},
		"by its name, with a tag":   {Placement{Images: map[string]string{"busybox:1.28": "r.example/old"}}, "busybox", "busybox"},
		"another image's reference": {Placement{Images: map[string]string{"busybox": "r.example/b"}}, "nginx", "nginx"},
		"from a registry":           {Placement{Registry: "mirror.example/lib"}, "nginx", "mirror.example/lib/nginx"},
		"with its tag":              {Placement{Registry: "mirror.example/lib/"}, "registry.k8s.io/pause:3.10.2", "mirror.example/lib/pause:3.10.2"},
		"with its digest":           {Placement{Registry: "mirror.example:5000"}, "docker.io/library/nginx:1" + digest, "mirror.example:5000/nginx:1" + digest},
		"a reference before the registry": {
			Placement{Images: map[string]string{"pause": "r.example/p"}, Registry: "mirror.example"}, "registry.k8s.io/pause:3.10.2", "r.example/p",
		},
		"by digest": {Placement{Images: map[string]string{"busybox": digest}}, "busybox:1.28", "busybox" + digest},
		"by digest from a registry": {
			Placement{Images: map[string]string{"pause": digest}, Registry: "mirror.example:5000/lib"},
			"registry.k8s.io/pause:3.10.2", "mirror.example:5000/lib/pause" + digest,
		},
		"pinned":                 {Placement{Pinned: pinned}, "nginx", "docker.io/library/nginx:1.31@sha256:a"},
		"pinned, with its tag":   {Placement{Pinned: pinned}, "registry.k8s.io/pause:3.10.2", "registry.k8s.io/pause:3.10.2@sha256:p"},
		"pinned by its tag":      {Placement{Pinned: pinned}, "busybox:1.28", "docker.io/library/busybox:1.28@sha256:old"},
		"another tag":            {Placement{Pinned: pinned}, "busybox:1.30", "busybox:1.30"},
		"pinned from a registry": {Placement{Pinned: pinned, Registry: "mirror.example/lib"}, "nginx", "mirror.example/lib/nginx:1.31@sha256:a"},
		"pinned otherwise":       {Placement{Pinned: pinned, Images: map[string]string{"nginx": digest}}, "nginx", "docker.io/library/nginx" + digest},
		"asked for as it is":     {Placement{Pinned: pinned, Images: map[string]string{"nginx": "nginx"}}, "nginx", "nginx"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, row.use, row.placement.Image(row.documented))
		})
	}
}

func TestPlaceTolerates(t *testing.T) {
	own := corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}
	placement := Placement{RunID: "r", Target: Target{Node: "a"}, Tolerations: map[string][]corev1.Toleration{"a": {own}, "b": {{Key: "other"}}}}
	m := decoded(t)
	placed := m.Place(placement)
	assert.Equal(t, []corev1.Toleration{own}, placed.Pod.Spec.Tolerations)
	assert.Empty(t, m.Pod.Spec.Tolerations, "the decoded manifest stays as it is")
}

func TestKeepFailed(t *testing.T) {
	b := newBench()
	wrong := sampleCase()
	wrong.ID, wrong.Fixture, wrong.Control = "area/wrong", "other.yaml", "other-control.yaml"
	var lock sync.Mutex
	var kept int
	runner := &Runner{
		Cluster: b, Cases: []Case{sampleCase(), wrong}, Targets: oneTarget, Fixtures: manifestFor, Placement: Placement{RunID: "test"},
		Timeout: 50 * time.Millisecond, Parallel: 1, AtOnce: 1, Evidence: noEvidence{}, KeepFailed: true,
		Log: func(format string, _ ...any) {
			if format == "%s: pod %s is kept" {
				lock.Lock()
				defer lock.Unlock()
				kept++
			}
		},
		OnResult: func(Result) {}, OnReady: func(Target, string, time.Duration) {}, Skip: func(Case) string { return "" },
	}
	results := runner.Run(t.Context())
	require.Equal(t, Conformant, results[0].Outcome)
	require.Equal(t, NonConformant, results[1].Outcome)
	require.Eventually(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		lock.Lock()
		defer lock.Unlock()
		return kept == 2 && len(b.discarded) == 2
	}, time.Second, time.Millisecond)
	slices.Sort(b.discarded)
	assert.Equal(t, []string{"control.yaml", "fixture.yaml"}, b.discarded)
}

func TestSumOfWhatIsNoPass(t *testing.T) {
	for _, outcome := range []Outcome{Planned, Exempted, Skipped} {
		v := Sum([]Result{{Outcome: outcome}}).Judged()
		assert.Equal(t, ExitInconclusive, v.ExitCode(), outcome)
	}
	v := Sum([]Result{{Outcome: Conformant}, {Outcome: Exempted}}).Judged()
	assert.Equal(t, ExitConformant, v.ExitCode())
	assert.Equal(t, 1, v.Exempted)
}
