package suite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

// hanging is a bench on which the container named hangs never answers an observation.
type hanging struct {
	*bench
	lock  sync.Mutex
	asked map[string]int // by container
}

func (h *hanging) Observe(_ context.Context, within time.Duration, _, container string, _ []string) (*probe.Snapshot, string, error) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.asked[container]++
	if container == "hangs" {
		return nil, "", fmt.Errorf("%w: pod x is Running", &probe.DeadlineError{What: "exec in container hangs", Within: within})
	}
	return &probe.Snapshot{Container: container}, "", nil
}

// TestHungObservation: a container that does not answer makes its cases inconclusive, is
// asked twice, and does not keep the others from being observed.
func TestHungObservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{bench: newBench(), asked: map[string]int{}}
		var judged bool
		c := Case{ID: "a/hangs", Fixture: "two.yaml", NoControl: "test", Judge: func(Observation) error { judged = true; return nil }}
		evidence := &kept{}
		runner := runnerOn(t, h, c)
		runner.Evidence = evidence
		runner.Fixtures = func(string) ([]byte, error) {
			return []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: two}\nspec:\n  containers:\n  - {name: hangs, image: busybox}\n  - {name: answers, image: busybox}\n"), nil
		}
		results := runner.Run(t.Context())
		require.Len(t, results, 1)
		assert.Equal(t, Inconclusive, results[0].Outcome)
		assert.Contains(t, results[0].Reason, "container hangs could not be observed: exec in container hangs did not end within 50ms: pod x is Running")
		assert.False(t, judged)
		assert.Equal(t, map[string]int{"hangs": 2, "answers": 1}, h.asked)
		require.NotNil(t, evidence.observation)
		assert.Empty(t, evidence.observation.Before["answers"].Failure)
		assert.Contains(t, evidence.observation.Before["hangs"].Failure, "did not end within")
	})
}

// silentFor is a bench whose containers do not answer before so many looks, and then at once. Those that do not
// answer take the time that they are given.
type silentFor struct {
	*bench
	lock  sync.Mutex
	looks int
	given []time.Duration
}

func (s *silentFor) Observe(_ context.Context, within time.Duration, _, container string, _ []string) (*probe.Snapshot, string, error) {
	s.lock.Lock()
	s.given = append(s.given, within)
	silent := s.looks > 0
	s.looks--
	s.lock.Unlock()
	if silent {
		time.Sleep(within) // in a bubble
		return nil, "", &probe.DeadlineError{What: "exec in container " + container, Within: within}
	}
	return &probe.Snapshot{Container: container}, "", nil
}

// TestSilentTarget: on a target that has not answered twice in a row, a look into a pod in which nothing was done
// is given up soon; a single lost answer is asked for again, and shortens no other look; an answer ends it. What an act looks at, and an
// act's commands, have all their time.
func TestSilentTarget(t *testing.T) {
	const full, forever = time.Minute, 1000
	for name, row := range map[string]struct {
		silent, inconclusive int
		given                []time.Duration
	}{
		"answers":    {0, 0, []time.Duration{full, full, full, full}},
		"lost one":   {1, 0, []time.Duration{full, full, full, full, full}},
		"lost two":   {2, 1, []time.Duration{full, full, shortLook, full, full}},
		"lost three": {3, 2, []time.Duration{full, full, shortLook, shortLook, full}},
		"is silent":  {forever, 4, []time.Duration{full, full, shortLook, shortLook, shortLook}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &silentFor{bench: newBench(), looks: row.silent}
			var cases []Case
			for _, name := range []string{"one", "two", "three", "four"} {
				cases = append(cases, Case{ID: "a/" + name, Fixture: name + ".yaml", NoControl: "test", Judge: func(Observation) error { return nil }})
			}
			runner := runnerOn(t, s, cases...)
			runner.Timeout = 5 * time.Minute
			for i, r := range runner.Run(t.Context()) {
				assert.Equal(t, i < row.inconclusive, r.Outcome == Inconclusive, "%s: %s: %s", name, r.Case.ID, r.Reason)
			}
			assert.Equal(t, row.given, s.given, name)
		})
	}
	known := &health{lost: forever}
	acting := &stage{runner: &Runner{Timeout: 5 * time.Minute}, health: known, key: stageKey{act: &Act{}}}
	assert.Equal(t, shortLook, acting.firstLookWithin())
	assert.Equal(t, full, acting.execWithin())
	assert.Equal(t, full, acting.actsExecWithin())
	acting.ready = 40 * time.Second
	assert.Equal(t, 2*full, acting.firstLookWithin(), "a node at work")
}

// kept keeps the last observation.
type kept struct{ observation *Observation }

func (k *kept) Save(_, _ string, document any) {
	if o, ok := document.(Observation); ok {
		k.observation = &o
	}
}

