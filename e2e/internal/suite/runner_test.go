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

	"procns/e2e/internal/difference"
	"procns/e2e/internal/probe"
)

func TestRunnerOutcomes(t *testing.T) {
	lies := func(Observation) error { return nil }
	for name, row := range map[string]struct {
		change  func(*Case)
		bench   func(*bench)
		outcome Outcome
		says    string
	}{
		"conformant":            {outcome: Conformant},
		"control does not bite": {change: func(c *Case) { c.Judge = lies }, outcome: Inconclusive, says: "also passes on the control pod"},
		"violation": {change: func(c *Case) {
			c.Judge = func(Observation) error { return Violation("one", "two") }
		}, outcome: NonConformant, says: "expected one; observed two"},
		"cannot tell": {change: func(c *Case) {
			c.Judge = func(Observation) error { return CannotTell("light", "darkness") }
		}, outcome: Inconclusive, says: "darkness"},
		"no control": {change: func(c *Case) { c.Control, c.NoControl = "", "none possible" }, outcome: Conformant},
		"a fixture that is its own control": {change: func(c *Case) {
			c.Control = "same-as-fixture.yaml"
			c.Judge = func(Observation) error { return Violation("one", "two") }
		}, outcome: Inconclusive, says: "the fixture is broken, not the cluster"},
		"missing manifest": {change: func(c *Case) { c.Fixture = "missing.yaml" }, outcome: Inconclusive, says: "no such manifest"},
		"fixture refused": {bench: func(b *bench) {
			b.create = func(file string, _ *corev1.Pod) error {
				if file == "fixture.yaml" {
					return errors.New("violates PodSecurity")
				}
				return nil
			}
		}, outcome: Inconclusive, says: "violates PodSecurity"},
		"control refused": {bench: func(b *bench) {
			b.create = func(file string, _ *corev1.Pod) error {
				if file == "control.yaml" {
					return errors.New("violates PodSecurity")
				}
				return nil
			}
		}, outcome: Inconclusive, says: "control.yaml: violates PodSecurity"},
		"changed by a webhook": {bench: func(b *bench) {
			b.changers.Matching = []string{"webhook mesh/injector"}
			b.create = func(_ string, pod *corev1.Pod) error {
				pod.Spec.ShareProcessNamespace = nil
				return nil
			}
			b.await = func(string) error { return errors.New("nothing is awaited") }
		}, outcome: Inconclusive, says: "removes spec.shareProcessNamespace, sent as true; probably by webhook mesh/injector; way out"},
		"changed by a webhook, where the claim is that the server keeps it": {change: func(c *Case) {
			c.Turns.Kept, c.Judge = true, func(Observation) error { return Violation("one", "two") }
		}, bench: func(b *bench) {
			b.changers.Matching = []string{"webhook mesh/injector"}
			b.create = func(_ string, pod *corev1.Pod) error {
				pod.Spec.ShareProcessNamespace = nil
				return nil
			}
		}, outcome: Inconclusive, says: "webhook mesh/injector"},
		"changed by the server itself, where the claim is that it does not": {change: func(c *Case) {
			c.Turns.Kept, c.Judge = true, func(Observation) error { return Violation("one", "two") }
		}, bench: func(b *bench) {
			b.create = func(_ string, pod *corev1.Pod) error {
				pod.Spec.ShareProcessNamespace = nil
				return nil
			}
		}, outcome: NonConformant, says: "expected one; observed two"},
		"answered otherwise, and a webhook matches": {change: func(c *Case) {
			c.Turns.Answered, c.Judge = true, func(Observation) error { return Violation("one", "two") }
		}, bench: func(b *bench) { b.changers.Matching = []string{"webhook mesh/injector"} },
			outcome: Inconclusive, says: "may have been changed on its way by webhook mesh/injector; and then: expected one; observed two; way out"},
		"answered otherwise, and who changes pods is not known": {change: func(c *Case) {
			c.Turns.Answered, c.Judge = true, func(Observation) error { return Violation("one", "two") }
		}, bench: func(b *bench) { b.changers.Unread = "forbidden" }, outcome: Inconclusive, says: "which this user may not list"},
		"answered otherwise by the server": {change: func(c *Case) {
			c.Turns.Answered, c.Judge = true, func(Observation) error { return Violation("one", "two") }
		}, outcome: NonConformant, says: "expected one; observed two"},
		"wrong on the node, where a webhook matches": {change: func(c *Case) {
			c.Judge = func(Observation) error { return Violation("one", "two") }
		}, bench: func(b *bench) { b.changers.Matching = []string{"webhook mesh/injector"} }, outcome: NonConformant, says: "expected one; observed two"},
		"changed by the server itself": {bench: func(b *bench) {
			b.create = func(_ string, pod *corev1.Pod) error {
				pod.Spec.ShareProcessNamespace = nil
				return nil
			}
		}, outcome: Inconclusive, says: "by the API server itself"},
		"a control that was changed": {bench: func(b *bench) {
			b.create = func(file string, pod *corev1.Pod) error {
				pod.Spec.HostPID = file == "control.yaml"
				return nil
			}
		}, outcome: Inconclusive, says: "the control control.yaml: the cluster changed the pod, and the claim turns on it: sets spec.hostPID to true"},
		"changes on which no claim turns": {bench: func(b *bench) {
			b.create = func(_ string, pod *corev1.Pod) error {
				pod.Labels["team"] = "a"
				pod.Spec.Containers[0].Image = "mirror.example/busybox@sha256:1"
				return nil
			}
		}, outcome: Conformant},
		"a container that nobody asks for": {change: func(c *Case) {
			c.Turns.NotOn = []difference.Class{difference.ContainerAdded}
			yes := c.Judge
			c.Judge = func(o Observation) error {
				if o.Before["proxy"] != nil || len(o.Pod.Injected) != 1 {
					return CannotTell("the suite's own containers", "another one")
				}
				return yes(o)
			}
		}, bench: func(b *bench) {
			b.create = func(_ string, pod *corev1.Pod) error {
				pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "proxy"})
				pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app"}, {Name: "proxy"}}
				return nil
			}
		}, outcome: Conformant},
		"image missing": {bench: func(b *bench) {
			b.await = func(string) error { return errors.New("container app: ImagePullBackOff") }
		}, outcome: Inconclusive, says: "ImagePullBackOff"},
		"does not start, and need not": {bench: func(b *bench) {
			b.await = func(string) error {
				return fmt.Errorf("pod p will not be Ready: %w", Inapplicable("idmap mounts", "invalid argument"))
			}
		}, outcome: Skipped, says: "it does not apply: pod p will not be Ready: expected idmap mounts"},
		"its control does not start, and need not": {bench: func(b *bench) {
			b.await = func(file string) error {
				if file == "control.yaml" {
					return Inapplicable("idmap mounts", "invalid argument")
				}
				return nil
			}
		}, outcome: Skipped, says: "its control does not apply"},
		"exec refused": {bench: func(b *bench) {
			b.observe = func(string, int) *probe.Snapshot { return &probe.Snapshot{Failure: "forbidden"} }
		}, outcome: Inconclusive, says: "could not be observed: forbidden"},
		"an image without a shell is no failed exec": {bench: func(b *bench) {
			b.observe = func(string, int) *probe.Snapshot { return &probe.Snapshot{Failure: "no sh", NoShell: true} }
		}, outcome: Conformant},
		"precondition comes late": {change: func(c *Case) {
			c.Precondition = func(o Observation) error {
				if o.Container("app").Self < 3 {
					return CannotTell("three", "less")
				}
				return nil
			}
		}, bench: func(b *bench) {
			b.observe = func(_ string, round int) *probe.Snapshot { return &probe.Snapshot{Self: round} }
		}, outcome: Conformant},
		"precondition never comes": {change: func(c *Case) {
			c.Precondition = func(Observation) error { return CannotTell("workers", "none") }
		}, outcome: Inconclusive, says: "workers"},
		"panicking judge's act": {change: func(c *Case) {
			c.Act = &Act{Name: "panics", Within: time.Millisecond, Do: func(context.Context, PodClient) error { panic("oops") }}
		}, outcome: Inconclusive, says: "oops"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, b := sampleCase(), newBench()
				if row.change != nil {
					row.change(&c)
				}
				if row.bench != nil {
					row.bench(b)
				}
				runner := runnerOn(t, b, c)
				runner.Timeout = time.Minute
				results := runner.Run(t.Context())
				require.Len(t, results, 1)
				assert.Equal(t, row.outcome, results[0].Outcome, results[0].Reason)
				assert.Contains(t, results[0].Reason, row.says)
			})
		})
	}
}

