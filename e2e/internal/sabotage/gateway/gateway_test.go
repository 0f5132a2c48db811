package gateway

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8sprotobuf "k8s.io/apimachinery/pkg/runtime/serializer/protobuf"

	"procns/e2e/internal/sabotage/changes"
)

// through sends a request through a gateway to a server that answers as told, and returns
// what the server was sent, and what came back.
func through(t *testing.T, g *Gateway, method, path, accept, body, answer string) (sent, got string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, path, r.URL.Path)
		assert.Equal(t, "fieldValidation=Strict", r.URL.RawQuery)
		sent = string(text)
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	gateway := httptest.NewServer(g.Handler(at, nil))
	defer gateway.Close()
	request, err := http.NewRequestWithContext(t.Context(), method, gateway.URL+path+"?fieldValidation=Strict", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/merge-patch+json")
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return sent, string(text)
}

func TestLenient(t *testing.T) {
	const path = "/api/v1/namespaces/n/pods"
	for body, want := range map[string]string{
		`{"spec":{"shareProcessNamespace":"true"}}`: `{"spec":{"shareProcessNamespace":true}}`,
		`{"spec":{"shareProcessNamespace":1}}`:      `{"spec":{"shareProcessNamespace":true}}`,
		`{"spec":{"shareProcessNamespace":null}}`:   `{"spec":{"shareProcessNamespace":false}}`,
		`{"spec":{"sharedProcessNamespace":true}}`:  `{"spec":{"shareProcessNamespace":true}}`,
		`{"spec":{"shareProcessNamespace":false}}`:  `{"spec":{"shareProcessNamespace":false}}`,
		`{"spec":{"hostPID":true}}`:                 `{"spec":{"hostPID":true}}`,
		`no JSON`:                                   `no JSON`,
		``:                                          ``,
	} {
		sent, got := through(t, Lenient(), http.MethodPost, path, "application/json", body, "answer")
		assert.Equal(t, want, sent)
		assert.Equal(t, "answer", got)
	}
	const other = `{"spec":{"shareProcessNamespace":"true"}}`
	sent, _ := through(t, Lenient(), http.MethodPost, path+"/p/eviction", "application/json", other, "")
	assert.Equal(t, other, sent, "what is no new pod is left alone")
}

func TestStale(t *testing.T) {
	const pod = `{"spec":{"shareProcessNamespace":true}}`
	_, got := through(t, Stale(), http.MethodPatch, "/api/v1/namespaces/n/pods/p/status", "application/json", `{"spec":{"shareProcessNamespace":false}}`, pod)
	assert.JSONEq(t, `{"spec":{"shareProcessNamespace":false}}`, got)
	_, got = through(t, Stale(), http.MethodPatch, "/api/v1/namespaces/n/pods/p", "application/json", `{"spec":{"shareProcessNamespace":false}}`, pod)
	assert.Equal(t, pod, got, "the pod itself is written as ever")
	const document = `{"components":{"schemas":{"io.k8s.api.core.v1.PodSpec":{"properties":{"shareProcessNamespace":{"description":"new"},"hostPID":{"description":"kept"}}}}}}`
	_, got = through(t, Stale(), http.MethodGet, "/openapi/v3/api/v1", "application/json", "", document)
	assert.NotContains(t, got, "new")
	assert.Contains(t, got, "kept")
}

