package cluster

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"gotest.tools/v3/assert"
)

// TestExecUnread: a client that reads nothing has the server wait with its output, until the
// client is given up.
func TestExecUnread(t *testing.T) {
	var sent atomic.Int64
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	pod := silent(t, func(w http.ResponseWriter, r *http.Request) bool {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return true
		}
		for line := strings.Repeat("x", 1<<15); ; sent.Add(1) {
			if conn.WriteMessage(websocket.BinaryMessage, append([]byte{stdoutChannel}, line...)) != nil {
				return true
			}
		}
	})
	ctx, giveUp := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- pod.ExecUnread(ctx, "pod", "shell", "yes") }()
	const enough = 200 * time.Millisecond // a client that reads takes hundreds of messages in it
	for was, looks := int64(-1), 0; was != sent.Load() || was == 0; looks++ {
		assert.Assert(t, looks < 100, "the client reads: %d messages were sent", sent.Load())
		was = sent.Load()
		time.Sleep(enough)
	}
	select {
	case err := <-ended:
		t.Fatalf("the session ended by itself: %v", err)
	default:
	}
	giveUp()
	select {
	case err := <-ended:
		assert.NilError(t, err)
	case <-time.After(3 * streamEnds):
		t.Fatal("the session was given up, and goes on")
	}
}

// TestExecUnreadIsRefused: a session that cannot be opened is told.
func TestExecUnreadIsRefused(t *testing.T) {
	pod := silent(t, func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, `pods "pod" is forbidden: no`, http.StatusForbidden)
		return true
	})
	assert.ErrorContains(t, pod.ExecUnread(t.Context(), "pod", "shell", "yes"), "forbidden")
}
