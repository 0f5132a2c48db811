package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// server answers the preflight's questions as an API server would. It is no
// proof of anything about Kubernetes.
type server struct {
	version      string
	unauthorized bool
	denied       string // resource/subresource that nobody may touch
	nodes        []string

	mu      sync.Mutex
	created []string // what was asked to be stored
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if s.unauthorized {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","message":"Unauthorized","code":401}`)
		return
	}
	body, _ := io.ReadAll(r.Body)
	if r.Method != http.MethodGet && r.URL.Query().Get("dryRun") == "" && !strings.Contains(r.URL.Path, "selfsubjectaccessreviews") {
		s.mu.Lock()
		s.created = append(s.created, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
	}
	switch r.URL.Path {
	case "/version":
		fmt.Fprintf(w, `{"gitVersion":%q,"platform":"linux/amd64"}`, s.version)
	case "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
		review, _ := decoded(body).(*authorizationv1.SelfSubjectAccessReview)
		asked := review.Spec.ResourceAttributes
		fmt.Fprintf(w, `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":%t}}`,
			s.denied != asked.Resource+"/"+asked.Subresource)
	case "/api/v1/namespaces":
		if r.URL.Query().Get("sendInitialEvents") == "true" {
			// None at all; then the bookmark that ends what was there at first.
			fmt.Fprint(w, `{"type":"BOOKMARK","object":{"kind":"Namespace","apiVersion":"v1","metadata":{"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}}}`)
			return
		}
		if r.Method == http.MethodGet {
			fmt.Fprint(w, `{"kind":"NamespaceList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`)
			return
		}
		_ = json.NewEncoder(w).Encode(decoded(body)) // admitted as sent
	case "/api/v1/nodes":
		fmt.Fprintf(w, `{"kind":"NodeList","apiVersion":"v1","items":[%s]}`, strings.Join(s.nodes, ","))
	case "/apis/node.k8s.io/v1/runtimeclasses":
		fmt.Fprint(w, `{"kind":"RuntimeClassList","apiVersion":"node.k8s.io/v1","items":[{"metadata":{"name":"gvisor"},"handler":"runsc"}]}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","message":"not found","code":404}`)
	}
}

// decoded is what a client sent, in whatever form it prefers.
func decoded(body []byte) runtime.Object {
	object, kind, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		return nil
	}
	object.GetObjectKind().SetGroupVersionKind(*kind)
	return object
}

func readyNode(name, more string) string {
	return fmt.Sprintf(`{"metadata":{"name":%q},"spec":{%s},"status":{"conditions":[{"type":"Ready","status":"True"}],
		"nodeInfo":{"osImage":"Debian 12","kernelVersion":"6.18","containerRuntimeVersion":"containerd://2.4.2","architecture":"amd64"}}}`, name, more)
}

func sound() *server { return &server{version: "v1.37.2", nodes: []string{readyNode("worker", "")}} }

// kubeconfigOf starts a server and writes a kubeconfig for it.
func kubeconfigOf(t *testing.T, s *server) string {
	t.Helper()
	running := httptest.NewServer(s)
	t.Cleanup(running.Close)
	return writeKubeconfig(t, running.URL)
}

func writeKubeconfig(t *testing.T, address string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: here
contexts:
- {name: here, context: {cluster: c, user: u}}
- {name: there, context: {cluster: c, user: u}}
clusters:
- {name: c, cluster: {server: %q}}
users:
- {name: u, user: {token: t}}
`, address)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}