// TestRunnerSharesPods: pods grow with manifests, acts and targets, not with cases.
func TestRunnerSharesPods(t *testing.T) {
	act := &Act{Name: "act", Within: time.Millisecond, Do: func(context.Context, PodClient) error { return nil }}
	var cases []Case
	for i := range 5 {
		c := sampleCase()
		c.ID = fmt.Sprintf("area/case-%d", i)
		if i >= 3 {
			c.Act = act
		}
		cases = append(cases, c)
	}
	b := newBench()
	results := run(t, b, []Target{{Node: "a"}, {Node: "b"}}, cases...)
	assert.Len(t, results, 10)
	assert.Equal(t, map[string]int{"fixture.yaml": 2, "control.yaml": 2}, b.created)
	for i, r := range results {
		assert.Equal(t, cases[i%5].ID, r.Case.ID, "results come in the catalogue's order")
	}
	// Who looks at a result finds the evidence of both its pods.
	assert.Equal(t, [2]string{"a/fixture", "a/control"}, [2]string{results[0].Folder, results[0].ControlFolder})
	assert.Equal(t, [2]string{"b/fixture.act", "b/control.act"}, [2]string{results[9].Folder, results[9].ControlFolder})
}

// TestRunnerObservesUntilTheEffectShows: the second snapshot is repeated until
// the judge is satisfied, on the control until it has bitten.
func TestRunnerObservesUntilTheEffectShows(t *testing.T) {
	c, b := sampleCase(), newBench()
	c.Act = &Act{Name: "slow", Within: 5 * time.Second, Do: func(context.Context, PodClient) error { return nil }}
	const effect = 7
	b.observe = func(file string, round int) *probe.Snapshot {
		if file == "control.yaml" {
			return &probe.Snapshot{}
		}
		return &probe.Snapshot{Self: round}
	}
	c.Judge = func(o Observation) error {
		if o.AfterIn("app").Self < effect {
			return Violation("the effect", "not yet")
		}
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		results := run(t, b, oneTarget, c)
		assert.Equal(t, Conformant, results[0].Outcome, results[0].Reason)
	})
}

