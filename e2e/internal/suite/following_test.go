package suite

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

// TestFollowing: who follows whom, in whose pod.
func TestFollowing(t *testing.T) {
	one := &Act{Name: "one"}
	two := &Act{Name: "two", Follows: one}
	three := &Act{Name: "three", Follows: two}
	on := func(file string, act *Act) stageKey { return stageKey{file, act, Runs} }
	for name, row := range map[string]struct {
		needs []need
		want  map[stageKey]stageKey
	}{
		"alone":                      {[]need{{key: on("a", three)}}, nil},
		"a line":                     {[]need{{key: on("a", three)}, {key: on("a", one)}, {key: on("a", two)}}, map[stageKey]stageKey{on("a", two): on("a", one), on("a", three): on("a", one)}},
		"the middle was not chosen":  {[]need{{key: on("a", one)}, {key: on("a", three)}}, map[stageKey]stageKey{on("a", three): on("a", one)}},
		"the first was not chosen":   {[]need{{key: on("a", two)}, {key: on("a", three)}}, map[stageKey]stageKey{on("a", three): on("a", two)}},
		"another manifest":           {[]need{{key: on("a", one)}, {key: on("b", two)}}, nil},
		"it settles in its own way":  {[]need{{key: on("a", one)}, {key: on("a", two), await: true}}, nil},
		"the first settles that way": {[]need{{key: on("a", one), await: true}, {key: on("a", two)}}, nil},
	} {
		got := following(row.needs)
		assert.Len(t, got, len(row.want), name)
		for follower, first := range row.want {
			assert.Equal(t, first, got[follower], name)
		}
	}
	assert.Equal(t, []int{0, 0, 1, 2}, []int{(*Act)(nil).behind(), one.behind(), two.behind(), three.behind()})
	reads := stageKey{"a", nil, Runs}
	assert.Equal(t, on("a", one), carriedBy([]need{{key: on("a", two)}, {key: reads}, {key: on("a", one)}})[reads], "what reads comes before all acts")
}

// TestFollowersOfWhatReads: an act that spares a stored pod is done in one that is only read, whatever the
// judges say of that.
func TestFollowersOfWhatReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, acts := sampleCase(), sampleCase()
		reads.Judge = func(Observation) error { return Violation("a", "b") }
		acts.ID, acts.Submit = "area/acts", Stored
		acts.Act = &Act{Name: "spares", Spares: true, Do: func(ctx context.Context, pod PodClient) error {
			_, err := pod.Exec(ctx, "command", "app", "true")
			return err
		}}
		b := newBench()
		runner := runnerOn(t, b, reads, acts)
		runner.Spent = &Spent{}
		results := runner.Run(t.Context())
		assert.Equal(t, []Outcome{NonConformant, Conformant}, []Outcome{results[0].Outcome, results[1].Outcome}, "%v", results)
		assert.Equal(t, map[string]int{"fixture.yaml": 1, "control.yaml": 1}, b.created)
		assert.Equal(t, map[string]int{"before": 2, forCommands: 2}, runner.Spent.ByPurpose(), "nobody looks for it")
	})
}

