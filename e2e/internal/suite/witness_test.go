package suite

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

func witnessRunner(t *testing.T, b *bench, cases ...Case) *Runner {
	t.Helper()
	return &Runner{
		Cluster: b, Cases: cases, Targets: oneTarget, Fixtures: manifestFor, Placement: Placement{RunID: "test"},
		Timeout: 50 * time.Millisecond, Parallel: 1, Starting: 1, Evidence: noEvidence{}, Log: t.Logf,
		OnResult: func(Result) {}, OnReady: func(Target, string, time.Duration) {}, Skip: func(Case) string { return "" },
	}
}

// TestLeave: the pods are made and observed; nothing is done to them, and they stay.
func TestLeave(t *testing.T) {
	b := newBench()
	b.observe = func(string, int) *probe.Snapshot {
		return &probe.Snapshot{Container: "app", Namespaces: map[string]uint64{"pid": 7}, Processes: []probe.Process{
			{PID: 1, Comm: "pause", StartTime: 5, Environ: probe.Access{Text: "PASSWORD=a"}}, {PID: 9, Observer: true},
		}}
	}
	c := sampleCase()
	c.Act = &Act{Name: "never", Do: nil} // carrying it out would panic
	left := witnessRunner(t, b, c).Leave(t.Context())
	require.Len(t, left, 2, "the fixture and the control")
	assert.Empty(t, b.discarded)
	for _, l := range left {
		require.NoError(t, l.Err)
		assert.Equal(t, l.Created, l.Pod)
		assert.Equal(t, l.Pod, l.Seen.Pod.Name)
		s := l.Seen.Container("app")
		assert.EqualValues(t, 7, s.Namespaces["pid"])
		require.Len(t, s.Processes, 1, "who observes is no process of the pod's")
		text, err := json.Marshal(l.Witness)
		require.NoError(t, err)
		assert.NotContains(t, string(text), "PASSWORD", "environments are nobody's business")
	}

	b.observe = func(string, int) *probe.Snapshot {
		return &probe.Snapshot{Container: "app", Failure: "exec was refused"}
	}
	for _, l := range witnessRunner(t, b, c).Leave(t.Context()) {
		assert.ErrorContains(t, l.Err, "exec was refused")
	}
}

// TestAdopt: a witness takes the place of a pod that the runner would make.
func TestAdopt(t *testing.T) {
	c := sampleCase()
	kept := func(o Observation) error {
		if o.Fate == nil || o.Fate.Earlier.Markers["one"] != "text" {
			return CannotTell("what was seen earlier", "nothing")
		}
		return fixtureOnly(o)
	}
	c.Judge = kept
	tied := c
	tied.ID, tied.Outlives = "area/tied", SameBoot
	newPod := func(name string) *corev1.Pod {
		p := &corev1.Pod{}
		p.Name, p.Spec.Containers = name, []corev1.Container{{Name: "app"}}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		return p
	}
	witness := func(file, name string) Adopted {
		return Adopted{
			Witness: Witness{File: file, Target: oneTarget[0], Created: name, Pod: name}, Pod: name,
			Fate: Fate{Earlier: Observation{Markers: map[string]string{"one": "text"}}},
		}
	}
	for name, row := range map[string]struct {
		change     func(fixture, control *Adopted)
		free, tied Outcome
		says       string // of the case that is tied to the old pod
	}{
		"as it was":       {nil, Conformant, Conformant, ""},
		"replaced":        {func(f, _ *Adopted) { f.Fate.Replaced = true }, Conformant, Skipped, "the pod is a new one"},
		"rebooted":        {func(f, _ *Adopted) { f.Fate.Rebooted = true }, Conformant, Skipped, "the node was restarted"},
		"gone":            {func(f, _ *Adopted) { f.Gone = "the node was drained" }, Skipped, Skipped, "the node was drained"},
		"lost":            {func(f, _ *Adopted) { f.Lost = "nobody knows" }, Inconclusive, Inconclusive, "nobody knows"},
		"control is gone": {func(_, c *Adopted) { c.Gone = "the node was drained" }, Inconclusive, Inconclusive, "the control control.yaml: the node was drained"},
		"another target":  {func(f, c *Adopted) { f.Witness.Target.Node, c.Witness.Target.Node = "b", "b" }, Skipped, Skipped, "no witness was left on this target"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.pods["fixture-old"], b.pods["control-old"] = newPod("fixture-old"), newPod("control-old")
			b.files["fixture-old"], b.files["control-old"] = "fixture.yaml", "control.yaml"
			fixture, control := witness("fixture.yaml", "fixture-old"), witness("control.yaml", "control-old")
			if row.change != nil {
				row.change(&fixture, &control)
			}
			runner := witnessRunner(t, b, c, tied)
			runner.Adopted = map[WitnessKey]Adopted{fixture.Witness.Key(): fixture, control.Witness.Key(): control}
			results := runner.Run(t.Context())
			assert.Equal(t, row.free, results[0].Outcome, results[0].Reason)
			assert.Equal(t, row.tied, results[1].Outcome, results[1].Reason)
			assert.Contains(t, results[1].Reason, row.says)
			assert.Empty(t, b.created, "nothing is made")
			assert.Empty(t, b.discarded, "and nothing is deleted")
		})
	}
}
