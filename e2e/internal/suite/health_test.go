package suite

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TestMissingImageIsFoundOutOnce: of the pods that need an image which the node
// cannot have, one waits for it; the others say so at once.
func TestMissingImageIsFoundOutOnce(t *testing.T) {
	b := newBench()
	b.await = func(string) error {
		return fmt.Errorf("pod x is not Ready: %w", &ImageError{Image: "busybox", Said: "ImagePullBackOff"})
	}
	cases := []Case{
		{ID: "a/one", Fixture: "one.yaml", Judge: fixtureOnly, NoControl: "test"},
		{ID: "a/two", Fixture: "two.yaml", Judge: fixtureOnly, NoControl: "test"},
		{ID: "a/three", Fixture: "three.yaml", Judge: fixtureOnly, NoControl: "test"},
	}
	results := run(t, b, []Target{{Node: "n"}}, cases...)
	for _, r := range results {
		assert.Equal(t, Inconclusive, r.Outcome)
		assert.Contains(t, r.Reason, "image busybox: ImagePullBackOff")
	}
	assert.Len(t, b.created, 1, "pods created")

	// Another node may have it.
	b = newBench()
	missing := map[string]bool{}
	b.await = func(file string) error {
		if missing[file] {
			return nil
		}
		missing[file] = true
		return &ImageError{Image: "busybox", Said: "ImagePullBackOff"}
	}
	results = run(t, b, []Target{{Node: "n"}, {Node: "m"}}, cases[0])
	assert.NotEqual(t, results[0].Outcome, results[1].Outcome)
}

// TestMissingImageIsTriedAgain: one pod's failure does not condemn an image for good; the
// second does, and so does one that no time takes away.
func TestMissingImageIsTriedAgain(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Image: "busybox"}}}}
	for name, row := range map[string]struct {
		final   bool
		second  bool // the second pod has it
		refused []time.Duration
		tried   time.Duration // -1: never
		then    bool          // refused afterwards
	}{
		"had the second time":   {false, true, []time.Duration{0, triedAgainAfter - 1}, triedAgainAfter, false},
		"missing, and for good": {false, false, []time.Duration{0, triedAgainAfter - 1}, triedAgainAfter, true},
		"never to be pulled":    {true, false, []time.Duration{0, time.Hour}, -1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &health{}
				began := time.Now()
				fail := func() {
					h.learn(t.Context(), &ImageError{Image: "busybox", Said: "ImagePullBackOff", Final: row.final}, nil)
				}
				fail()
				for _, after := range row.refused {
					time.Sleep(time.Until(began.Add(after)))
					assert.Error(t, h.refuses(pod), "after %s", after)
				}
				if row.tried >= 0 {
					time.Sleep(time.Until(began.Add(row.tried)))
					assert.NoError(t, h.refuses(pod), "one tries again")
					assert.Error(t, h.refuses(pod), "and the others do not")
					if row.second {
						h.pulled(pod)
					} else {
						fail()
					}
				}
				time.Sleep(time.Hour)
				assert.Equal(t, row.then, h.refuses(pod) != nil)
			})
		})
	}
}

// TestLostNodeIsFoundOutOnce: a node that is not Ready gets no further pods.
func TestLostNodeIsFoundOutOnce(t *testing.T) {
	b := newBench()
	b.await = func(string) error { return errors.New("not within 2m") }
	b.disturbed = Disturbance{Lost: true, Said: "node n is not Ready (NodeStatusUnknown)"}
	results := run(t, b, []Target{{Node: "n"}},
		Case{ID: "a/one", Fixture: "one.yaml", Judge: fixtureOnly, NoControl: "test"},
		Case{ID: "a/two", Fixture: "two.yaml", Judge: fixtureOnly, NoControl: "test"})
	assert.Len(t, b.created, 1, "pods created")
	said := results[0].Reason + "\n" + results[1].Reason
	assert.Equal(t, 1, strings.Count(said, "not within 2m"), said)
	assert.Equal(t, 1, strings.Count(said, "node n is not Ready"), said)
}

