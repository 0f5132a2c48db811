package suite

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

// TestCarriedBy: who needs no pod of its own has that of an act, where the act leaves time for it.
func TestCarriedBy(t *testing.T) {
	act, spares, disrupts := &Act{Name: "act"}, &Act{Name: "spares", Spares: true}, &Act{Name: "disrupts", Disrupts: true}
	reads, stored := stageKey{"a", nil, Runs}, stageKey{"a", nil, Stored}
	acts, sparing, disrupting := stageKey{"a", act, Runs}, stageKey{"a", spares, Runs}, stageKey{"a", disrupts, Runs}
	for name, row := range map[string]struct {
		needs []need
		want  map[stageKey]stageKey
	}{
		"alone":                       {[]need{{key: reads}}, nil},
		"looked into in part":         {[]need{{key: stored}, {key: reads, looks: looks{names: []string{"one"}}}, {key: acts}}, map[stageKey]stageKey{stored: acts}},
		"nobody has its pod":          {[]need{{key: stored}, {key: reads, looks: looks{names: []string{"one"}}}}, nil},
		"what reads":                  {[]need{{key: reads}, {key: acts}}, map[stageKey]stageKey{reads: acts}},
		"another manifest":            {[]need{{key: reads}, {key: stageKey{"b", act, Runs}}}, nil},
		"what is stored, and read":    {[]need{{key: stored}, {key: reads}}, map[stageKey]stageKey{stored: reads}},
		"all of them":                 {[]need{{key: stored}, {key: reads}, {key: acts}}, map[stageKey]stageKey{stored: acts, reads: acts}},
		"a disruption comes too late": {[]need{{key: reads}, {key: disrupting}}, nil},
		"a neighbour is looked for":   {[]need{{key: reads, neighbour: true}, {key: acts}}, nil},
		"a neighbour that is spared":  {[]need{{key: reads, neighbour: true}, {key: acts}, {key: sparing}}, map[stageKey]stageKey{reads: sparing}},
		"it settles in its own way":   {[]need{{key: reads, await: true}, {key: acts}}, nil},
		"only admitted":               {[]need{{key: stageKey{"a", nil, DryRun}}, {key: acts}}, nil},
		"a stored pod is spared":      {[]need{{key: stageKey{"a", spares, Stored}}, {key: reads}}, map[stageKey]stageKey{{"a", spares, Stored}: reads}},
		"not where another act is":    {[]need{{key: stageKey{"a", spares, Stored}}, {key: acts}}, nil},
		"acts have pods of their own": {[]need{{key: acts}, {key: sparing}, {key: stageKey{"a", act, Stored}}}, nil},
	} {
		assert.Equal(t, row.want == nil, len(carriedBy(row.needs)) == 0, name)
		if row.want != nil {
			assert.True(t, maps.Equal(row.want, carriedBy(row.needs)), name)
		}
	}
}

// carriedCases are one that is only stored, one that only reads, and one that acts, on the same pods.
func carriedCases(act *Act) []Case {
	stored, reads, acts := sampleCase(), sampleCase(), sampleCase()
	stored.ID, stored.Submit = "area/stored", Stored
	stored.Turns.Kept = true
	reads.ID = "area/reads"
	acts.ID, acts.Act = "area/acts", act
	return []Case{stored, reads, acts}
}

// TestCarried: what befalls the pod of an act is not that of those who have seen what they needed.
func TestCarried(t *testing.T) {
	nothing := func(context.Context, PodClient) error { return nil }
	deletes := errors.New("the act failed")
	for name, row := range map[string]struct {
		do    func(context.Context, PodClient) error
		bench func(*bench)
		want  []Outcome
	}{
		"all is well":   {nothing, nil, []Outcome{Conformant, Conformant, Conformant}},
		"the act fails": {func(context.Context, PodClient) error { return deletes }, nil, []Outcome{Conformant, Conformant, Inconclusive}},
		"the pod does not come up": {nothing, func(b *bench) {
			b.await = func(string) error { return errors.New("ImagePullBackOff") }
		}, []Outcome{Conformant, Inconclusive, Inconclusive}},
		"the pod is refused": {nothing, func(b *bench) {
			b.create = func(string, *corev1.Pod) error { return errors.New("quota") }
		}, []Outcome{Inconclusive, Inconclusive, Inconclusive}},
		"the server drops the field": {nothing, func(b *bench) {
			b.create = func(_ string, pod *corev1.Pod) error {
				pod.Spec.ShareProcessNamespace = nil
				return nil
			}
			b.await = func(string) error { return errors.New("nothing is awaited") }
		}, []Outcome{Conformant, Inconclusive, Inconclusive}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				if row.bench != nil {
					row.bench(b)
				}
				results := run(t, b, oneTarget, carriedCases(&Act{Name: "act", Within: time.Millisecond, Do: row.do})...)
				var got []Outcome
				for _, r := range results {
					got = append(got, r.Outcome)
				}
				assert.Equal(t, row.want, got, "%v", results)
			})
		})
	}
}

// TestCarriedSeeNothingOfTheAct: each has its own evidence, without what the act did.
func TestCarriedSeeNothingOfTheAct(t *testing.T) {
	b, kept := newBench(), &shelf{saved: map[string]any{}}
	act := &Act{Name: "act", Within: time.Millisecond, Do: func(ctx context.Context, pod PodClient) error {
		_, err := pod.Exec(ctx, "command", "app", "true")
		return err
	}}
	runner := runnerOn(t, b, carriedCases(act)...)
	runner.Evidence = kept
	runner.Run(t.Context())
	assert.Equal(t, map[string]int{"fixture.yaml": 1, "control.yaml": 1}, b.created)
	seen := func(folder string) Observation {
		o, _ := kept.saved["a/"+folder+"/observation.json"].(Observation)
		return o
	}
	assert.Contains(t, seen("fixture.act").Ran, "command")
	assert.Empty(t, seen("fixture").Ran)
	assert.NotEmpty(t, seen("fixture").Before)
	assert.Empty(t, seen("fixture.stored").Before)
	assert.Equal(t, 201, seen("fixture.stored").Answers["create"].Code)
	assert.Empty(t, seen("fixture").Answers)
}

// TestCarriedKeepWhatTheySaw: where an act is done once more because the runtime failed to start a container
// meanwhile, those that could be judged by what they had seen keep it, a violation above all.
func TestCarriedKeepWhatTheySaw(t *testing.T) {
	first := Observation{Before: map[string]*probe.Snapshot{"app": {Self: 1}}}
	for name, row := range map[string]struct {
		judge func(Observation) error
		kept  bool
	}{
		"a pass":         {func(Observation) error { return nil }, true},
		"a violation":    {func(Observation) error { return Violation("a", "b") }, true},
		"nothing at all": {func(Observation) error { return CannotTell("a", "b") }, false},
	} {
		rider := &stage{key: stageKey{submit: Runs}, observation: first, handed: true}
		rider.expect(Case{Judge: row.judge}, true)
		host := &stage{riders: []*stage{rider}, observation: Observation{Before: map[string]*probe.Snapshot{"app": {Self: 2}}}}
		host.takeBack()
		assert.Equal(t, row.kept, rider.handed, name)
		host.handOver(Runs)
		assert.True(t, rider.handed, name)
		assert.Equal(t, row.kept, rider.observation.Before["app"].Self == 1, name)
	}
}