// TestServer: new pods and workloads are changed, as a webhook would change them; all else is left alone.
func TestServer(t *testing.T) {
	const pod = `{"spec":{"containers":[],"shareProcessNamespace":true}}`
	const workload = `{"spec":{"template":` + pod + `}}`
	for name, row := range map[string]struct {
		change             changes.Change
		method, path, body string
		want               string
	}{
		"a pod":             {changes.SetFalse, http.MethodPost, "/api/v1/namespaces/n/pods", pod, `{"spec":{"containers":[],"shareProcessNamespace":false}}`},
		"a workload":        {changes.Prune, http.MethodPost, "/apis/apps/v1/namespaces/n/deployments", workload, `{"spec":{"template":{"spec":{"containers":[]}}}}`},
		"a pod is no one":   {changes.Prune, http.MethodPost, "/api/v1/namespaces/n/pods", pod, pod},
		"an update":         {changes.SetFalse, http.MethodPatch, "/api/v1/namespaces/n/pods/p", pod, pod},
		"a subresource":     {changes.SetFalse, http.MethodPost, "/api/v1/namespaces/n/pods/p/eviction", pod, pod},
		"what has no pod":   {changes.SetFalse, http.MethodPost, "/api/v1/namespaces/n/pods", `{"spec":{}}`, `{"spec":{}}`},
		"what is no object": {changes.SetFalse, http.MethodPost, "/api/v1/namespaces/n/pods", `[]`, `[]`},
	} {
		t.Run(name, func(t *testing.T) {
			sent, got := through(t, Server(row.change), row.method, row.path, "application/json", row.body, "answer")
			assert.JSONEq(t, row.want, sent)
			assert.Equal(t, "answer", got)
		})
	}
}

// TestServerReadsProtobuf: client-go writes pods in this form.
func TestServerReadsProtobuf(t *testing.T) {
	scheme := runtime.NewScheme()
	require.NoError(t, corev1.AddToScheme(scheme))
	share := true
	pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{Name: "p"},
		Spec: corev1.PodSpec{ShareProcessNamespace: &share, Containers: []corev1.Container{{Name: "c"}}}}
	var written bytes.Buffer
	require.NoError(t, k8sprotobuf.NewSerializer(scheme, scheme).Encode(pod, &written))
	var form, sent string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		form, sent = r.Header.Get("Content-Type"), string(text)
	}))
	defer server.Close()
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	gateway := httptest.NewServer(Server(changes.SetFalse).Handler(at, nil))
	defer gateway.Close()
	for body, want := range map[string][2]string{
		written.String():    {"application/json", `"shareProcessNamespace":false`},
		magic + "something": {protobuf, magic + "something"},
	} {
		response, err := http.Post(gateway.URL+"/api/v1/namespaces/n/pods", protobuf, strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, want[0], form)
		assert.Contains(t, sent, want[1])
	}
	assert.Nil(t, inJSON(nil))
}

// TestTaking: what the server should refuse is answered as done, and other refusals stay.
func TestTaking(t *testing.T) {
	const invalid, security = `{"code":422}`, `{"message":"pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": must not include \"SYS_PTRACE\"","code":403}`
	for name, row := range map[string]struct {
		gateway  *Gateway
		method   string
		refusal  int
		said     string
		wantCode int
		want     string
	}{
		"a new pod":                    {Unvalidated(), http.MethodPost, http.StatusUnprocessableEntity, invalid, http.StatusCreated, "sent"},
		"an update":                    {Unvalidated(), http.MethodPatch, http.StatusUnprocessableEntity, invalid, http.StatusOK, "stored"},
		"a missing right":              {Unvalidated(), http.MethodPost, http.StatusForbidden, `{"code":403}`, http.StatusForbidden, `{"code":403}`},
		"what is accepted":             {Unvalidated(), http.MethodPost, http.StatusCreated, "as ever", http.StatusCreated, "as ever"},
		"a read":                       {Unvalidated(), http.MethodGet, http.StatusUnprocessableEntity, invalid, http.StatusUnprocessableEntity, invalid},
		"Pod Security":                 {PassingPtrace(), http.MethodPost, http.StatusForbidden, security, http.StatusCreated, "sent"},
		"Pod Security, not to be seen": {Unvalidated(), http.MethodPost, http.StatusForbidden, security, http.StatusForbidden, security},
		"what is invalid all the same": {PassingPtrace(), http.MethodPost, http.StatusUnprocessableEntity, invalid, http.StatusUnprocessableEntity, invalid},
	} {
		t.Run(name, func(t *testing.T) {
			code, body := exchange(t, row.gateway, row.method, "/api/v1/namespaces/n/pods/p?dryRun=All", func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet && row.method != http.MethodGet {
					assert.Empty(t, r.URL.RawQuery)
					_, _ = io.WriteString(w, "stored")
					return
				}
				w.WriteHeader(row.refusal)
				_, _ = io.WriteString(w, row.said)
			})
			assert.Equal(t, row.wantCode, code)
			assert.Equal(t, row.want, body)
		})
	}
}