// TestFollowers: an act is done in the pod of the one that it follows, as long as that leaves it as it should be.
func TestFollowers(t *testing.T) {
	broken := errors.New("the act failed")
	nothing := func(context.Context, PodClient) error { return nil }
	for name, row := range map[string]struct {
		first    func(context.Context, PodClient) error
		judge    func(Observation) error // of the first; nil: that of all
		bench    func(*bench)
		noEffect bool
		pods     map[string]int
		outcomes []Outcome
	}{
		"in one pod":                     {first: nothing, pods: map[string]int{"fixture.yaml": 1, "control.yaml": 1}, outcomes: []Outcome{Conformant, Conformant}},
		"where nothing may happen":       {first: nothing, noEffect: true, pods: map[string]int{"fixture.yaml": 1, "control.yaml": 1}, outcomes: []Outcome{Conformant, Conformant}},
		"the first act fails":            {first: func(context.Context, PodClient) error { return broken }, pods: map[string]int{"fixture.yaml": 2, "control.yaml": 2}, outcomes: []Outcome{Inconclusive, Conformant}},
		"the first finds the pod wrong":  {first: nothing, judge: func(Observation) error { return Violation("a", "b") }, pods: map[string]int{"fixture.yaml": 2, "control.yaml": 1}, outcomes: []Outcome{NonConformant, Conformant}},
		"the first finds it so for good": {first: nothing, judge: func(Observation) error { return Final(Violation("a", "b")) }, pods: map[string]int{"fixture.yaml": 2, "control.yaml": 1}, outcomes: []Outcome{NonConformant, Conformant}},
		"the first lets a control pass":  {first: nothing, judge: func(Observation) error { return nil }, pods: map[string]int{"fixture.yaml": 1, "control.yaml": 2}, outcomes: []Outcome{Inconclusive, Conformant}},
		"the first leaves a container that does not run": {first: nothing, bench: func(b *bench) {
			b.create = func(_ string, pod *corev1.Pod) error {
				pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app"}}
				return nil
			}
		}, pods: map[string]int{"fixture.yaml": 2, "control.yaml": 2}, outcomes: []Outcome{Conformant, Conformant}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := sampleCase(), sampleCase()
				first.Act = &Act{Name: "one", Within: time.Second, Do: row.first}
				if row.judge != nil {
					first.Judge = row.judge
				}
				second.ID = "area/second"
				second.Act = &Act{Name: "two", Within: time.Second, NoEffect: row.noEffect, Follows: first.Act, Do: func(ctx context.Context, pod PodClient) error {
					if len(pod.Before().Before) == 0 || len(pod.Before().Ran) > 0 {
						return errors.New("it has not looked at the pod itself")
					}
					_, err := pod.Exec(ctx, "command", "app", "true")
					return err
				}}
				b := newBench()
				if row.bench != nil {
					row.bench(b)
				}
				runner := runnerOn(t, b, second, first) // the order of the cases is no matter
				runner.Timeout, runner.AtOnce = time.Minute, 1
				results := runner.Run(t.Context())
				assert.Equal(t, row.outcomes, []Outcome{results[1].Outcome, results[0].Outcome}, "%v", results)
				assert.Equal(t, row.pods, b.created)
				synctest.Wait()
				created := 0
				for _, n := range row.pods {
					created += n
				}
				assert.Len(t, b.discarded, created, "every pod is given back, once")
				assert.Equal(t, "a/fixture.two", results[0].Folder)
			})
		})
	}
}

