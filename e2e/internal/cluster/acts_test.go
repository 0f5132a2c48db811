package cluster

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"procns/e2e/internal/suite"
)

// TestRequest: what a server answers, and what of it the observation keeps.
func TestRequest(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/openapi/v3":
			fmt.Fprint(w, `{"paths":{}}`)
		case r.URL.Path == "/api/v1/namespaces/ns/pods/refused":
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","message":"no","code":422}`)
		case r.URL.Query().Get("watch") != "":
			for _, phase := range []string{"Pending", "Running", "Succeeded"} {
				fmt.Fprintf(w, `{"type":"MODIFIED","object":{"kind":"Pod","apiVersion":"v1","status":{"phase":%q}}}`+"\n", phase)
			}
		case r.URL.Path == "/api/v1/namespaces/ns/pods/stored":
			w.Header().Set("Warning", `299 - "beware"`)
			fmt.Fprint(w, `{"kind":"Pod","apiVersion":"v1","spec":{"shareProcessNamespace":true}}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	session := &Session{Client: client, Namespace: "ns"}

	ended := func(phase string) func([]byte) bool {
		return func(event []byte) bool { return bytes.Contains(event, []byte(phase)) }
	}
	for name, row := range map[string]struct {
		request suite.Request
		answer  suite.Answer
	}{
		"a pod":              {suite.Request{Path: "pods/stored"}, suite.Answer{Code: 200, Sharing: "true", Warnings: []string{"beware"}}},
		"a refusal":          {suite.Request{Path: "pods/refused"}, suite.Answer{Code: 422, Reason: "Invalid", Message: "no"}},
		"the server's own":   {suite.Request{Path: "/openapi/v3"}, suite.Answer{Code: 200, Body: `{"paths":{}}`}},
		"a part of the text": {suite.Request{Path: "/openapi/v3", Keep: func(body string) string { return body[:8] }}, suite.Answer{Code: 200, Body: `{"paths"`}},
		"a watched event":    {suite.Request{Path: "pods", Until: ended("Running"), Keep: lastWord}, suite.Answer{Code: 200, Body: "Running"}},
		"a watch in vain":    {suite.Request{Path: "pods", Until: ended("Failed")}, suite.Answer{Code: 200}},
		"a refused watch":    {suite.Request{Path: "pods/refused", Until: ended("Failed")}, suite.Answer{Code: 422, Reason: "Invalid", Message: "no"}},
	} {
		t.Run(name, func(t *testing.T) {
			row.request.Verb = "GET"
			answer, err := session.Request(t.Context(), row.request)
			require.NoError(t, err)
			assert.Equal(t, row.answer, answer)
		})
	}
}

// lastWord is the last text in quotes.
func lastWord(body string) string {
	parts := strings.Split(body, `"`)
	return parts[len(parts)-2]
}

// TestDeleteWaitsForTheLastState: the watch's store forgets a pod before its
// deletion is told, and only the deletion says how the containers ended.
func TestDeleteWaitsForTheLastState(t *testing.T) {
	running := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns"}}
	ended := running.DeepCopy()
	ended.Status.Phase = corev1.PodSucceeded
	store := cache.NewStore(cache.MetaNamespaceKeyFunc)
	require.NoError(t, store.Add(running))
	s := &Session{Client: fake.NewClientset(running), Namespace: "ns", store: store, changed: make(chan struct{})}

	type answer struct {
		gone bool
		last *corev1.Pod
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		gone, last, err := s.Delete(t.Context(), "p", 1, time.Minute)
		answered <- answer{gone, last, err}
	}()
	require.NoError(t, store.Delete(running))
	s.announce() // another pod's change comes first
	select {
	case a := <-answered:
		t.Fatalf("it did not wait: %+v", a)
	case <-time.After(50 * time.Millisecond): // the time in which it would have answered
	}
	s.noteDeleted(ended)
	a := <-answered
	require.NoError(t, a.err)
	assert.True(t, a.gone)
	assert.Equal(t, corev1.PodSucceeded, a.last.Status.Phase)
}
