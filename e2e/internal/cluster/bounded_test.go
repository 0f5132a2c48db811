package cluster

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// TestBounded: a server that says nothing, or stops in the middle of its answer, is
// given up in a request's own time; what streams on purpose is not.
func TestBounded(t *testing.T) {
	const within = 100 * time.Millisecond
	const list = "/api/v1/namespaces/a/pods"
	for name, row := range map[string]struct {
		path  string
		begin string // of the answer, after which nothing follows until the test ends it
		late  bool
	}{
		"no answer":           {list, "", true},
		"half an answer":      {list, `{"items": [`, true},
		"a log":               {list + "/b/log", "a line\n", true},
		"a log that is shown": {list + "/b/log?follow=true", "a line\n", false},
		"a watch":             {list + "?watch=true", `{"type": "ADDED"}`, false},
		"an exec":             {list + "/b/exec?command=sh", "", false},
		"an attachment":       {list + "/b/attach", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, row.begin)
				if row.begin != "" {
					_ = http.NewResponseController(w).Flush()
				}
				select {
				case <-r.Context().Done():
				case <-ended:
				}
			}))
			defer server.Close()
			defer close(ended)
			ctx, cancel := context.WithTimeout(t.Context(), 30*within) // of who opened a stream
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+row.path, nil)
			require.NoError(t, err)
			attempt, done := bounded(request, within)
			response, err := done(http.DefaultTransport.RoundTrip(attempt))
			if err == nil {
				_, err = io.ReadAll(response.Body)
				_ = response.Body.Close()
			}
			const late = "the API server did not answer GET " + list
			if row.late {
				require.ErrorContains(t, err, late)
				assert.NoError(t, ctx.Err(), "the caller's own time is not over")
			} else {
				require.Error(t, err)
				assert.NotContains(t, err.Error(), late)
				assert.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
			}
		})
	}
}

// TestBoundedAnswers: an answer that comes in time is read whole, by client-go as well.
func TestBoundedAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "one"}}]}`)
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return countingTransport{next, &Counts{}} })
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	pods, err := client.CoreV1().Pods("a").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, pods.Items, 1)
	assert.Equal(t, "one", pods.Items[0].Name)
}