// TestRunnerDoesNotWaitForWhatWasRefused: the effect of an act that was refused is not
// waited for, on the fixture and on the control; other cases of the pod are.
func TestRunnerDoesNotWaitForWhatWasRefused(t *testing.T) {
	for name, row := range map[string]struct {
		fixture, control error
		want             Outcome
	}{
		"forbidden":         {Forbidden("a signal", "EACCES"), Violation("a", "b"), Skipped},
		"a control too":     {Forbidden("a signal", "EACCES"), Forbidden("a signal", "EACCES"), Skipped},
		"cannot be told":    {Final(CannotTell("a signal", "EPERM")), Violation("a", "b"), Inconclusive},
		"a final violation": {Final(Violation("a signal", "EACCES")), Violation("a", "b"), NonConformant},
	} {
		t.Run(name, func(t *testing.T) {
			c, b := sampleCase(), newBench()
			c.Act = &Act{Name: "refused", Within: time.Hour, Do: func(context.Context, PodClient) error { return nil }}
			c.Judge = func(o Observation) error {
				if fixtureOnly(o) == nil {
					return row.fixture
				}
				return row.control
			}
			results := run(t, b, oneTarget, c)
			assert.Equal(t, row.want, results[0].Outcome, results[0].Reason)
		})
	}
}

// TestRunnerTellsRemarksAndLabels: a conformant result has its remark, and every result
// the labels of its pod.
func TestRunnerTellsRemarksAndLabels(t *testing.T) {
	c, b := sampleCase(), newBench()
	c.Remark = func(Observation) string { return "nothing was sent" }
	b.observe = func(string, int) *probe.Snapshot {
		return &probe.Snapshot{Label: "profile (enforce)", LabelOfPID1: "unconfined"}
	}
	results := run(t, b, oneTarget, c)
	assert.Equal(t, "nothing was sent", results[0].Remark)
	assert.Equal(t, Labels{Container: "profile (enforce)", Sandbox: "unconfined"}, results[0].Labels)
	c.Judge = func(Observation) error { return Violation("a", "b") }
	assert.Empty(t, run(t, newBench(), oneTarget, c)[0].Remark)
}

