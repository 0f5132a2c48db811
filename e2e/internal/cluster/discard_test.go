package cluster

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/labels"

	"procns/e2e/internal/suite"
)

// TestDiscardOn: one request deletes the pods of some nodes, and of no other run or node.
func TestDiscardOn(t *testing.T) {
	var asked []string
	s := newSession(clientOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Success"}`))
		selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
		if !assert.NoError(t, err) {
			return
		}
		for _, row := range []struct {
			run, node string
			selected  bool
		}{
			{"r1", "a", true}, {"r1", "b.example", true}, {"r1", "c", false}, {"r2", "a", false},
		} {
			pod := labels.Set{suite.RunLabel: row.run, suite.NodeLabel: suite.IDOfNode(row.node)}
			assert.Equal(t, row.selected, selector.Matches(pod), "%+v", row)
		}
		assert.False(t, selector.Matches(labels.Set{suite.RunLabel: "r1"}), "a pod that is deleted by itself")
	})), nil, "r1", &Counts{}, "there")
	s.DiscardOn(t.Context(), []string{"a", "b.example"})
	assert.Equal(t, []string{"DELETE /api/v1/namespaces/there/pods"}, asked)
}