// TestDoubt: that a cluster does not conform is not said of one whose node was
// disturbed by something else; that it conforms is.
func TestDoubt(t *testing.T) {
	violated := Case{ID: "a/violated", Fixture: "other.yaml", Control: "control.yaml", Judge: fixtureOnly}
	holds := Case{ID: "a/holds", Fixture: "fixture.yaml", Control: "control.yaml", Judge: fixtureOnly}
	for _, row := range []struct {
		name      string
		c         Case
		disturbed Disturbance
		want      Outcome
	}{
		{"quiet", violated, Disturbance{}, NonConformant},
		{"disturbed", violated, Disturbance{Said: "node n was booted during the run"}, Inconclusive},
		{"disturbed, and it holds", holds, Disturbance{Said: "node n was booted during the run"}, Conformant},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench()
			b.disturbed = row.disturbed
			result := run(t, b, []Target{{Node: "n"}}, row.c)[0]
			assert.Equal(t, row.want, result.Outcome, result.Reason)
			if row.want == Inconclusive {
				assert.Contains(t, result.Reason, "node n was booted during the run")
			}
		})
	}
}

// TestDoubtOfAnEvictedPod: that kubelet ended a pod for lack of something is no fault of the cluster's.
func TestDoubtOfAnEvictedPod(t *testing.T) {
	for reason, want := range map[string]Outcome{"": NonConformant, "Evicted": Inconclusive} {
		result := Result{Outcome: NonConformant}
		(&Runner{Cluster: newBench()}).withdraw(t.Context(), &result, nil, Observation{AfterPod: &PodState{Name: "p", Reason: reason}}, time.Now())
		assert.Equal(t, want, result.Outcome, result.Reason)
	}
}

// TestWithdrawnForHunger: what was seen of a container that the kernel killed for lack of memory is nobody's
// violation, unless its manifest set the limit.
func TestWithdrawnForHunger(t *testing.T) {
	limit := corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")}}
	cpu := corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}
	ended := func(name, reason string) PodState {
		return PodState{Name: "p", Containers: map[string]ContainerState{name: {ExitReason: reason}}}
	}
	for name, row := range map[string]struct {
		resources corev1.ResourceRequirements
		pod       *corev1.ResourceRequirements
		at, after PodState
		want      Outcome
	}{
		"under a limit of the cluster's": {at: ended("app", "OOMKilled"), want: Inconclusive},
		"seen afterwards":                {after: ended("app", "OOMKilled"), want: Inconclusive},
		"with a limit of CPU":            {resources: cpu, after: ended("app", "OOMKilled"), want: Inconclusive},
		"under a limit of its own":       {resources: limit, after: ended("app", "OOMKilled"), want: NonConformant},
		"under its pod's":                {pod: &limit, after: ended("app", "OOMKilled"), want: NonConformant},
		"killed by a signal":             {after: ended("app", "Error"), want: NonConformant},
		"one that the cluster added":     {after: ended("mesh", "OOMKilled"), want: NonConformant},
	} {
		t.Run(name, func(t *testing.T) {
			result := Result{Outcome: NonConformant, Reason: "it was restarted"}
			sent := &corev1.Pod{Spec: corev1.PodSpec{Resources: row.pod, Containers: []corev1.Container{{Name: "app", Resources: row.resources}}}}
			(&Runner{Cluster: newBench()}).withdraw(t.Context(), &result, sent, Observation{Pod: row.at, AfterPod: &row.after}, time.Now())
			assert.Equal(t, row.want, result.Outcome, result.Reason)
			if row.want == Inconclusive {
				assert.Equal(t, "cannot tell: the run was disturbed: container app of pod "+row.at.Name+" was killed for lack of memory, of which its manifest sets no limit: "+
					"the node's, or one that the cluster added (a LimitRange?); and then: it was restarted", result.Reason)
			}
		})
	}
}