// exchange sends a request with the body "sent" through a gateway to a server.
func exchange(t *testing.T, g *Gateway, method, path string, server http.HandlerFunc) (code int, body string) {
	t.Helper()
	behind := httptest.NewServer(server)
	defer behind.Close()
	at, err := url.Parse(behind.URL)
	require.NoError(t, err)
	gateway := httptest.NewServer(g.Handler(at, nil))
	defer gateway.Close()
	request, err := http.NewRequestWithContext(t.Context(), method, gateway.URL+path, strings.NewReader("sent"))
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// TestDraining: a session's pod is deleted once, and nobody's exec is answered from then on.
func TestDraining(t *testing.T) {
	const pods = "/api/v1/namespaces/n/pods/"
	g := Draining()
	var deleted []string
	ask := func(method, path string) int {
		code, _ := exchange(t, g, method, path, func(_ http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				deleted = append(deleted, r.URL.Path)
			}
		})
		return code
	}
	for _, step := range []struct {
		name, method, path string
		want               int
		deleted            []string
	}{
		{"a container without a session", "GET", pods + "p/exec?container=one&command=ps", http.StatusOK, nil},
		{"the session", "GET", pods + "p/exec?container=one&command=sh&command=/tmp/session-1", http.StatusOK, nil},
		{"its own container", "GET", pods + "p/exec?container=one&command=ps", http.StatusOK, nil},
		{"another container", "GET", pods + "p/exec?container=two&command=ps", http.StatusInternalServerError, []string{pods + "p"}},
		{"its own container, later", "POST", pods + "p/exec?container=one&command=ps", http.StatusInternalServerError, []string{pods + "p"}},
		{"another pod", "GET", pods + "q/exec?container=two&command=ps", http.StatusOK, []string{pods + "p"}},
		{"another pod's log", "GET", pods + "q/log", http.StatusOK, []string{pods + "p"}},
		{"another pod is deleted", "DELETE", pods + "q", http.StatusOK, []string{pods + "p", pods + "q"}},
		{"and asked", "GET", pods + "q/exec?container=two&command=ps", http.StatusInternalServerError, []string{pods + "p", pods + "q"}},
	} {
		assert.Equal(t, step.want, ask(step.method, step.path), step.name)
		assert.Equal(t, step.deleted, deleted, step.name)
	}
}

// TestProtobuf removes the field from what Kubernetes' own code wrote.
func TestProtobuf(t *testing.T) {
	scheme := runtime.NewScheme()
	require.NoError(t, corev1.AddToScheme(scheme))
	serializer := k8sprotobuf.NewSerializer(scheme, scheme)
	share := true
	pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{Name: "p"},
		Spec: corev1.PodSpec{ShareProcessNamespace: &share, NodeName: "n", Containers: []corev1.Container{{Name: "c"}}}}
	var written bytes.Buffer
	require.NoError(t, serializer.Encode(pod, &written))
	_, got := through(t, Stale(), http.MethodGet, "/api/v1/namespaces/n/pods/p", protobuf, "", written.String())
	read, _, err := serializer.Decode([]byte(got), nil, nil)
	require.NoError(t, err)
	pod.Spec.ShareProcessNamespace = nil
	assert.Equal(t, pod.Spec, read.(*corev1.Pod).Spec)
	assert.Equal(t, "p", read.(*corev1.Pod).Name)
	assert.Equal(t, []byte("no protobuf"), withoutField([]byte("no protobuf")))
}

// FuzzRemove: what cannot be read stays as it is, and nothing grows.
func FuzzRemove(f *testing.F) {
	f.Add([]byte{0x12, 0x02, 0x08, 0x01})
	f.Fuzz(func(t *testing.T, message []byte) {
		assert.LessOrEqual(t, len(remove(message, rawNumber, specNumber, shareNumber)), len(message))
	})
}

// FuzzInJSON: whatever is sent, there is an object in JSON or nothing.
func FuzzInJSON(f *testing.F) {
	f.Add([]byte(magic + "\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x02\x0a\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if text := inJSON(body); text != nil {
			assert.True(t, json.Valid(text))
		}
	})
}
