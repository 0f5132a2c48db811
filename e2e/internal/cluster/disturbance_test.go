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
	was := nodeState(*node("1", corev1.ConditionTrue, began))
	for name, row := range map[string]struct {
		is      *corev1.Node // nil: it is gone
		trouble string
		lost    bool
		says    string
	}{
		"quiet":           {is: node("1", corev1.ConditionTrue, began)},
		"gone":            {lost: true, says: "no longer in the cluster"},
		"not Ready":       {is: node("1", corev1.ConditionUnknown, later), lost: true, says: "not Ready (Why: because)"},
		"was not Ready":   {is: node("1", corev1.ConditionTrue, later), says: "was not Ready for a while"},
		"booted":          {is: node("2", corev1.ConditionTrue, later), says: "was booted during the run"},
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
			assert.Equal(t, row.says == "", got.Said == "", got)
			assert.Contains(t, got.Said, row.says)
			if row.trouble != "" {
				assert.Empty(t, s.Disturbance(t.Context(), "n", time.Now()).Said, "what was before does not count")
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestPatience: a request that could not be sent is sent again with its body; one
// that may have arrived is not, and before the server is known to be there, none.
func TestPatience(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for name, row := range map[string]struct {
		patient bool
		fails   error
		sent    int
	}{
		"server restarts":         {true, refused, 2},
		"cut after it was sent":   {true, errors.New("unexpected EOF"), 1},
		"server not known as yet": {false, refused, 1},
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
				if len(bodies) == 1 {
					return nil, row.fails
				}
				return &http.Response{StatusCode: http.StatusOK}, nil
			})}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/api", strings.NewReader("body"))
			require.NoError(t, err)
			_, err = transport.RoundTrip(request)
			assert.Len(t, bodies, row.sent)
			assert.Equal(t, row.sent == 1, err != nil)
			for _, body := range bodies {
				assert.Equal(t, "body", body)
			}
			assert.EqualValues(t, 1, counts.Requests.Load())
		})
	}
}
