package suite

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

// TestCongestion: slow looks halve what is done at one time, down to two; those that began before the last
// decrease change nothing; answers that come soon raise it one by one, and let in who waits, in their order. Who starts
// takes nothing from who acts.
func TestCongestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const within = time.Minute
		c := newCongestion(16, 8)
		look := func(took time.Duration) bool {
			began := time.Now()
			time.Sleep(took)
			_, _, fewer := c.took(began, took, within)
			return fewer
		}
		bounds := func() []int { return []int{c.limit(c.acting), c.limit(c.starting)} }
		assert.False(t, look(4*time.Second), "soon")
		assert.False(t, look(10*time.Second), "neither")
		assert.Equal(t, []int{16, 8}, bounds())
		old := time.Now()
		assert.True(t, look(20*time.Second))
		assert.Equal(t, []int{8, 4}, bounds())
		_, _, fewer := c.took(old, within, within)
		assert.False(t, fewer, "began before")
		assert.True(t, look(within))
		assert.True(t, look(within))
		assert.False(t, look(within), "no fewer than two")
		assert.Equal(t, []int{2, 2}, bounds())

		var lock sync.Mutex
		var entered []int
		c.take(c.starting)
		c.take(c.starting)
		go c.take(c.starting)
		synctest.Wait()
		c.take(c.acting)
		c.take(c.acting)
		for i := range 3 {
			go func() {
				c.take(c.acting)
				lock.Lock()
				defer lock.Unlock()
				entered = append(entered, i)
			}()
			synctest.Wait()
		}
		assert.Empty(t, entered)
		look(time.Second)
		look(time.Second)
		synctest.Wait()
		assert.Empty(t, entered, "2 + 1/2 + 1/2.5")
		look(time.Second)
		synctest.Wait()
		assert.Equal(t, []int{0}, entered)
		c.leave(c.acting)
		synctest.Wait()
		c.leave(c.acting)
		synctest.Wait()
		assert.Equal(t, []int{0, 1, 2}, entered)
		for range 1000 {
			look(time.Second)
		}
		assert.Equal(t, []int{16, 8}, bounds(), "and no more than at first")
	})
	for most, least := range map[int]int{1: 1, 2: 2, 3: 2} {
		c := newCongestion(most, 1)
		for range 5 {
			c.took(time.Now(), time.Hour, time.Minute)
		}
		assert.Equal(t, least, c.limit(c.acting), most)
		assert.Equal(t, 1, c.limit(c.starting), most)
	}
}

// busyFirst is a bench on which the first so many looks, and the first so many commands, have no answer in their time.
type busyFirst struct {
	deletable
	looks, commands *int
}

func (b busyFirst) Observe(_ context.Context, within time.Duration, _, container string, _ []string) (*probe.Snapshot, string, error) {
	if *b.looks == 0 {
		return &probe.Snapshot{Container: container}, "", nil
	}
	*b.looks--
	time.Sleep(within)
	return nil, "", &probe.DeadlineError{What: "exec in container " + container, Within: within}
}

func (b busyFirst) Exec(_ context.Context, within time.Duration, _, container string, _ ...string) (probe.CommandResult, error) {
	if *b.commands == 0 {
		return probe.CommandResult{}, nil
	}
	*b.commands--
	time.Sleep(within)
	late := &probe.DeadlineError{What: "exec in container " + container, Within: within}
	return probe.CommandResult{Failure: late.Error()}, late
}

// TestBusyNode: a look that had no answer in its time is sent once more, and an act of
// which a command had none is done once more, in a new pod.
func TestBusyNode(t *testing.T) {
	ran := func(o Observation) error {
		if r, ok := o.Ran["say"]; !ok || !r.Ran() {
			return CannotTell("what it says", "nothing")
		}
		return nil
	}
	for name, row := range map[string]struct {
		looks, commands int
		outcome         Outcome
		acts            int
	}{
		"answers":              {0, 0, Conformant, 1},
		"one look":             {1, 0, Conformant, 1},
		"each look":            {99, 0, Inconclusive, 0},
		"one command":          {0, 1, Conformant, 2},
		"each command":         {0, 99, Inconclusive, 2},
		"a look and a command": {1, 1, Conformant, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				acts := 0
				c := Case{ID: "a/busy", Fixture: "fixture.yaml", NoControl: "none needed", Judge: ran, Act: &Act{Name: "act", Within: time.Millisecond, Do: func(ctx context.Context, pod PodClient) error {
					acts++
					_, err := pod.Exec(ctx, "say", "busy", "echo")
					return err
				}}}
				b := newBench()
				runner := runnerOn(t, busyFirst{deletable{b}, &row.looks, &row.commands}, c)
				runner.Timeout = 5 * time.Minute
				results := runner.Run(t.Context())
				require.Len(t, results, 1)
				assert.Equal(t, row.outcome, results[0].Outcome, results[0].Reason)
				assert.Equal(t, row.acts, acts)
			})
		})
	}
}

// lateLooks is a bench whose pods' first looks have no answer in their time, all of them under way together.
type lateLooks struct {
	*bench
	lock  sync.Mutex
	asked map[string]int // by pod
}

func (l *lateLooks) Observe(_ context.Context, within time.Duration, pod, container string, _ []string) (*probe.Snapshot, string, error) {
	l.lock.Lock()
	l.asked[pod]++
	first := l.asked[pod] == 1
	l.lock.Unlock()
	if first {
		time.Sleep(within)
		return nil, "", &probe.DeadlineError{What: "exec in container " + container, Within: within}
	}
	return &probe.Snapshot{Container: container}, "", nil
}

