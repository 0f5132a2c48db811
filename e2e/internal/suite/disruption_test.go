package suite

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
)

// TestRunnerDisruptsLastAndOnce: a node is disturbed when all else is done, once
// for all pods of the act.
func TestRunnerDisruptsLastAndOnce(t *testing.T) {
	b := newBench()
	var mu sync.Mutex
	var order []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, what)
	}
	act := func(name string) *Act {
		return &Act{Name: name, Disrupts: true, Within: time.Second, Do: func(context.Context, PodClient) error {
			note(name)
			return nil
		}, Then: func(context.Context, PodClient) error {
			note("then " + name)
			return nil
		}}
	}
	quiet := sampleCase()
	quiet.Act = &Act{Name: "quiet", Within: time.Second, Do: func(context.Context, PodClient) error {
		note("quiet")
		return nil
	}}
	first, second := sampleCase(), sampleCase()
	first.ID, first.Act = "area/first", act("a-first")
	second.ID, second.Act = "area/second", act("b-second")
	for _, r := range run(t, b, oneTarget, second, first, quiet) {
		assert.Equal(t, Conformant, r.Outcome, "%s: %s", r.Case.ID, r.Reason)
	}
	// Each case has a fixture and a control.
	assert.Equal(t, []string{"quiet", "quiet", "a-first", "then a-first", "then a-first", "b-second", "then b-second", "then b-second"}, order)
}

// TestRunnerDisruptsANodeOfSeveralTargets: of the targets on one node, one after the other
// disrupts it, and none before the others' quiet cases are done. Another node is none of theirs.
func TestRunnerDisruptsANodeOfSeveralTargets(t *testing.T) {
	var mu sync.Mutex
	disrupting := map[string]int{} // by node
	concluded := map[string]int{}
	disrupts := sampleCase()
	disrupts.ID, disrupts.Act = "area/disrupts", &Act{Name: "disrupts", Disrupts: true, Within: time.Second, Do: func(_ context.Context, pod PodClient) error {
		node := pod.(*podClient).stage.target.Node
		mu.Lock()
		disrupting[node]++
		assert.Equal(t, 1, disrupting[node], "one at a time")
		assert.Equal(t, map[string]int{"a": 2, "b": 1}[node], concluded[node], "what is quiet comes first")
		mu.Unlock()
		time.Sleep(10 * time.Millisecond) // for another one to come in, if it could
		mu.Lock()
		disrupting[node]--
		mu.Unlock()
		return nil
	}}
	quiet := sampleCase()
	quiet.Act = &Act{Name: "quiet", Within: time.Second, Do: func(_ context.Context, pod PodClient) error {
		if pod.(*podClient).stage.target.RuntimeClass == "slow" {
			time.Sleep(50 * time.Millisecond) // for the others to be done before it
		}
		return nil
	}}
	runner := &Runner{
		Cluster: newBench(), Cases: []Case{disrupts, quiet}, Fixtures: manifestFor, Placement: Placement{RunID: "test"},
		Targets: []Target{{Node: "a"}, {Node: "a", RuntimeClass: "slow"}, {Node: "b"}},
		Timeout: time.Second, Parallel: 8, Starting: 8, AtOnce: 8, Evidence: noEvidence{}, Log: t.Logf,
		OnReady: func(Target, string, time.Duration) {}, Skip: func(Case) string { return "" },
		OnResult: func(r Result) {
			mu.Lock()
			defer mu.Unlock()
			if r.Case.ID == quiet.ID {
				concluded[r.Target.Node]++
			}
		},
	}
	for _, r := range runner.Run(t.Context()) {
		assert.Equal(t, Conformant, r.Outcome, "%s on %s: %s", r.Case.ID, r.Target.Name(), r.Reason)
	}
}

// TestRunnerDisruptionWithoutPods: pods that cannot be observed hold up neither
// the disruption nor the run.
func TestRunnerDisruptionWithoutPods(t *testing.T) {
	b := newBench()
	b.create = func(string, *corev1.Pod) error { return errors.New("refused") }
	c := sampleCase()
	c.Act = &Act{Name: "act", Disrupts: true, Within: time.Second, Do: func(context.Context, PodClient) error {
		t.Error("nothing is left to disturb")
		return nil
	}}
	results := run(t, b, oneTarget, c)
	assert.Equal(t, Inconclusive, results[0].Outcome)
	assert.Contains(t, results[0].Reason, "refused")
}
