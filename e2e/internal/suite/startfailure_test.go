package suite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/probe"
)

// neverStarted is a pod of which the runtime did not start a container.
func neverStarted(policy corev1.RestartPolicy, ended corev1.ContainerStateTerminated, restarts int32) *corev1.Pod {
	return &corev1.Pod{
		Spec: corev1.PodSpec{RestartPolicy: policy},
		Status: corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: []corev1.ContainerStatus{
			{Name: "app", RestartCount: restarts, State: corev1.ContainerState{Terminated: &ended}},
		}},
	}
}

func TestStartFailed(t *testing.T) {
	failure := corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: "unable to freeze\n"}
	for name, row := range map[string]struct {
		pod  *corev1.Pod
		says string
	}{
		"never again":         {neverStarted(corev1.RestartPolicyNever, failure, 0), "the runtime did not start container app: StartError: unable to freeze"},
		"kubelet tries again": {neverStarted(corev1.RestartPolicyAlways, failure, 0), ""},
		"on failure, too":     {neverStarted(corev1.RestartPolicyOnFailure, failure, 0), ""},
		"it ran before":       {neverStarted(corev1.RestartPolicyNever, failure, 1), ""},
		"its program ended":   {neverStarted(corev1.RestartPolicyNever, corev1.ContainerStateTerminated{ExitCode: 128, Reason: "Error"}, 0), ""},
		"it runs":             {&corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := startFailed(row.pod)
			if row.says == "" {
				assert.NoError(t, err)
			} else {
				assert.EqualError(t, err, row.says)
			}
		})
	}
}

// TestEphemeralNotStarted: kubelet starts an ephemeral container once, and may leave it waiting.
func TestEphemeralNotStarted(t *testing.T) {
	failure := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: "unable to freeze"}}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "RunContainerError"}}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}}
	const says = "the runtime did not start container debugger: StartError: unable to freeze"
	for name, row := range map[string]struct {
		now, last corev1.ContainerState
		says      string
	}{
		"it ended so":                         {failure, corev1.ContainerState{}, says},
		"it waits, and nobody tries again":    {waiting, failure, says},
		"it waits, and has not failed":        {waiting, corev1.ContainerState{}, ""},
		"it runs":                             {running, failure, ""},
		"its program ended":                   {ended, corev1.ContainerState{}, ""},
		"kubelet has not looked at it so far": {},
	} {
		t.Run(name, func(t *testing.T) {
			err := ephemeralNotStarted(&corev1.Pod{Status: corev1.PodStatus{EphemeralContainerStatuses: []corev1.ContainerStatus{
				{Name: "debugger", State: row.now, LastTerminationState: row.last},
			}}})
			if row.says == "" {
				assert.NoError(t, err)
			} else {
				assert.EqualError(t, err, row.says)
			}
		})
	}
}

// TestStartsOnceMore: a pod of which the runtime did not start a container is made
// anew once, and a second failure is told.
func TestStartsOnceMore(t *testing.T) {
	for name, row := range map[string]struct {
		failures int
		outcome  Outcome
		created  int
	}{
		"none":  {0, Conformant, 1},
		"one":   {1, Conformant, 2},
		"again": {2, Inconclusive, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			left := row.failures
			b.create = func(file string, pod *corev1.Pod) error {
				if file == "fixture.yaml" && left > 0 {
					left--
					failed := neverStarted(corev1.RestartPolicyNever, corev1.ContainerStateTerminated{Reason: "StartError", Message: "busy"}, 0)
					pod.Spec.RestartPolicy, pod.Status = failed.Spec.RestartPolicy, failed.Status
				}
				return nil
			}
			c := sampleCase()
			c.Turns.NotOn = append(c.Turns.NotOn, difference.RestartPolicy) // the bench's own doing
			results := runnerOn(t, deletable{b}, c).Run(t.Context())
			require.Len(t, results, 1)
			assert.Equal(t, row.outcome, results[0].Outcome, results[0].Reason)
			assert.Equal(t, row.created, b.created["fixture.yaml"])
			if row.outcome == Inconclusive {
				assert.Contains(t, results[0].Reason, "the runtime did not start container app: StartError: busy")
			}
		})
	}
}

// lateStart is a pod of which the runtime failed to start a container at first.
func lateStart(pod *corev1.Pod) {
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "app", RestartCount: 1, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: "busy"}},
	}}
}

// TestStartedLate: a pod that came up only after kubelet tried again is made anew once; the second
// one is judged as it is.
func TestStartedLate(t *testing.T) {
	for name, row := range map[string]struct{ late, created int }{
		"never":   {0, 1},
		"once":    {1, 2},
		"again":   {2, 2},
		"for all": {9, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			left := row.late
			b.create = func(file string, pod *corev1.Pod) error {
				if file == "fixture.yaml" && left > 0 {
					left--
					lateStart(pod)
				}
				return nil
			}
			results := runnerOn(t, deletable{b}, sampleCase()).Run(t.Context())
			require.Len(t, results, 1)
			assert.Equal(t, Conformant, results[0].Outcome, results[0].Reason)
			assert.Equal(t, row.created, b.created["fixture.yaml"])
		})
	}
}

// actWhoseStartsFail runs one case whose act finds that the runtime fails to start a container, so many
// times, and returns its result, and how often the act was done.
func actWhoseStartsFail(t *testing.T, failures int, fails func(*corev1.Pod), judge func(Observation) error) (result Result, acts int) {
	t.Helper()
	b := newBench()
	c := sampleCase()
	c.Control, c.NoControl, c.Judge = "", "none needed", judge
	c.Act = &Act{Name: "act", Within: time.Millisecond, Do: func(_ context.Context, pod PodClient) error {
		if acts++; acts <= failures {
			current, _ := b.Current(pod.Before().Pod.Name)
			fails(current)
		}
		return nil
	}}
	results := runnerOn(t, deletable{b}, c).Run(t.Context())
	require.Len(t, results, 1)
	assert.Equal(t, acts, b.created["fixture.yaml"], "a pod for each")
	return results[0], acts
}

