package cluster

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
)

// oneAPage is a server that lists its nodes, one a page, and lets nobody watch one.
type oneAPage struct {
	nodes []corev1.Node
	pages int
}

func (s *oneAPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Has("fieldSelector") {
		refuse(w, http.StatusForbidden, "Forbidden", "not you")
		return
	}
	s.pages++
	at, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	list := corev1.NodeList{TypeMeta: metav1.TypeMeta{Kind: "NodeList", APIVersion: "v1"}}
	if at < len(s.nodes) {
		list.Items = s.nodes[at : at+1]
	}
	if at+1 < len(s.nodes) {
		list.Continue = strconv.Itoa(at + 1)
	}
	_ = json.NewEncoder(w).Encode(list)
}

// TestLatecomers: the nodes that have come since, and can be asked, are targets, each once; those that are known
// are none again, be they left out or not.
func TestLatecomers(t *testing.T) {
	node := func(name string, status corev1.ConditionStatus) corev1.Node {
		return corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}},
		}
	}
	server := &oneAPage{nodes: []corev1.Node{node("known", corev1.ConditionTrue), node("slow", corev1.ConditionFalse), node("came", corev1.ConditionTrue)}}
	s := &Session{Client: clientOf(t, server), Counts: &Counts{}, changed: make(chan struct{}), Nodes: map[string]NodeState{"known": {}}}
	defer func() { s.stop() }()
	look := func() []string {
		late, err := s.Latecomers(t.Context(), targets.Choice{Nodes: targets.All}, t.Logf)
		require.NoError(t, err)
		assert.Empty(t, late.LeftOut)
		return names(late.Targets)
	}
	assert.Equal(t, []string{"came"}, look())
	assert.Equal(t, 3, server.pages)
	_, taken := s.nodeWas("came")
	assert.True(t, taken, "it is watched like the others")
	assert.Empty(t, look(), "once")
	s.noteGone(&server.nodes[2])
	assert.Equal(t, "deleted during the run", s.Absent("came"))
	server.nodes[1] = node("slow", corev1.ConditionTrue)
	assert.Equal(t, []string{"slow"}, look(), "it was not Ready before, and is")
	server.nodes = server.nodes[:0]
	assert.Empty(t, look(), "a cluster without any node has no latecomer")

	unreachable := &Session{Client: clientOf(t, watched{refuses: true}), Counts: &Counts{}}
	_, err := unreachable.Latecomers(t.Context(), targets.Choice{Nodes: targets.All}, t.Logf)
	assert.ErrorContains(t, err, "listing nodes")
}

func names(all []suite.Target) []string {
	var names []string
	for _, t := range all {
		names = append(names, t.Name())
	}
	slices.Sort(names)
	return names
}
