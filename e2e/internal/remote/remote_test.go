package remote

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"gotest.tools/v3/assert"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// TestExecFallsBackToSPDY: a server that does not speak WebSocket is asked again
// in SPDY; and when it refuses that as well, there is a result that says so.
func TestExecFallsBackToSPDY(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+strings.ToLower(r.Header.Get("Upgrade")))
		http.Error(w, "no such upgrade", http.StatusBadRequest)
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	client, err := kubernetes.NewForConfig(config)
	assert.NilError(t, err)

	pod := Pod{Client: client, Config: config, Namespace: "ns", Name: "pod"}
	result, err := pod.Exec(t.Context(), reply, "shell", "true")
	assert.NilError(t, err)
	assert.Assert(t, !result.Ran())
	mu.Lock()
	defer mu.Unlock()
	assert.DeepEqual(t, asked, []string{"GET websocket", "POST spdy/3.1"})
}