// TestFollowersOfWhatIsNotOver: an act of which something may come still is followed in the same pod by none, although
// all that was chosen has its answer: what came of it would be taken for the next one's doing.
func TestFollowersOfWhatIsNotOver(t *testing.T) {
	apart := func(err error) func(context.Context, PodClient) error {
		return func(ctx context.Context, pod PodClient) error {
			return pod.Apart(ctx, "signal", func(context.Context) error { return err })
		}
	}
	says := func(ctx context.Context, pod PodClient) error {
		_, _ = pod.Exec(ctx, "say", "app", "echo")
		return nil
	}
	seen := func(processes ...probe.Process) *probe.Snapshot { return &probe.Snapshot{Processes: processes} }
	began := probe.Process{PID: 7, StartTime: 1}
	lives := func(o Observation) error { // it is the second's claim that the first process lives on
		for _, s := range []*probe.Snapshot{o.Container("app"), o.AfterIn("app")} {
			if p, ok := s.Process(began.PID); !ok || p.Identity() != began.Identity() || p.State == "Z" {
				return Violation("the process that began with the container", "another")
			}
		}
		return fixtureOnly(o)
	}
	for name, row := range map[string]struct {
		first func(context.Context, PodClient) error
		cuts  int
		then  *probe.Snapshot // what the second sees in the first's pod; nil: what was there
		own   bool            // the second has a pod of its own
	}{
		"all is over":                         {first: apart(nil)},
		"an experiment was not carried out":   {first: apart(errors.New("no new workers in time")), own: true},
		"a command's connection was cut":      {first: says, cuts: 2, own: true},
		"a container was started again":       {first: apart(nil), then: seen(probe.Process{PID: 7, StartTime: 2}), own: true},
		"a container's process ended":         {first: apart(nil), then: seen(probe.Process{PID: 7, StartTime: 1, State: "Z"}), own: true},
		"something runs there besides":        {first: apart(nil), then: seen(began, probe.Process{PID: 8, StartTime: 2}), own: true},
		"something has ended there besides":   {first: apart(nil), then: seen(began, probe.Process{PID: 8, StartTime: 2, State: "Z"})},
		"what was there has another child":    {first: apart(nil), then: seen(began, probe.Process{PID: 8, PPID: 7, StartTime: 2})},
		"its container cannot be looked into": {first: apart(nil), then: &probe.Snapshot{Failure: "it does not run"}, own: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := sampleCase(), sampleCase()
				first.Act = &Act{Name: "one", Within: time.Second, Do: row.first}
				second.ID, second.Judge = "area/second", JudgedBySight(lives)
				second.Act = &Act{Name: "two", Within: time.Second, Follows: first.Act, Do: func(context.Context, PodClient) error { return nil }}
				b, kept := newBench(), &shelf{saved: map[string]any{}}
				b.observe = func(file string, round int) *probe.Snapshot {
					if file == "fixture.yaml" && round > 2 && row.then != nil { // the first looks twice
						return row.then
					}
					return seen(began)
				}
				runner := runnerOn(t, cutting{deletable{b}, &row.cuts}, first, second)
				runner.Timeout, runner.Evidence = time.Minute, kept
				for _, r := range runner.Run(t.Context()) {
					assert.Equal(t, Conformant, r.Outcome, "%s: %s", r.Case.ID, r.Reason)
				}
				synctest.Wait()
				assert.Equal(t, row.own, b.created["fixture.yaml"] == 2)
				_, shared := kept.saved["a/fixture.two/same-pod-as.txt"]
				assert.Equal(t, row.own, !shared, "the evidence says whose pod it was")
				assert.Len(t, b.discarded, b.created["fixture.yaml"]+b.created["control.yaml"], "every pod is given back, once")
			})
		})
	}
}

// TestFollowersWaitForNeighbours: what is done behind another act, and judged beside a second pod, looks when that was seen.
func TestFollowersWaitForNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nothing := func(context.Context, PodClient) error { return nil }
		first, second := sampleCase(), sampleCase()
		first.Act = &Act{Name: "one", Within: time.Second, Do: nothing}
		second.ID, second.Neighbour = "area/second", "neighbour.yaml"
		second.Act = &Act{Name: "two", Within: time.Second, Follows: first.Act, Do: nothing}
		b := newBench()
		b.await = func(file string) error {
			if file == "neighbour.yaml" {
				time.Sleep(time.Second)
			}
			return nil
		}
		var order []string
		b.observe = func(file string, _ int) *probe.Snapshot {
			order = append(order, file)
			return nil
		}
		runner := runnerOn(t, b, first, second)
		runner.Timeout, runner.AtOnce, runner.Starting, runner.Parallel = time.Minute, 3, 3, 3
		for _, r := range runner.Run(t.Context()) {
			assert.Equal(t, Conformant, r.Outcome, "%s: %s", r.Case.ID, r.Reason)
		}
		assert.Equal(t, map[string]int{"fixture.yaml": 1, "control.yaml": 1, "neighbour.yaml": 1}, b.created)
		const ofFirst = 3 // looks: two into the fixture, one into the control
		assert.Equal(t, ofFirst, slices.Index(order, "neighbour.yaml"), "%v", order)
	})
}

// TestPlannedPods: those that ride, and those that follow, have no pod in the plan.
func TestPlannedPods(t *testing.T) {
	act := &Act{Name: "act"}
	behind := sampleCase()
	behind.ID, behind.Act = "area/behind", &Act{Name: "behind", Follows: act}
	runner := runnerOn(t, newBench(), append(carriedCases(act), behind)...)
	assert.ElementsMatch(t, []PlannedPod{{File: "fixture.yaml"}, {File: "control.yaml"}}, runner.PlannedPods(runner.Targets[0]))
}
