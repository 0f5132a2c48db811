package suite

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestForeign: what somebody else did to a pod is told from what the case did.
func TestForeign(t *testing.T) {
	now := metav1.Now()
	deleting := func(p *corev1.Pod) { p.DeletionTimestamp = &now }
	disrupted := func(reason string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason, Message: "because"}}
		}
	}
	failed := func(reason string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, reason, "because"
		}
	}
	for name, row := range map[string]struct {
		change    func(*corev1.Pod)
		gone, own bool
		says      string
	}{
		"quiet":                              {},
		"deleted":                            {change: deleting, says: "pod p was deleted by somebody else"},
		"gone":                               {gone: true, says: "pod p was deleted by somebody else"},
		"deleted by the case":                {change: deleting, own: true},
		"gone, by the case":                  {gone: true, own: true},
		"drained":                            {change: disrupted("EvictionByEvictionAPI"), says: "(EvictionByEvictionAPI: because)"},
		"evicted by the case":                {change: disrupted("EvictionByEvictionAPI"), gone: true, own: true},
		"tainted, while the case deletes":    {change: disrupted("DeletionByTaintManager"), own: true, says: "(DeletionByTaintManager: because)"},
		"preempted":                          {change: disrupted("PreemptionByScheduler"), says: "(PreemptionByScheduler: because)"},
		"the node lacked something":          {change: failed("Evicted"), says: "the node ended pod p (Evicted: because)"},
		"the node was shut down":             {change: failed("Terminated"), own: true, says: "the node ended pod p (Terminated: because)"},
		"failed of itself":                   {change: failed("")},
		"its own deadline, which is a claim": {change: failed("DeadlineExceeded")},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
			if row.change != nil {
				row.change(pod)
			}
			said := Foreign(pod, row.gone, row.own)
			assert.Equal(t, row.says == "", said == "", said)
			assert.Contains(t, said, row.says)
		})
	}
	assert.Empty(t, Foreign(nil, false, false), "never seen")
}

// deletable is a bench whose pods can be deleted.
type deletable struct{ *bench }

func (d deletable) Delete(_ context.Context, pod string, _ int64, _ time.Duration) (bool, *corev1.Pod, error) {
	last, _ := d.Current(pod)
	return true, last, nil
}

func (d deletable) Request(context.Context, Request) (Answer, error) { return Answer{Code: 201}, nil }

// TestForeignDeletion: neither a fixture nor a control that somebody else deleted is
// judged, whatever the judges would say; one that the case deletes is.
func TestForeignDeletion(t *testing.T) {
	now := metav1.Now()
	gone := func(which string) func(*corev1.Pod) (*corev1.Pod, bool) {
		return func(p *corev1.Pod) (*corev1.Pod, bool) {
			if p.Spec.Hostname == which {
				p.DeletionTimestamp = &now
				return p, true
			}
			return p, false
		}
	}
	deletes := &Act{Name: "delete", Ends: true, Within: time.Millisecond, Do: func(ctx context.Context, pod PodClient) error {
		return pod.Delete(ctx, 1, time.Second)
	}}
	evicts := &Act{Name: "evict", Ends: true, Within: time.Millisecond, Do: func(ctx context.Context, pod PodClient) error {
		_, err := pod.Request(ctx, "evict", Request{Verb: "POST", Path: "pods/p/eviction"})
		return err
	}}
	for name, row := range map[string]struct {
		fixture, gone string
		act           *Act
		want          Outcome
		says          string
	}{
		"nobody":                      {"fixture.yaml", "", nil, Conformant, ""},
		"the fixture, which violates": {"other.yaml", "other", nil, Inconclusive, "was deleted by somebody else"},
		"the fixture, which holds":    {"fixture.yaml", "fixture", nil, Inconclusive, "was deleted by somebody else"},
		"the control":                 {"fixture.yaml", "control", nil, Inconclusive, "the control control.yaml: cannot tell: pod "},
		"the fixture, by the case":    {"fixture.yaml", "fixture", deletes, Conformant, ""},
		"evicted by the case":         {"fixture.yaml", "fixture", evicts, Conformant, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.last = gone(row.gone)
			result := runnerOn(t, deletable{b}, Case{ID: "a/one", Fixture: row.fixture, Control: "control.yaml", Act: row.act, Judge: fixtureOnly}).Run(t.Context())[0]
			assert.Equal(t, row.want, result.Outcome, result.Reason)
			assert.Contains(t, result.Reason, row.says)
		})
	}
}

// TestClosedNode: a node that was cordoned gets no more pods, and what still waits to
// be created says why at once.
func TestClosedNode(t *testing.T) {
	cases := []Case{
		{ID: "a/one", Fixture: "one.yaml", Judge: fixtureOnly, NoControl: "test"},
		{ID: "a/two", Fixture: "two.yaml", Judge: fixtureOnly, NoControl: "test"},
	}
	b := newBench()
	b.closed = "node n was cordoned during the run"
	for _, r := range run(t, b, []Target{{Node: "n"}}, cases...) {
		assert.Equal(t, Inconclusive, r.Outcome)
		assert.Contains(t, r.Reason, "node n was cordoned during the run: no more pods are created there")
	}
	assert.Empty(t, b.created, "pods created")

	// Where nodes cannot be watched, the first pod that fails finds it out.
	b = newBench()
	b.await = func(string) error { return errors.New("not within 2m") }
	b.disturbed = Disturbance{Closed: true, Said: "node n was cordoned during the run"}
	results := run(t, b, []Target{{Node: "n"}}, cases...)
	assert.Len(t, b.created, 1, "pods created")
	said := results[0].Reason + "\n" + results[1].Reason
	assert.Contains(t, said, "not within 2m")
	assert.Contains(t, said, "node n was cordoned during the run: no more pods are created there")
}