// TestRunnerWaitsForTheControlWhereNothingMayHappen: a claim that nothing
// happens is judged only after the control showed what would have.
func TestRunnerWaitsForTheControlWhereNothingMayHappen(t *testing.T) {
	c, b := sampleCase(), newBench()
	c.Act = &Act{Name: "harmless", Within: 10 * time.Second, NoEffect: true, Do: func(context.Context, PodClient) error { return nil }}
	var mu sync.Mutex
	var controlBit, fixtureSeen time.Time
	b.observe = func(file string, round int) *probe.Snapshot {
		mu.Lock()
		defer mu.Unlock()
		if file == "control.yaml" && round >= 4 {
			if controlBit.IsZero() {
				controlBit = time.Now()
			}
			return &probe.Snapshot{Self: 99}
		}
		if file == "fixture.yaml" && round == 2 {
			fixtureSeen = time.Now()
		}
		return &probe.Snapshot{Self: 1}
	}
	c.Judge = func(o Observation) error {
		if o.AfterIn("app").Self == 99 {
			return Violation("nothing", "the effect")
		}
		if o.AfterIn("app").Self != 1 {
			return CannotTell("a second snapshot", "none")
		}
		return nil
	}
	results := run(t, b, oneTarget, c)
	assert.Equal(t, Conformant, results[0].Outcome, results[0].Reason)
	assert.True(t, fixtureSeen.After(controlBit), "the fixture was judged too early")
}

func TestRunnerStopsWhenInterrupted(t *testing.T) {
	c, b := sampleCase(), newBench()
	ctx, cancel := context.WithCancelCause(t.Context())
	c.Act = &Act{Name: "endless", Within: time.Hour, Do: func(ctx context.Context, _ PodClient) error {
		cancel(errors.New("interrupted by a test"))
		<-ctx.Done()
		return context.Cause(ctx)
	}}
	runner := &Runner{
		Cluster: b, Cases: []Case{c}, Targets: oneTarget, Fixtures: manifestFor, Timeout: time.Second, Parallel: 4,
		Evidence: noEvidence{}, Log: t.Logf, OnResult: func(Result) {}, OnReady: func(Target, string, time.Duration) {},
		Skip: func(Case) string { return "" },
	}
	results := runner.Run(ctx)
	require.Len(t, results, 1)
	assert.Equal(t, Inconclusive, results[0].Outcome)
	assert.Contains(t, results[0].Reason, "interrupted by a test")
}

func TestRunnerSubmitsWithoutStoring(t *testing.T) {
	b := newBench()
	c := Case{ID: "area/case", Level: Core, Fixture: "fixture.yaml", NoControl: "a test", Submit: DryRunRestricted}
	c.Judge = func(o Observation) error {
		if got := o.Answers["create"]; got.Code != 403 {
			return Violation("403", got.String())
		}
		return nil
	}
	results := run(t, b, oneTarget, c)
	assert.Equal(t, Conformant, results[0].Outcome, results[0].Reason)
	assert.Empty(t, b.created, "nothing is stored")
}

func TestRunnerSkips(t *testing.T) {
	own := sampleCase()
	own.ID, own.OwnNode = "area/own", true
	needs := sampleCase()
	needs.ID, needs.Needs = "area/needs", func(t Target) string { return t.Node + " cannot" }
	results := run(t, newBench(), oneTarget, own, needs)
	assert.Equal(t, Skipped, results[0].Outcome)
	assert.Contains(t, results[0].Reason, "only on clusters that the suite made")
	assert.Equal(t, Skipped, results[1].Outcome)
	assert.Equal(t, "a cannot", results[1].Reason)
}

// TestRunnerHasFewPodsAtOnce: with room for one pod, stages that wait for others
// come behind them, and every pod is given back.
func TestRunnerHasFewPodsAtOnce(t *testing.T) {
	b := newBench()
	var mu sync.Mutex
	now, most := 0, 0
	act := &Act{Name: "act", Within: time.Second, NoEffect: true, Do: func(context.Context, PodClient) error {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(time.Millisecond) // for another one to come in, if it could
		mu.Lock()
		now--
		mu.Unlock()
		return nil
	}}
	quiet, lookout := sampleCase(), sampleCase()
	quiet.Act = act
	lookout.ID, lookout.Neighbour = "area/lookout", "neighbour.yaml"
	runner := &Runner{
		Cluster: b, Cases: []Case{quiet, lookout}, Targets: oneTarget, Fixtures: manifestFor, Placement: Placement{RunID: "test"},
		Timeout: time.Second, Parallel: 4, AtOnce: 1, Evidence: noEvidence{}, Log: t.Logf,
		OnResult: func(Result) {}, OnReady: func(Target, string, time.Duration) {}, Skip: func(Case) string { return "" },
	}
	for _, r := range runner.Run(t.Context()) {
		assert.Equal(t, Conformant, r.Outcome, "%s: %s", r.Case.ID, r.Reason)
	}
	assert.Equal(t, 1, most)
	assert.Eventually(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.discarded) == 3 // what is only looked at has the pods of the act; and the neighbour
	}, 5*time.Second, time.Millisecond)
}
