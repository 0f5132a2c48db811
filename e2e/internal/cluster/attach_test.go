package cluster

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"
	"gotest.tools/v3/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"procns/e2e/internal/probe"
)

// The channels of Kubernetes' remote command protocol, v5.channel.k8s.io.
const (
	stdinChannel  = 0
	stdoutChannel = 1
	errorChannel  = 3
)

// attached serves attach: each connection by the next of the given conversations.
func attached(t *testing.T, conversations ...func(*websocket.Conn)) (s *Session, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1))
		if n > len(conversations) {
			http.Error(w, "once too often", http.StatusGone)
			return
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // the client sees it
		}
		defer func() { _ = conn.Close() }()
		conversations[n-1](conn)
	}))
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL}
	client, err := kubernetes.NewForConfig(config)
	assert.NilError(t, err)
	return streaming(client, config), asked
}

// streaming is a session with containers that are reached at a server.
func streaming(client kubernetes.Interface, config *rest.Config) *Session {
	return newSession(client, config, "run", &Counts{}, "ns")
}

// say sends on a channel what may fail only when the client has gone.
func say(conn *websocket.Conn, channel byte, text string) {
	_ = conn.WriteMessage(websocket.BinaryMessage, append([]byte{channel}, text...))
}

// end sends how the command ended, as the last thing.
func end(conn *websocket.Conn, status metav1.Status) {
	raw, _ := json.Marshal(status)
	say(conn, errorChannel, string(raw))
	_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
}

// keysUntilLine reads what is typed, up to the end of a line.
func keysUntilLine(conn *websocket.Conn) string {
	var typed strings.Builder
	for !strings.HasSuffix(typed.String(), "\n") {
		_, message, err := conn.ReadMessage()
		if err != nil {
			return typed.String()
		}
		if len(message) > 1 && message[0] == stdinChannel {
			typed.Write(message[1:])
		}
	}
	return typed.String()
}

// notInTime takes the keys and then says, as kubelet does, that containerd could not attach.
func notInTime(conn *websocket.Conn) {
	keysUntilLine(conn)
	end(conn, metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonInternalError,
		Message: "error attaching to container: failed to load task: context deadline exceeded"})
}

// echo answers one line and ends well.
func echo(conn *websocket.Conn) {
	say(conn, stdoutChannel, "typed: "+keysUntilLine(conn))
	end(conn, metav1.Status{Status: metav1.StatusSuccess})
}

// enter types a line and reads what it is answered.
func enter(shown *string) func(*probe.Terminal) error {
	return func(t *probe.Terminal) error {
		if err := t.Type("line\n"); err != nil {
			return err
		}
		var err error
		*shown, err = t.Await(0, reply, "answer", func(text string) bool { return strings.Contains(text, "\n") })
		return err
	}
}

// reply is longer than a request is repeated.
const reply = 2 * serverReturns

// TestAttachAsksAgain: a runtime that did not come to it is asked again, and is given the
// keys that the first request took.
func TestAttachAsksAgain(t *testing.T) {
	pod, asked := attached(t, notInTime, echo)
	var shown string
	assert.NilError(t, pod.Attach(t.Context(), "pod", "shell", enter(&shown)))
	assert.Equal(t, "typed: line\n", shown)
	assert.Equal(t, int32(2), asked.Load())
}

// TestAttachIsNotRepeated: once the container has answered, the end of the connection is the end.
func TestAttachIsNotRepeated(t *testing.T) {
	busyAfterwards := func(conn *websocket.Conn) {
		say(conn, stdoutChannel, "prompt # ")
		notInTime(conn)
	}
	pod, asked := attached(t, busyAfterwards)
	var shown string
	err := pod.Attach(t.Context(), "pod", "shell", enter(&shown))
	assert.ErrorIs(t, err, io.EOF)
	assert.ErrorContains(t, err, `it showed "prompt # "`)
	assert.Equal(t, int32(1), asked.Load())
}

// TestHasTerminal: whether one is attached to with a terminal is the container's own, of whatever sort it is.
func TestHasTerminal(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns"}, Spec: corev1.PodSpec{
		InitContainers:      []corev1.Container{{Name: "sidecar"}},
		Containers:          []corev1.Container{{Name: "shell", TTY: true}, {Name: "nginx"}},
		EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug"}}},
	}}
	s := newSession(nil, nil, "run", &Counts{}, "ns")
	s.store = cache.NewStore(cache.MetaNamespaceKeyFunc)
	assert.NilError(t, s.store.Add(pod))
	for container, want := range map[string]bool{"sidecar": false, "shell": true, "nginx": false, "debug": false, "not seen as yet": true} {
		assert.Equal(t, s.hasTerminal("p", container), want, container)
	}
	assert.Assert(t, s.hasTerminal("not seen as yet", "nginx"))
}
