package suite

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// TestOnStart: each case that is run begins before it has a result, and no other does.
func TestOnStart(t *testing.T) {
	begun, other := sampleCase(), sampleCase()
	other.ID, other.MinVersion = "area/skipped", "9.9"
	dry := Case{ID: "area/dry", Level: Core, Fixture: "fixture.yaml", Submit: Submission("baseline"), Judge: func(Observation) error { return nil }}
	runner := runnerOn(t, newBench(), begun, other, dry)
	runner.Skip = func(c Case) string {
		if c.ID == other.ID {
			return "too old"
		}
		return ""
	}
	var mu sync.Mutex
	var order []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, what)
	}
	runner.OnStart = func(c Case, on Target) { note("begin " + c.ID + " on " + on.Name()) }
	runner.OnResult = func(r Result) { note("end " + r.Case.ID) }
	runner.Run(t.Context())
	at := func(what string) int {
		for i, one := range order {
			if one == what {
				return i
			}
		}
		return -1
	}
	for _, id := range []string{begun.ID, dry.ID} {
		assert.NotEqual(t, -1, at("begin "+id+" on a"), order)
		assert.Less(t, at("begin "+id+" on a"), at("end "+id), order)
	}
	assert.Equal(t, -1, at("begin "+other.ID+" on a"), order)
	assert.NotEqual(t, -1, at("end "+other.ID), order)
}

// TestStopped: when the run is stopped, no pod is started any more; what had its pods by
// then has its result, and the rest has none.
func TestStopped(t *testing.T) {
	named := func(id, fixture string) Case {
		return Case{ID: id, Level: Core, Fixture: fixture, NoControl: "none", Judge: func(Observation) error { return Violation("one", "two") }}
	}
	var mu sync.Mutex
	why := ""
	b := newBench()
	runner := runnerOn(t, b, named("area/first", "first.yaml"), named("area/second", "second.yaml"), named("area/third", "third.yaml"), sampleCase())
	runner.AtOnce = 1
	b.create = func(file string, _ *corev1.Pod) error {
		if file == "second.yaml" {
			mu.Lock()
			defer mu.Unlock()
			why = "area/first is non-conformant"
		}
		return nil
	}
	var told []string
	runner.OnResult = func(r Result) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, r.Case.ID)
	}
	runner.Stopped = func() string {
		mu.Lock()
		defer mu.Unlock()
		return why
	}
	results := runner.Run(t.Context())
	require.Len(t, results, 2)
	for i, id := range []string{"area/first", "area/second"} {
		assert.Equal(t, id, results[i].Case.ID)
		assert.Equal(t, NonConformant, results[i].Outcome)
	}
	assert.ElementsMatch(t, []string{"area/first", "area/second"}, told)
	assert.Equal(t, map[string]int{"first.yaml": 1, "second.yaml": 1}, b.created, "no other pod was created")
}

// TestStoppedAtOnce: nothing is run, and nothing waits for ever.
func TestStoppedAtOnce(t *testing.T) {
	disrupting := sampleCase()
	disrupting.ID, disrupting.Act = "area/disrupts", &Act{Name: "restart", Disrupts: true}
	b := newBench()
	runner := runnerOn(t, b, sampleCase(), disrupting)
	runner.Stopped = func() string { return "so it is" }
	assert.Empty(t, runner.Run(t.Context()))
	assert.Empty(t, b.created)
}
