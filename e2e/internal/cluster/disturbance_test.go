package cluster

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/streaming/pkg/httpstream"
)

func TestDisturbance(t *testing.T) {
	began := metav1.NewTime(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	later := metav1.NewTime(began.Add(time.Minute))
	node := func(boot string, ready corev1.ConditionStatus, since metav1.Time) *corev1.Node {
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: "n"},
			Status: corev1.NodeStatus{
				NodeInfo: corev1.NodeSystemInfo{BootID: boot},
				Conditions: []corev1.NodeCondition{
					{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionTrue, LastTransitionTime: later},
					{Type: corev1.NodeReady, Status: ready, LastTransitionTime: since, Reason: "Why", Message: "because"},
				},
			},
		}
	}
	with := func(change func(*corev1.Node)) *corev1.Node {
		n := node("1", corev1.ConditionTrue, began)
		change(n)
		return n
	}
	taint := func(key string, effect corev1.TaintEffect) *corev1.Node {
		return with(func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: key, Effect: effect}} })
	}
	was := nodeState(*node("1", corev1.ConditionTrue, began))
	for name, row := range map[string]struct {
		is      *corev1.Node // nil: it is gone
		trouble string
		lost    bool
		closed  bool
		says    string
	}{
		"quiet":           {is: node("1", corev1.ConditionTrue, began)},
		"gone":            {lost: true, says: "no longer in the cluster"},
		"not Ready":       {is: node("1", corev1.ConditionUnknown, later), lost: true, says: "not Ready (Why: because)"},
		"was not Ready":   {is: node("1", corev1.ConditionTrue, later), says: "was not Ready for a while"},
		"booted":          {is: node("2", corev1.ConditionTrue, later), says: "was booted during the run"},
		"replaced":        {is: with(func(n *corev1.Node) { n.UID = "another" }), lost: true, says: "was replaced during the run by another one of that name"},
		"cordoned":        {is: with(func(n *corev1.Node) { n.Spec.Unschedulable = true }), closed: true, says: "node n was cordoned during the run"},
		"scaled down":     {is: taint("ToBeDeletedByClusterAutoscaler", corev1.TaintEffectNoSchedule), closed: true, says: "got the taint ToBeDeletedByClusterAutoscaler:NoSchedule"},
		"emptied":         {is: taint("maintenance", corev1.TaintEffectNoExecute), closed: true, says: "got the taint maintenance:NoExecute"},
		"preferred not":   {is: taint("busy", corev1.TaintEffectPreferNoSchedule)},
		"under pressure":  {is: taint(corev1.TaintNodeMemoryPressure, corev1.TaintEffectNoSchedule)}, // which passes
		"cut connections": {is: node("1", corev1.ConditionTrue, began), trouble: "reset by peer", says: "the connection broke"},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset()
			if row.is != nil {
				client = fake.NewClientset(row.is)
			}
			s := &Session{Client: client, Counts: &Counts{}, Nodes: map[string]NodeState{"n": was}}
			before := time.Now()
			if row.trouble != "" {
				s.Counts.noteTrouble(row.trouble)
			}
			got := s.Disturbance(t.Context(), "n", before)
			assert.Equal(t, row.lost, got.Lost, got)
			assert.Equal(t, row.closed, got.Closed, got)
			assert.Equal(t, row.says == "", got.Said == "", got)
			assert.Contains(t, got.Said, row.says)
			if row.trouble != "" {
				assert.Empty(t, s.Disturbance(t.Context(), "n", time.Now()).Said, "what was before does not count")
			}
		})
	}
}

// TestNoteNode: a node that is cordoned takes no pods until it is uncordoned, and that it
// was is not forgotten. One that was cordoned from the start is as it was.
func TestNoteNode(t *testing.T) {
	node := func(name string, unschedulable bool) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{Unschedulable: unschedulable},
			Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
	}
	s := &Session{
		Client: fake.NewClientset(node("n", false)), Counts: &Counts{}, changed: make(chan struct{}),
		Nodes: map[string]NodeState{"n": nodeState(*node("n", false)), "always": nodeState(*node("always", true))},
	}
	pinned := &corev1.Pod{Spec: corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"n"}}},
		}}},
	}}}}
	for _, other := range []string{"always", "no target"} {
		s.noteNode(node(other, true))
		assert.Empty(t, s.Closed(other))
	}
	s.noteNode(node("n", false))
	assert.Empty(t, s.Closed("n"))
	assert.Empty(t, s.closedTo(pinned))

	changed := s.change()
	s.noteNode(node("n", true))
	<-changed // whoever waits looks again
	assert.Equal(t, "node n was cordoned during the run", s.Closed("n"))
	assert.Equal(t, "node n was cordoned during the run", s.closedTo(pinned))
	running := pinned.DeepCopy()
	running.Spec.NodeName = "n"
	assert.Empty(t, s.closedTo(running), "what runs may go on")

	s.noteNode(node("n", false))
	assert.Empty(t, s.Closed("n"))
	s.Nodes["n"] = nodeState(*node("n", false))
	found := s.Disturbance(t.Context(), "n", time.Now())
	assert.Equal(t, "node n was cordoned during the run", found.Said)
	assert.False(t, found.Closed || found.Lost, found)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestPatience: a request that could not be sent is sent again with its body; one
// that may have arrived is not, and before the server is known to be there, none.
func TestPatience(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for name, row := range map[string]struct {
		patient  bool
		fails    error
		refusals int
		sent     int
		ends     int // HTTP status, or 0 for an error
		trouble  bool
	}{
		"server restarts":                  {true, refused, 0, 2, http.StatusOK, true},
		"server restarts without its RBAC": {true, refused, 2, 3, http.StatusOK, true},
		"not allowed":                      {true, nil, 1, 1, http.StatusForbidden, false},
		"cut after it was sent":            {true, errors.New("unexpected EOF"), 0, 1, 0, true},
		"server not known as yet":          {false, refused, 0, 1, 0, false},
		"nothing to stream from":           {true, &httpstream.UpgradeFailureError{Cause: errors.New("500: container not found")}, 0, 1, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			counts := &Counts{}
			counts.Patient.Store(row.patient)
			var bodies []string
			transport := countingTransport{counts: counts, next: roundTrip(func(r *http.Request) (*http.Response, error) {
				content := make([]byte, 4)
				_, err := r.Body.Read(content)
				require.NoError(t, err)
				bodies = append(bodies, string(content))
				assert.Equal(t, "https", r.URL.Scheme)
				r.URL.Scheme = "wss" // as the WebSocket's transport does
				if len(bodies) == 1 && row.fails != nil {
					return nil, row.fails
				}
				if len(bodies) <= row.refusals {
					return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody}, nil
				}
				return &http.Response{StatusCode: http.StatusOK}, nil
			})}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/api", strings.NewReader("body"))
			require.NoError(t, err)
			response, err := transport.RoundTrip(request)
			assert.Len(t, bodies, row.sent)
			if row.ends == 0 {
				assert.Error(t, err)
			} else {
				require.NoError(t, err)
				assert.Equal(t, row.ends, response.StatusCode)
			}
			for _, body := range bodies {
				assert.Equal(t, "body", body)
			}
			assert.EqualValues(t, 1, counts.Requests.Load())
			assert.Equal(t, row.trouble, counts.troubleSince(time.Time{}) != "", "a violation is doubted after trouble, and not after an answer")
		})
	}
}