// TestLateTogether: looks that were under way together, and had no answer, are one sign that the target is silent: each is sent
// once more.
func TestLateTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lateLooks{bench: newBench(), asked: map[string]int{}}
		var cases []Case
		for _, name := range []string{"one", "two", "three", "four"} {
			cases = append(cases, Case{ID: "a/" + name, Fixture: name + ".yaml", NoControl: "test", Judge: func(Observation) error { return nil }})
		}
		runner := runnerOn(t, l, cases...)
		runner.Timeout, runner.Parallel, runner.Starting, runner.AtOnce = 5*time.Minute, 4, 4, 4
		runner.Fixtures = func(file string) ([]byte, error) {
			return []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: " + strings.TrimSuffix(file, ".yaml") + "}\nspec:\n  containers:\n  - {name: app, image: busybox}\n"), nil
		}
		for _, r := range runner.Run(t.Context()) {
			assert.Equal(t, Conformant, r.Outcome, "%s: %s", r.Case.ID, r.Reason)
		}
		assert.Len(t, l.asked, 4)
	})
}

// TestSentLast: where nothing is to happen, the time in which the control showed its effect counts from when the act has ended:
// its signal may have been sent last.
func TestSentLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const showsAfter = 1500 * time.Millisecond
		acted := map[string]time.Time{} // by manifest
		var lock sync.Mutex
		b := newBench()
		b.observe = func(file string, _ int) *probe.Snapshot {
			lock.Lock()
			defer lock.Unlock()
			s := &probe.Snapshot{Container: "app"}
			if at, ok := acted[strings.TrimSuffix(file, ".yaml")]; ok && time.Since(at) >= showsAfter {
				s.Processes = []probe.Process{{PID: 7}}
			}
			return s
		}
		c := sampleCase()
		c.Judge = func(o Observation) error {
			if o.After != nil && len(o.AfterIn("app").Processes) > 0 {
				return Violation("nothing", "something")
			}
			return nil
		}
		c.Act = &Act{Name: "act", NoEffect: true, Within: time.Minute, Do: func(_ context.Context, pod PodClient) error {
			name, _, _ := strings.Cut(pod.Before().Pod.Name, "-")
			if name != "control" {
				time.Sleep(20 * time.Second) // the node is slow to send it
			}
			lock.Lock()
			defer lock.Unlock()
			acted[name] = time.Now()
			return nil
		}}
		runner := runnerOn(t, b, c)
		runner.Timeout, runner.Parallel, runner.Starting, runner.AtOnce = 5*time.Minute, 4, 4, 4
		results := runner.Run(t.Context())
		require.Len(t, results, 1)
		assert.Equal(t, NonConformant, results[0].Outcome, results[0].Reason)
	})
}

// slowly takes its time to delete a pod.
type slowly struct {
	Cluster
	takes time.Duration
}

func (s slowly) Delete(ctx context.Context, pod string, graceSeconds int64, within time.Duration) (bool, *corev1.Pod, error) {
	time.Sleep(min(s.takes, within))
	if s.takes > within {
		return false, nil, nil
	}
	return s.Cluster.Delete(ctx, pod, graceSeconds, within)
}

// TestSlowlyMadeAnew: a pod that takes a minute and a half to go is waited for before the act is done once more.
func TestSlowlyMadeAnew(t *testing.T) {
	for takes, want := range map[time.Duration]int{90 * time.Second: 2, time.Hour: 1} {
		synctest.Test(t, func(t *testing.T) {
			acts, looks, commands := 0, 0, 1
			c := sampleCase()
			c.Control, c.NoControl = "", "test"
			c.Judge = func(Observation) error { return nil }
			c.Act = &Act{Name: "act", Within: time.Millisecond, Do: func(ctx context.Context, pod PodClient) error {
				acts++
				_, err := pod.Exec(ctx, "say", "app", "echo")
				return err
			}}
			runner := runnerOn(t, slowly{busyFirst{deletable{newBench()}, &looks, &commands}, takes}, c)
			runner.Timeout = 5 * time.Minute
			results := runner.Run(t.Context())
			require.Len(t, results, 1)
			assert.Equal(t, want == 2, results[0].Outcome == Conformant, results[0].Reason)
			assert.Equal(t, want, acts)
		})
	}
}

// TestDeletionsOwnTime: that a place is waited for after a pod is gone is no part of how long that took.
func TestDeletionsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		c := sampleCase()
		c.Control, c.NoControl = "", "test"
		var took atomic.Value
		c.Judge = func(o Observation) error {
			if o.Deletion != nil {
				took.Store(o.Deletion.Seconds)
			}
			return nil
		}
		c.Act = &Act{Name: "act", Ends: true, Do: func(ctx context.Context, pod PodClient) error {
			s := pod.(*podClient).stage
			go func() {
				s.enter(acting) // while the pod is deleted
				time.Sleep(time.Minute)
				s.leave(acting)
			}()
			return pod.Delete(ctx, 1, time.Minute)
		}}
		runner := runnerOn(t, slowly{deletable{b}, 3 * time.Second}, c)
		runner.Parallel, runner.Timeout = 1, 5*time.Minute
		results := runner.Run(t.Context())
		require.Len(t, results, 1)
		assert.InDelta(t, 3, took.Load(), 0.5, results[0].Reason)
		time.Sleep(2 * time.Minute)
	})
}