// TestLooksBackOff: a precondition that never holds is not asked for as fast as the
// cluster answers.
func TestLooksBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		c := sampleCase()
		c.Control, c.NoControl = "", "test"
		c.Precondition = func(Observation) error { return CannotTell("light", "darkness") }
		runner := runnerOn(t, b, c)
		runner.Timeout = 5 * time.Minute
		results := runner.Run(t.Context())
		assert.Equal(t, Inconclusive, results[0].Outcome)
		for _, rounds := range b.rounds {
			assert.Less(t, rounds, 170, "looks in five minutes")
			assert.Greater(t, rounds, 100)
		}
	})
}

// TestBrokenPod: a pod whose container crashes after it was Ready ends its cases when
// kubelet says so, unless its containers may end or the precondition holds.
func TestBrokenPod(t *testing.T) {
	for name, row := range map[string]struct {
		given, mayEnd bool
		rounds        int // at most
		says          string
	}{
		"crashes":             {false, false, 3, "does not stay up: exit code 3"},
		"and may":             {false, true, 1000, "darkness"},
		"and nothing's amiss": {true, false, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				b.broken = func(_ string, round int) error {
					if round < 3 {
						return nil
					}
					return errors.New("pod x does not stay up: exit code 3")
				}
				c := Case{ID: "a/b", Fixture: "fixture.yaml", NoControl: "test", Judge: fixtureOnly}
				c.Await = &Await{Name: "there", Done: func(PodState) bool { return true }, MayEnd: row.mayEnd}
				if !row.given {
					c.Precondition = func(Observation) error { return CannotTell("light", "darkness") }
				}
				runner := runnerOn(t, b, c)
				runner.Timeout = 5 * time.Minute
				result := runner.Run(t.Context())[0]
				assert.Contains(t, result.Reason, row.says)
				for _, rounds := range b.rounds {
					assert.LessOrEqual(t, rounds, row.rounds)
				}
			})
		})
	}
}

// TestDeadlines: no request waits longer than a case may, and an act's own commands as
// long as it says.
func TestDeadlines(t *testing.T) {
	for name, row := range map[string]struct {
		timeout, ready, act time.Duration
		exec, actsExec      time.Duration
		hostPID             bool
	}{
		"the default":                  {5 * time.Minute, 0, 0, time.Minute, time.Minute, false},
		"an impatient":                 {10 * time.Second, 0, 0, 10 * time.Second, 10 * time.Second, false},
		"a long act":                   {5 * time.Minute, 0, 10 * time.Minute, time.Minute, 10 * time.Minute, false},
		"a node at work":               {5 * time.Minute, 40 * time.Second, 0, 2 * time.Minute, 2 * time.Minute, false},
		"a look at a node's processes": {10 * time.Minute, 0, 0, 5 * time.Minute, 5 * time.Minute, true},
		"an impatient look":            {10 * time.Second, 0, 0, 10 * time.Second, 10 * time.Second, true},
		"a short session":              {5 * time.Minute, 0, time.Second, time.Minute, time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &stage{runner: &Runner{Timeout: row.timeout}, ready: row.ready, key: stageKey{act: &Act{ExecWithin: row.act}}}
			s.placed.Pod = &corev1.Pod{Spec: corev1.PodSpec{HostPID: row.hostPID}}
			assert.Equal(t, row.exec, s.execWithin())
			assert.Equal(t, row.actsExec, s.actsExecWithin())
		})
	}
	many := &stage{runner: &Runner{Timeout: 10 * time.Minute}, key: stageKey{act: &Act{Many: true}}}
	assert.Equal(t, 5*time.Minute, many.execWithin(), "a look at what an act left")
}

// runs sets whether the container app of every pod runs, by its status.
func (b *bench) runs(running bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, pod := range b.pods {
		is := corev1.ContainerStatus{Name: "app"}
		if running {
			is.State.Running = &corev1.ContainerStateRunning{}
		} else {
			is.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}
		}
		pod = pod.DeepCopy()
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{is}
		b.pods[name] = pod
	}
}

// TestStoppedContainersAreNotAsked: a container that does not run is looked into when it does, or in the
// last round.
func TestStoppedContainersAreNotAsked(t *testing.T) {
	for name, back := range map[string]bool{"it comes back": true, "it does not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, began := newBench(), time.Now()
				const until, within = 30 * time.Second, time.Minute
				var asked []time.Duration // after the act
				acted := false
				b.observe = func(string, int) *probe.Snapshot {
					if acted {
						asked = append(asked, time.Since(began))
					}
					return nil
				}
				c := sampleCase()
				c.Control, c.NoControl, c.Judge = "", "test", func(o Observation) error {
					if o.AfterIn("app").Failure != "" {
						return CannotTell("a look", "none")
					}
					return nil
				}
				c.Act = &Act{Name: "stop", Within: within, Do: func(context.Context, PodClient) error {
					acted = true
					b.runs(false)
					if back {
						time.AfterFunc(until, func() { b.runs(true) })
					}
					return nil
				}}
				assert.Equal(t, Conformant, run(t, b, oneTarget, c)[0].Outcome)
				require.Len(t, asked, 1)
				if back {
					assert.GreaterOrEqual(t, asked[0], until)
					assert.Less(t, asked[0], until+5*time.Second)
				} else {
					assert.GreaterOrEqual(t, asked[0], within)
				}
			})
		})
	}
}
