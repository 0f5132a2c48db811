package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// watched is a server that tells of a node, and of each change that comes.
type watched struct {
	changes chan corev1.Node
	asked   chan string // the field selectors
	refuses bool
}

func (s watched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if s.refuses {
		refuse(w, http.StatusForbidden, "Forbidden", "not you")
		return
	}
	s.asked <- r.URL.Query().Get("fieldSelector")
	tell := func(event string, n corev1.Node) {
		n.Kind, n.APIVersion = "Node", "v1"
		raw, _ := json.Marshal(n)
		fmt.Fprintf(w, `{"type":%q,"object":%s}`, event, raw)
		w.(http.Flusher).Flush() //nolint:forcetypeassert // as every ResponseWriter of net/http
	}
	tell("ADDED", corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", ResourceVersion: "1"}})
	fmt.Fprint(w, `{"type":"BOOKMARK","object":{"kind":"Node","apiVersion":"v1","metadata":{"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}}}`)
	for {
		select {
		case n := <-s.changes:
			tell("MODIFIED", n)
		case <-r.Context().Done():
			return
		}
	}
}

// TestWatchNodes: a cordon is heard of at once, of a few nodes by their names and of
// many with one watch; where nodes may not be watched, that is said once.
func TestWatchNodes(t *testing.T) {
	for name, row := range map[string]struct {
		nodes    int // beside n
		selector string
	}{
		"one":  {0, "metadata.name=n"},
		"many": {watchedOneByOne, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := watched{changes: make(chan corev1.Node), asked: make(chan string, 9)}
			s := &Session{Client: clientOf(t, server), Counts: &Counts{}, changed: make(chan struct{}), Nodes: map[string]NodeState{"n": {}}}
			for i := range row.nodes {
				s.Nodes[fmt.Sprintf("other-%d", i)] = NodeState{}
			}
			s.WatchNodes(t.Logf)
			defer s.stop()
			assert.Equal(t, row.selector, <-server.asked)
			changed := s.change()
			server.changes <- corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", ResourceVersion: "2"}, Spec: corev1.NodeSpec{Unschedulable: true}}
			select {
			case <-changed:
			case <-time.After(10 * time.Second):
				t.Fatal("nobody was told of the cordon")
			}
			assert.Equal(t, "node n was cordoned during the run", s.Closed("n"))
		})
	}
	said := make(chan string, 9)
	s := &Session{Client: clientOf(t, watched{refuses: true}), Counts: &Counts{}, changed: make(chan struct{}), Nodes: map[string]NodeState{"n": {}}}
	s.WatchNodes(func(format string, args ...any) { said <- fmt.Sprintf(format, args...) })
	defer s.stop()
	require.Contains(t, <-said, "nodes cannot be watched: ")
	select {
	case more := <-said:
		t.Errorf("said again: %s", more)
	case <-time.After(1500 * time.Millisecond): // longer than client-go waits before it asks again
	}
}
