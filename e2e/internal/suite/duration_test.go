package suite

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
)

// TestShareTime: cases share their pods' time, and none is given away twice.
func TestShareTime(t *testing.T) {
	stageOf := func(file string, own time.Duration) *stage { return &stage{key: stageKey{file: file}, own: own} }
	p := plan{stages: map[stageKey]*stage{}, skipped: map[string]string{"a/skipped": "too old"}}
	for _, s := range []*stage{stageOf("shared", 12*time.Second), stageOf("control", 6*time.Second), stageOf("alone", 5*time.Second), stageOf("second", time.Second)} {
		p.stages[s.key] = s
	}
	cases := []Case{
		{ID: "a/first", Fixture: "shared", Control: "control"},
		{ID: "a/second", Fixture: "shared", Control: "control"},
		{ID: "a/third", Fixture: "shared"},
		{ID: "a/alone", Fixture: "alone", Neighbour: "second"},
		{ID: "a/skipped", Fixture: "shared"},
	}
	var results []Result
	for _, c := range cases {
		results = append(results, Result{Case: c})
	}
	p.shareTime(results)
	var sum time.Duration
	for i, want := range []time.Duration{4 * time.Second, 4 * time.Second, 4 * time.Second, 5 * time.Second, 0} {
		assert.Equal(t, want, results[i].Duration, results[i].Case.ID)
		sum += results[i].Duration
	}
	assert.LessOrEqual(t, sum, 24*time.Second, "what the pods took")
}

// TestRunnerTellsOwnTime: with one pod at a time, the cases' times add up to no more
// than the run took, however long each of them waited for its turn.
func TestRunnerTellsOwnTime(t *testing.T) {
	const pods, took = 6, 20 * time.Millisecond
	b := newBench()
	var cases []Case
	for i := range pods {
		c := sampleCase()
		c.ID, c.Control, c.NoControl = fmt.Sprintf("area/case-%d", i), "", "a test"
		c.Act = &Act{Name: fmt.Sprintf("act-%d", i), Within: time.Second, Ends: true, Do: func(context.Context, PodClient) error {
			time.Sleep(took) // what is measured
			return nil
		}}
		cases = append(cases, c)
	}
	b.observe = func(string, int) *probe.Snapshot { return &probe.Snapshot{} }
	for name, limit := range map[string]func(*Runner){
		"one pod at a time":   func(r *Runner) { r.AtOnce = 1 },
		"one place to act in": func(r *Runner) { r.Parallel, r.AtOnce = 1, pods },
		"one pod that starts": func(r *Runner) { r.Starting, r.Parallel, r.AtOnce = 1, 1, pods },
	} {
		t.Run(name, func(t *testing.T) {
			// The bubble's clock stands still while the runner works: what is measured is what was waited for.
			synctest.Test(t, func(t *testing.T) {
				runner := &Runner{
					Cluster: b, Cases: cases, Targets: oneTarget, Fixtures: manifestFor, Placement: Placement{RunID: "test"},
					Timeout: time.Second, Parallel: pods, Starting: pods, AtOnce: pods, Evidence: noEvidence{}, Log: t.Logf,
					OnResult: func(Result) {}, OnReady: func(Target, string, time.Duration) {}, Skip: func(Case) string { return "" },
				}
				limit(runner)
				began := time.Now()
				results := runner.Run(t.Context())
				wall := time.Since(began)
				var sum time.Duration
				for _, r := range results {
					require.Equal(t, Conformant, r.Outcome, r.Reason)
					assert.GreaterOrEqual(t, r.Duration, took, r.Case.ID)
					sum += r.Duration
				}
				assert.LessOrEqual(t, sum, wall, "the sum of the cases' own times, in a run one after the other")
			})
		})
	}
}
