package cluster

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gorilla/websocket"
	"gotest.tools/v3/assert"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/streaming/pkg/httpstream"

	"procns/e2e/internal/suite"
)

// TestRefusalOf: a policy or a webhook that refuses a stream (the operation CONNECT) is told from
// a node that does not answer, in whatever kind of error the refusal comes.
func TestRefusalOf(t *testing.T) {
	webhook := apierrors.NewBadRequest(`admission webhook "no-exec.example" denied the request: no`)
	policy := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "one", errors.New("ValidatingAdmissionPolicy 'no-exec' with binding 'no-exec' denied request: no"))
	for name, row := range map[string]struct {
		err     error
		want    suite.Refuser
		lasting bool
	}{
		"nothing":                {nil, suite.Nobody, false},
		"a webhook, WebSocket":   {&httpstream.UpgradeFailureError{Cause: webhook}, suite.ByWebhook, true},
		"a webhook, SPDY":        {webhook, suite.ByWebhook, true},
		"a policy":               {fmt.Errorf("exec: %w", policy), suite.ByPolicy, true},
		"a webhook that is down": {apierrors.NewInternalError(errors.New(`failed calling webhook "no-exec.example": no endpoints`)), suite.ByWebhook, false},
		"no such container":      {apierrors.NewBadRequest("container two is not valid for pod one"), suite.ByUnknown, false},
		"kubelet's own text":     {errors.New(`unable to upgrade connection: container not found ("two")`), suite.ByUnknown, false},
		"a policy, as text":      {errors.New(`unable to upgrade connection: pods "one" is forbidden: ValidatingAdmissionPolicy 'no-exec' with binding 'no-exec' denied request: no`), suite.ByPolicy, true},
	} {
		got := refusalOf(row.err)
		assert.Equal(t, got.By, row.want, name)
		assert.Equal(t, got.Lasting(), row.lasting, name)
	}
}

func TestTroubleOf(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	for name, row := range map[string]struct {
		err  error
		want trouble
	}{
		"nothing":                         {nil, none},
		"no API server":                   {fmt.Errorf("post: %w", refused), unreached},
		"no kubelet":                      {errors.New(`error dialing backend: dial tcp 10.89.0.4:10250: connect: connection refused`), unreached},
		"API server not ready":            {&httpstream.UpgradeFailureError{Cause: apierrors.NewServiceUnavailable("starting")}, unreached},
		"too many requests":               {&httpstream.UpgradeFailureError{Cause: apierrors.NewTooManyRequestsError("slow down")}, unreached},
		"reset while reading":             {fmt.Errorf("error reading from error stream: next reader: %w", reset), cut},
		"closed without a status":         {fmt.Errorf("next reader: %w", &websocket.CloseError{Code: websocket.CloseAbnormalClosure, Text: io.ErrUnexpectedEOF.Error()}), cut},
		"end of file":                     {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), cut},
		"cut between the servers":         {errors.New("Internal error occurred: error executing command in container: error reading from error stream: connection reset by peer"), cut},
		"containerd restarts":             {errors.New(`rpc error: code = Unavailable desc = error reading from server: EOF`), cut},
		"the shim is slow":                {errors.New(`Internal error occurred: error executing command in container: failed to exec in container: failed to load task: context deadline exceeded`), busy},
		"there is no task":                {errors.New(`error executing command in container: failed to exec in container: failed to load task: no running task found: task 1a2b not found`), none},
		"the command may have begun":      {errors.New(`error executing command in container: failed to exec in container: failed to start exec "1a2b": context deadline exceeded`), none},
		"no such program":                 {errors.New(`Internal error occurred: error executing command in container: failed to exec in container: failed to start exec "1a2b": OCI runtime exec failed: exec failed: unable to start container process: exec: "sh": executable file not found in $PATH: unknown`), none},
		"container is not there":          {errors.New(`unable to upgrade connection: container not found ("shell")`), none},
		"container not yet, as a status":  {&httpstream.UpgradeFailureError{Cause: apierrors.NewBadRequest("container shell is not running")}, none},
		"exec refused":                    {&httpstream.UpgradeFailureError{Cause: apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "p", errors.New("no"))}, none},
		"no upgrade, and nothing is said": {&httpstream.UpgradeFailureError{Cause: errors.New("400 Bad Request")}, none},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, row.want, troubleOf(row.err)) })
	}
}

// TestExecAsksAgain: a request that did not reach the node is repeated until it
// does; an answer is not asked for twice.
func TestExecAsksAgain(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost { // WebSocket's turn comes before each of SPDY's
			http.Error(w, "no such upgrade", http.StatusBadRequest)
			return
		}
		if asked.Add(1) == 1 {
			http.Error(w, "error dialing backend: dial tcp: connection refused", http.StatusInternalServerError)
			return
		}
		http.Error(w, `container not found ("shell")`, http.StatusInternalServerError)
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	client, err := kubernetes.NewForConfig(config)
	assert.NilError(t, err)
	result, err := streaming(client, config).Exec(t.Context(), reply, "pod", "shell", "true")
	assert.NilError(t, err)
	assert.Equal(t, int32(2), asked.Load())
	assert.Assert(t, !result.Ran() && !result.Cut, "%+v", result)
}

// TestExecThroughAProxy: the page that a proxy answers with is told in one line, and ends what is of no use.
func TestExecThroughAProxy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<html>\n<head><title>403 Forbidden</title></head>\n<body>\n"+strings.Repeat("<p>no\n", 500)+"</body>\n</html>\n")
	}))
	defer server.Close()
	config := &rest.Config{Host: server.URL}
	client, err := kubernetes.NewForConfig(config)
	assert.NilError(t, err)
	_, err = streaming(client, config).Exec(t.Context(), reply, "pod", "shell", "true")
	assert.ErrorContains(t, err, "a page of HTML titled “403 Forbidden”, which no API server sends: is there a proxy on the way?")
	assert.Assert(t, !strings.Contains(err.Error(), "\n") && len(err.Error()) < 400, "%q", err)
}
