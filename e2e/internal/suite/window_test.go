package suite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

func nodesNamed(n int) []Target {
	var all []Target
	for i := range n {
		all = append(all, Target{Node: fmt.Sprintf("pool-1234567890-node-%05d", i), RuntimeClass: "runc"})
	}
	return all
}

// TestWindow: of thousands of nodes, so many are worked on at one time; goroutines are bounded,
// and pods and allocations are as many for each node, whatever their number.
func TestWindow(t *testing.T) {
	const atOnce, goroutinesOfANode = 10, 16
	idle := runtime.NumGoroutine()
	allocated := func(n int) float64 {
		b := newBench()
		runner := runnerOn(t, b, sampleCase())
		runner.Targets, runner.NodesAtOnce, runner.Parallel, runner.Starting, runner.AtOnce = nodesNamed(n), atOnce, 64, 64, 2
		runner.Log = func(string, ...any) {}
		var mu sync.Mutex
		active := map[string]bool{}
		most, goroutines := 0, 0
		runner.OnStart = func(_ Case, target Target) {
			mu.Lock()
			defer mu.Unlock()
			active[target.Node] = true
			most, goroutines = max(most, len(active)), max(goroutines, runtime.NumGoroutine())
		}
		runner.OnResult = func(r Result) {
			mu.Lock()
			defer mu.Unlock()
			delete(active, r.Target.Node)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		results := runner.Run(t.Context())
		runtime.ReadMemStats(&after)
		require.Len(t, results, n)
		for i, r := range results {
			require.Equal(t, Conformant, r.Outcome, r.Reason)
			require.Equal(t, runner.Targets[i], r.Target, "in the order of the targets")
		}
		assert.Equal(t, map[string]int{"fixture.yaml": n, "control.yaml": n}, b.created)
		assert.LessOrEqual(t, most, atOnce)
		assert.LessOrEqual(t, goroutines, idle+atOnce*goroutinesOfANode)
		return float64(after.Mallocs - before.Mallocs)
	}
	one, four := allocated(500), allocated(2000)
	assert.Less(t, four, 6*one, "allocations for 500 nodes, and for 2,000")
}

// TestWindowTakesNodesWhole: a node's targets are worked on together, because a disruption of
// the node waits for all of them.
func TestWindowTakesNodesWhole(t *testing.T) {
	w := newWindow([]Target{{Node: "a"}, {Node: "b"}, {Node: "a", RuntimeClass: "gvisor"}})
	assert.Equal(t, []string{"a", "b"}, w.nodes)
	assert.Equal(t, map[string][]int{"a": {0, 2}, "b": {1}}, w.targets)
}

// TestAbsentNodesAreLeftOut: a node that had to wait and is not there when its turn comes is
// asked for once more in the end; one that has not waited is worked on whatever is said of it.
func TestAbsentNodesAreLeftOut(t *testing.T) {
	b := newBench()
	runner := runnerOn(t, b, sampleCase())
	runner.NodesAtOnce = 1
	runner.Targets = []Target{{Node: "first"}, {Node: "gone"}, {Node: "back"}, {Node: "last"}, {Node: "gone", RuntimeClass: "gvisor"}}
	asked := map[string]int{}
	runner.Absent = func(node string) string {
		asked[node]++
		switch {
		case node == "first", node == "gone", node == "back" && asked[node] == 1:
			return "not Ready any more"
		}
		return ""
	}
	out := map[string]string{}
	runner.OnLeftOut = func(target Target, why string) { out[target.Name()] = why }
	var ran []string
	for _, r := range runner.Run(t.Context()) {
		assert.Equal(t, Conformant, r.Outcome, r.Reason)
		ran = append(ran, r.Target.Name())
	}
	assert.Equal(t, []string{"first", "back", "last"}, ran)
	assert.Equal(t, map[string]string{"gone": "not Ready any more", "gone/gvisor": "not Ready any more"}, out)
	assert.Equal(t, map[string]int{"gone": 2, "back": 2, "last": 1}, asked)
}

// slow has pods that are accepted late, and then ready at once or never.
type slow struct {
	*bench
	accepts time.Duration
	never   bool
}

func (s slow) Create(ctx context.Context, m Manifest) (*corev1.Pod, error) {
	select {
	case <-time.After(s.accepts):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return s.bench.Create(ctx, m)
}

func (s slow) Await(ctx context.Context, name, what string, mayEnd bool, done func(*corev1.Pod) bool) (*corev1.Pod, error) {
	if s.never {
		<-ctx.Done()
		return nil, errors.Join(errors.New("not Ready"), context.Cause(ctx))
	}
	return s.bench.Await(ctx, name, what, mayEnd, done)
}

// TestTimeBeginsWhenThePodIsAccepted: what stands in a queue is not late, and what is accepted and
// does not come is.
func TestTimeBeginsWhenThePodIsAccepted(t *testing.T) {
	for name, row := range map[string]struct {
		never  bool
		want   Outcome
		reason string
	}{
		"ready":     {false, Conformant, ""},
		"not ready": {true, Inconclusive, "not within 1s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			runner := runnerOn(t, slow{newBench(), time.Hour, row.never}, sampleCase())
			runner.Timeout, runner.Parallel, runner.Starting, runner.AtOnce = time.Second, 2, 2, 2
			results := runner.Run(t.Context())
			require.Len(t, results, 1, name)
			assert.Equal(t, row.want, results[0].Outcome, name)
			assert.Contains(t, results[0].Reason, row.reason, name)
		})
	}
}

// TestTimeThatIsOverIsNoInterrupt: who waits can tell the end of a pod's time from that of the run.
func TestTimeThatIsOverIsNoInterrupt(t *testing.T) {
	for name, row := range map[string]struct {
		interrupted bool
		says        string
	}{
		"time is over": {false, "not within 1s"},
		"interrupted":  {true, "somebody left"},
	} {
		synctest.Test(t, func(t *testing.T) {
			run, interrupt := context.WithCancelCause(t.Context())
			defer interrupt(nil)
			w := (&Runner{Timeout: time.Second}).newWaiting(run)
			defer w.over()
			w.answered()
			if row.interrupted {
				interrupt(errors.New("somebody left"))
			}
			<-w.Done()
			require.EqualError(t, context.Cause(w), row.says, name)
			assert.Equal(t, !row.interrupted, errors.Is(context.Cause(w), context.DeadlineExceeded), name)
		})
	}
}

// TestScope: all cases on one node of each kind, and those of everywhere on all.
func TestScope(t *testing.T) {
	b := newBench()
	everywhere, elsewhere := sampleCase(), sampleCase()
	elsewhere.ID, elsewhere.Fixture = "area/other", "same-as-fixture.yaml"
	runner := runnerOn(t, b, everywhere, elsewhere)
	runner.Targets = []Target{{Node: "a"}, {Node: "b"}, {Node: "c", Kernel: "7"}, {Node: "d"}}
	runner.Scope = NewScope(runner.Targets, runner.Cases, func(c Case) bool { return c.ID == everywhere.ID })
	assert.Equal(t, &Scope{Everywhere: []string{everywhere.ID}, Samples: []string{"a", "c"}}, runner.Scope)
	var ran []string
	for _, r := range runner.Run(t.Context()) {
		assert.Equal(t, Conformant, r.Outcome, r.Reason)
		ran = append(ran, r.Target.Node+" "+r.Case.ID)
	}
	assert.Equal(t, []string{"a area/case", "a area/other", "b area/case", "c area/case", "c area/other", "d area/case"}, ran)
	assert.Equal(t, map[string]int{"fixture.yaml": 4, "control.yaml": 4, "same-as-fixture.yaml": 2}, b.created)
	b.mu.Lock()
	discarded := slices.Clone(b.discarded) // the pods of the samples go when they go
	b.mu.Unlock()
	discarded = slices.DeleteFunc(discarded, func(what string) bool { return !strings.HasPrefix(what, "all on ") })
	assert.Equal(t, []string{"all on b d"}, discarded, "one request for the pods of some nodes")
	assert.Equal(t, 6, runner.Scope.On(runner.Targets, 2, 1))
	assert.Equal(t, 8, (*Scope)(nil).On(runner.Targets, 2, 1))
}

// TestASweepAsksWithThePair: on each node but the samples, the two pods of a case's pair, and of the control
// the containers that the pair names; as many for each node, whatever their number. A control that shares leaves
// a node inconclusive.
func TestASweepAsksWithThePair(t *testing.T) {
	const nodes, shares = 1000, 77
	b := newBench()
	var mu sync.Mutex
	execs := map[string]int{}
	b.observe = func(file string, _ int) *probe.Snapshot {
		mu.Lock()
		defer mu.Unlock()
		execs[file]++
		return nil
	}
	c := sampleCase()
	c.Pair = &Pair{Fixture: "pair.yaml", Control: "pair-control.yaml", ControlSees: []string{"app"}}
	c.Judge = func(o Observation) error {
		switch control := strings.Contains(o.Pod.Name, "control"); {
		case !control && len(o.Before) != 2:
			return CannotTell("both containers of "+o.Pod.Name, fmt.Sprint(len(o.Before)))
		case control && o.Node.Kernel.BootID == "shares":
			return CannotTell("a look into container beside", "app sees its process")
		case control:
			return Violation("the fixture", o.Pod.Name)
		}
		return nil
	}
	runner := runnerOn(t, b, c)
	runner.Fixtures = func(file string) ([]byte, error) {
		raw, err := manifestFor(file)
		return append(raw, "  - {name: beside, image: busybox}\n"...), err
	}
	runner.Log = func(string, ...any) {}
	runner.Targets, runner.NodesAtOnce, runner.Parallel, runner.Starting, runner.AtOnce = nodesNamed(nodes), 10, 64, 64, 2
	runner.Targets[shares].BootID = "shares"
	runner.Scope = NewScope(runner.Targets, runner.Cases, func(Case) bool { return true })
	for i, r := range runner.Run(t.Context()) {
		switch i {
		case 0:
			assert.Equal(t, "fixture.yaml", r.Case.Fixture)
		case shares:
			assert.Equal(t, Inconclusive, r.Outcome)
			assert.Equal(t, "the check does not fail on the control pod, pair-control.yaml, as far as it was looked into, from app: "+
				"expected a look into container beside; observed app sees its process", r.Reason)
			continue
		default:
			require.Equal(t, "pair.yaml", r.Case.Fixture)
		}
		require.Equal(t, Conformant, r.Outcome, r.Reason)
	}
	assert.Equal(t, map[string]int{"fixture.yaml": 1, "control.yaml": 1, "pair.yaml": nodes - 1, "pair-control.yaml": nodes - 1}, b.created)
	assert.Len(t, b.discarded, 2+nodes/nodesTogether, "the sample's own two, and a request for each ten of the others")
	assert.Equal(t, map[string]int{"fixture.yaml": 2, "control.yaml": 2, "pair.yaml": 2 * (nodes - 1), "pair-control.yaml": nodes - 1}, execs)
}

// TestLooks: a pod is looked into from all containers where one of the cases that it is for needs that.
func TestLooks(t *testing.T) {
	for name, row := range map[string]struct {
		cases [][]string
		want  []string
	}{
		"nobody":        {nil, nil},
		"one":           {[][]string{{"a"}}, []string{"a"}},
		"two":           {[][]string{{"a"}, {"b", "a"}}, []string{"a", "b"}},
		"one needs all": {[][]string{{"a"}, nil}, nil},
	} {
		var l looks
		for _, names := range row.cases {
			l.add(names)
		}
		assert.Equal(t, row.want, l.only(), name)
	}
}

// TestLatecomersAreAsked: targets that come while others are worked on are asked in the end, each once and in
// windows like the others; they are looked for a few times, and not once the run has to end. One of a new
// kind is its sample.
func TestLatecomersAreAsked(t *testing.T) {
	first := []Target{{Node: "a"}, {Node: "b"}}
	waves := [][]Target{{{Node: "c"}, {Node: "d", Kernel: "7"}, {Node: "e", Kernel: "7"}}, {{Node: "f", Kernel: "7"}}, {{Node: "g"}}, {{Node: "h"}}}
	everywhere, elsewhere := sampleCase(), sampleCase()
	elsewhere.ID, elsewhere.Fixture = "area/other", "same-as-fixture.yaml"
	b := newBench()
	runner := runnerOn(t, b, everywhere, elsewhere)
	runner.Targets, runner.NodesAtOnce = first, 1
	runner.Scope = NewScope(first, runner.Cases, func(c Case) bool { return c.ID == everywhere.ID })
	asked := 0
	runner.Latecomers = func(context.Context) []Target {
		late := waves[asked]
		asked++
		runner.Scope.Join(late, runner.Targets)
		return late
	}
	var gone []string
	runner.Absent = func(node string) string {
		if node == "e" {
			return "deleted during the run"
		}
		return ""
	}
	runner.OnLeftOut = func(target Target, _ string) { gone = append(gone, target.Name()) }
	var ran []string
	for _, r := range runner.Run(t.Context()) {
		assert.Equal(t, Conformant, r.Outcome, r.Reason)
		ran = append(ran, r.Target.Node+" "+r.Case.ID)
	}
	assert.Equal(t, []string{"a area/case", "a area/other", "b area/case", "c area/case", "d area/case", "d area/other", "f area/case", "g area/case"}, ran)
	assert.Equal(t, latecomerRounds, asked)
	assert.Equal(t, []string{"e"}, gone, "one that came and went is left out like any other")
	assert.Equal(t, []string{"a", "d"}, runner.Scope.Samples)
	assert.Equal(t, []string{"c", "d", "e", "f", "g"}, runner.Scope.Late)
	assert.Len(t, runner.Targets, 7)
}

// TestNobodyIsLookedForInVain: a run that nobody has come to, that was stopped, or interrupted, ends.
func TestNobodyIsLookedForInVain(t *testing.T) {
	for name, row := range map[string]struct {
		stopped, interrupted bool
		asked                int
	}{
		"nobody came": {false, false, 1}, "stopped": {true, false, 0}, "interrupted": {false, true, 0},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		runner := runnerOn(t, newBench(), sampleCase())
		asked := 0
		runner.Latecomers = func(context.Context) []Target { asked++; return nil }
		if row.stopped {
			runner.Stopped = func() string { return "it failed" }
		}
		if row.interrupted {
			interrupt()
		}
		runner.Run(ctx)
		interrupt()
		assert.Equal(t, row.asked, asked, name)
	}
}

// TestJoin: of the targets that come, one is the sample of its kind where no other one is there.
func TestJoin(t *testing.T) {
	old, twin, fresh := Target{Node: "old"}, Target{Node: "twin"}, Target{Node: "fresh", Kernel: "7"}
	for name, row := range map[string]struct {
		late, there []Target
		samples     []string
	}{
		"nobody":                    {nil, []Target{old}, []string{"old"}},
		"of a kind that has one":    {[]Target{twin}, []Target{old}, []string{"old"}},
		"of a new kind":             {[]Target{fresh, {Node: "fresh2", Kernel: "7"}}, []Target{old}, []string{"old", "fresh"}},
		"the sample was left out":   {[]Target{twin}, nil, []string{"old", "twin"}},
		"... and others were asked": {[]Target{twin}, []Target{{Node: "third"}}, []string{"old", "twin"}},
	} {
		s := &Scope{Samples: []string{"old"}}
		s.Join(row.late, row.there)
		assert.Equal(t, row.samples, s.Samples, name)
		assert.Len(t, s.Late, len(row.late), name)
	}
}

// TestTogether: the pods of a node are deleted by one request only where nothing but the sweep's
// own few are, and nobody wants to keep them.
func TestTogether(t *testing.T) {
	targets := []Target{{Node: "a"}, {Node: "b"}, {Node: "b", RuntimeClass: "gvisor"}, {Node: "c"}}
	scope := &Scope{Samples: []string{"a", "b/gvisor"}}
	for name, row := range map[string]struct {
		runner Runner
		want   map[string]bool
	}{
		"no sweep":    {Runner{Targets: targets}, nil},
		"sweep":       {Runner{Targets: targets, Scope: scope}, map[string]bool{"c": true}},
		"are kept":    {Runner{Targets: targets, Scope: scope, KeepFailed: true}, nil},
		"are adopted": {Runner{Targets: targets, Scope: scope, Adopted: map[WitnessKey]Adopted{}}, nil},
	} {
		assert.Equal(t, row.want, row.runner.together(targets), name)
	}
}
