package cluster

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"gotest.tools/v3/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"

	"procns/e2e/internal/probe"
)

// silent serves exec and never tells how the command ended: what it is asked is
// answered with what the row begins with, unless that was an answer.
func silent(t *testing.T, begins func(http.ResponseWriter, *http.Request) (answered bool)) *Session {
	t.Helper()
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !begins(w, r) {
			<-over
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(over) })
	config := &rest.Config{Host: server.URL}
	client, err := kubernetes.NewForConfig(config)
	assert.NilError(t, err)
	return streaming(client, config)
}

// TestExecHasADeadline: a command that hangs, or a server that does not even answer, is
// given up, and the stream with it.
func TestExecHasADeadline(t *testing.T) {
	const within = 300 * time.Millisecond
	var closed atomic.Bool
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	for name, begins := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"the command hangs": func(w http.ResponseWriter, r *http.Request) bool {
			conn, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return true
			}
			say(conn, stdoutChannel, "half an answer")
			go func() {
				for {
					if _, _, err := conn.ReadMessage(); err != nil {
						closed.Store(true)
						return
					}
				}
			}()
			return false
		},
		"the server does not answer": func(http.ResponseWriter, *http.Request) bool { return false },
		"SPDY is not answered": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				return false
			}
			http.Error(w, "no such upgrade", http.StatusBadRequest)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := silent(t, begins)
			began := time.Now()
			result, err := pod.Exec(t.Context(), within, "pod", "shell", "cat", "/proc/7/environ")
			took := time.Since(began)
			assert.Error(t, err, "exec in container shell did not end within 300ms: pod pod is no longer there")
			assert.Assert(t, !result.Ran() && !result.Cut, "%+v", result)
			assert.Assert(t, took >= within && took < within+2*streamEnds, "it took %s", took)

			snapshot, _, err := pod.Observe(t.Context(), within, "pod", "shell", nil)
			var late *probe.DeadlineError
			assert.Assert(t, snapshot == nil)
			assert.Assert(t, errors.As(err, &late), "%v", err)
		})
	}
	for range 100 {
		if closed.Load() {
			return
		}
		time.Sleep(10 * time.Millisecond) // the time of a loopback connection
	}
	t.Error("the stream of the command that hangs was not closed")
}

// TestExecWaitsItsTurn: an exec counts against the client's rate, and its deadline from
// when it is sent.
func TestExecWaitsItsTurn(t *testing.T) {
	pod, _ := attached(t, echoNothing, echoNothing, echoNothing)
	pod.Config.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(5, 1)
	began := time.Now()
	for range 3 {
		_, err := pod.Exec(t.Context(), 150*time.Millisecond, "pod", "shell", "true")
		assert.NilError(t, err)
	}
	assert.Assert(t, time.Since(began) >= 390*time.Millisecond, "three execs at five a second took %s", time.Since(began))
}

// echoNothing ends well at once.
func echoNothing(conn *websocket.Conn) { end(conn, metav1.Status{Status: metav1.StatusSuccess}) }

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

	pod := streaming(client, config)
	result, err := pod.Exec(t.Context(), reply, "pod", "shell", "true")
	assert.NilError(t, err)
	assert.Assert(t, !result.Ran())
	mu.Lock()
	defer mu.Unlock()
	assert.DeepEqual(t, asked, []string{"GET websocket", "POST spdy/3.1"})
}