// TestEphemeralOnceMore: an ephemeral container that an act adds is started once, and a runtime can fail
// to do that once. A violation is told when it failed twice.
func TestEphemeralOnceMore(t *testing.T) {
	fails := func(pod *corev1.Pod) {
		pod.Status.EphemeralContainerStatuses = []corev1.ContainerStatus{{Name: "late", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: "unable to freeze"},
		}}}
	}
	judge := func(o Observation) error {
		if o.AfterPod != nil && StartFailed(o.AfterPod.Containers["late"].ExitReason) {
			return Violation("the ephemeral container starts", "it ended")
		}
		return nil
	}
	for name, row := range map[string]struct {
		failures int
		outcome  Outcome
		acts     int
	}{
		"none":  {0, Conformant, 1},
		"one":   {1, Conformant, 2},
		"again": {2, NonConformant, 2},
	} {
		t.Run(name, func(t *testing.T) {
			result, acts := actWhoseStartsFail(t, row.failures, fails, judge)
			assert.Equal(t, row.outcome, result.Outcome, result.Reason)
			assert.Equal(t, row.acts, acts)
		})
	}
}

// TestActOnceMore: where the runtime failed to start a container again during the act, and nobody
// can tell therefore, pod and act are begun anew once. What was told stands.
func TestActOnceMore(t *testing.T) {
	blurs := func(o Observation) error {
		if o.AfterPod != nil && StartFailed(o.AfterPod.Containers["app"].ExitReason) {
			return CannotTell("container app is started again at once", "it was not")
		}
		return nil
	}
	always := func(err error) func(Observation) error { return func(Observation) error { return err } }
	for name, row := range map[string]struct {
		failures int
		judge    func(Observation) error
		outcome  Outcome
		acts     int
	}{
		"no failure":                       {0, blurs, Conformant, 1},
		"one failure":                      {1, blurs, Conformant, 2},
		"one each time":                    {9, blurs, Inconclusive, 2},
		"of no concern":                    {9, always(nil), Conformant, 1},
		"another reason":                   {0, always(CannotTell("light", "darkness")), Inconclusive, 1},
		"a violation beside it":            {9, always(Violation("one", "two")), NonConformant, 1},
		"what no second time would change": {9, always(Forbidden("it", "no")), Skipped, 1},
	} {
		t.Run(name, func(t *testing.T) {
			result, acts := actWhoseStartsFail(t, row.failures, lateStart, row.judge)
			assert.Equal(t, row.outcome, result.Outcome, result.Reason)
			assert.Equal(t, row.acts, acts)
		})
	}
}

// TestBlurredWhereOthersLook: what others look for in another pod, as it was seen before the act, is not taken away under
// them for the act's sake.
func TestBlurredWhereOthersLook(t *testing.T) {
	for name, row := range map[string]struct {
		act  *Act
		once bool // more
	}{
		"by an act":      {&Act{Name: "spares", Spares: true, Within: time.Millisecond}, false},
		"before the act": {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			s := &stage{runner: runnerOn(t, b), key: stageKey{file: "fixture.yaml", act: row.act, submit: Runs}, lookouts: []*stage{{}}, pod: "fixture-1"}
			s.placed.Pod = &corev1.Pod{}
			s.expect(Case{Judge: func(Observation) error { return CannotTell("a", "b") }}, true)
			stored := &corev1.Pod{}
			lateStart(stored)
			b.pods["fixture-1"] = stored
			assert.Equal(t, row.once, s.blurred() != nil)
		})
	}
}

// cutting is a cluster that cuts the connections of the first commands.
type cutting struct {
	deletable
	left *int
}

func (c cutting) Exec(context.Context, time.Duration, string, string, ...string) (probe.CommandResult, error) {
	if *c.left == 0 {
		return probe.CommandResult{}, nil
	}
	*c.left--
	return probe.CommandResult{Failure: "connection reset by peer", Cut: true}, nil
}

// TestActCutOff: where the connection of an act's command was cut, and nobody can tell therefore, pod
// and act are begun anew once. What was told stands, whether the act gives up or goes on.
func TestActCutOff(t *testing.T) {
	ran := func(o Observation) error {
		if r, ok := o.Ran["say"]; !ok || r.Cut {
			return CannotTell("what it says", "the connection was cut")
		}
		return nil
	}
	violates := func(Observation) error { return Violation("one", "two") }
	for name, row := range map[string]struct {
		cuts    int
		goesOn  bool
		judge   func(Observation) error
		outcome Outcome
		acts    int
	}{
		"none":                  {0, false, ran, Conformant, 1},
		"once":                  {1, false, ran, Conformant, 2},
		"once, and it goes on":  {1, true, ran, Conformant, 2},
		"each time":             {9, false, ran, Inconclusive, 2},
		"a violation beside it": {9, true, violates, NonConformant, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			acts := 0
			c := sampleCase()
			c.Control, c.NoControl, c.Judge = "", "none needed", row.judge
			c.Act = &Act{Name: "act", Within: time.Millisecond, Do: func(ctx context.Context, pod PodClient) error {
				acts++
				_, err := pod.Exec(ctx, "say", "app", "echo")
				if row.goesOn {
					return nil
				}
				return err
			}}
			results := runnerOn(t, cutting{deletable{b}, &row.cuts}, c).Run(t.Context())
			require.Len(t, results, 1)
			assert.Equal(t, row.outcome, results[0].Outcome, results[0].Reason)
			assert.Equal(t, row.acts, acts)
		})
	}
}
