package cluster

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"procns/e2e/internal/preflight"
	"procns/e2e/internal/suite"
)

// shelf answers requests from a table of texts, and keeps what it is sent. It is
// no proof of anything about Kubernetes.
type shelf struct {
	mu      sync.Mutex
	answers map[string]string // by path
	refuses string            // a part of the paths that may not be written to
	taken   bool              // whatever is created is there already
	sent    []string          // method, path and body
	edits   *strings.Replacer // of what is returned of what was sent
}

func (s *shelf) set(path, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = answer
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	body, _ := io.ReadAll(r.Body)
	if object, kind, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil); err == nil {
		object.GetObjectKind().SetGroupVersionKind(*kind)
		body, _ = json.Marshal(object)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		// None at all; then the bookmark that ends what was there at first.
		fmt.Fprint(w, `{"type":"BOOKMARK","object":{"kind":"Namespace","apiVersion":"v1","metadata":{"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}}}`)
		return
	}
	if r.Method != http.MethodGet && s.refuses != "" && strings.Contains(r.URL.Path, s.refuses) {
		refuse(w, http.StatusForbidden, "Forbidden", "not you")
		return
	}
	if r.Method == http.MethodPost && s.taken {
		refuse(w, http.StatusConflict, "AlreadyExists", "it exists")
		return
	}
	if r.Method != http.MethodGet {
		s.sent = append(s.sent, r.Method+" "+r.URL.Path+" "+string(body))
		if s.edits != nil {
			body = []byte(s.edits.Replace(string(body)))
		}
		_, _ = w.Write(body)
		return
	}
	answer, ok := s.answers[r.URL.Path]
	if !ok {
		refuse(w, http.StatusNotFound, "NotFound", "not found")
		return
	}
	fmt.Fprint(w, answer)
}

func refuse(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":%q,"code":%d}`, reason, message, code)
}

func clientOf(t *testing.T, answers http.Handler) kubernetes.Interface {
	t.Helper()
	server := httptest.NewServer(answers)
	t.Cleanup(server.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	require.NoError(t, err)
	return client
}

// list is a list of objects as a server sends it: each is name, run, version.
func list(kind, api string, objects ...[3]string) string {
	var items []string
	for _, o := range objects {
		items = append(items, fmt.Sprintf(`{"metadata":{"name":%q,"uid":"u","resourceVersion":%q,"labels":{"procns.run":%q}}}`, o[0], o[2], o[1]))
	}
	return fmt.Sprintf(`{"kind":%q,"apiVersion":%q,"items":[%s]}`, kind+"List", api, strings.Join(items, ","))
}

const (
	namespacesPath = "/api/v1/namespaces"
	leasesPath     = "/apis/coordination.k8s.io/v1/leases"
)

// TestFindDead: who shows no sign of life between two looks is dead, and nobody else.
func TestFindDead(t *testing.T) {
	type objects = [][3]string
	for name, row := range map[string]struct {
		namespaces, leases           objects // at first
		laterNamespaces, laterLeases objects
		dead                         []Dead
		living                       int
		waits                        bool
	}{
		"nothing there": {},
		"a living run": {
			namespaces: objects{{"procns-a", "a", "1"}}, leases: objects{{"procns", "a", "5"}},
			laterNamespaces: objects{{"procns-a", "a", "1"}}, laterLeases: objects{{"procns", "a", "6"}},
			living: 1, waits: true,
		},
		"a living run with two namespaces": {
			namespaces: objects{{"procns-a", "a", "1"}, {"procns-a-restricted", "a", "1"}}, leases: objects{{"procns", "a", "5"}},
			laterNamespaces: objects{{"procns-a", "a", "1"}, {"procns-a-restricted", "a", "1"}}, laterLeases: objects{{"procns", "a", "6"}},
			living: 1, waits: true,
		},
		"a dead run": {
			namespaces: objects{{"procns-a", "a", "1"}}, leases: objects{{"procns", "a", "5"}},
			laterNamespaces: objects{{"procns-a", "a", "1"}}, laterLeases: objects{{"procns", "a", "5"}},
			dead: []Dead{{"procns-a", "a"}}, waits: true,
		},
		"one that never had a Lease": {
			namespaces: objects{{"procns-a", "a", "1"}}, laterNamespaces: objects{{"procns-a", "a", "1"}},
			dead: []Dead{{"procns-a", "a"}}, waits: true,
		},
		"one that only begins": {
			namespaces: objects{{"procns-a", "a", "1"}}, laterNamespaces: objects{{"procns-a", "a", "1"}}, laterLeases: objects{{"procns", "a", "1"}},
			living: 1, waits: true,
		},
		"one that cleaned up meanwhile": {
			namespaces: objects{{"procns-a", "a", "1"}}, leases: objects{{"procns", "a", "5"}}, waits: true,
		},
		"one that came meanwhile": {
			namespaces: objects{{"procns-a", "a", "1"}}, leases: objects{{"procns", "a", "5"}},
			laterNamespaces: objects{{"procns-a", "a", "1"}, {"procns-b", "b", "1"}}, laterLeases: objects{{"procns", "a", "5"}, {"procns", "b", "1"}},
			dead: []Dead{{"procns-a", "a"}}, waits: true,
		},
		"one of each": {
			namespaces:      objects{{"procns-a", "a", "1"}, {"procns-b", "b", "1"}, {"procns-b-baseline", "b", "1"}},
			leases:          objects{{"procns", "a", "5"}, {"procns", "b", "5"}},
			laterNamespaces: objects{{"procns-a", "a", "1"}, {"procns-b", "b", "1"}, {"procns-b-baseline", "b", "1"}},
			laterLeases:     objects{{"procns", "a", "7"}, {"procns", "b", "5"}},
			dead:            []Dead{{"procns-b", "b"}, {"procns-b-baseline", "b"}}, living: 1, waits: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{answers: map[string]string{
				namespacesPath: list("Namespace", "v1", row.namespaces...), leasesPath: list("Lease", "coordination.k8s.io/v1", row.leases...),
			}}
			waited := false
			dead, living, err := FindDead(t.Context(), clientOf(t, s), t.Logf, func(context.Context) error {
				waited = true
				s.set(namespacesPath, list("Namespace", "v1", row.laterNamespaces...))
				s.set(leasesPath, list("Lease", "coordination.k8s.io/v1", row.laterLeases...))
				return nil
			})
			require.NoError(t, err)
			assert.Equal(t, row.dead, dead)
			assert.Equal(t, row.living, living)
			assert.Equal(t, row.waits, waited, "nobody waits for nothing")
		})
	}
	s := &shelf{answers: map[string]string{
		namespacesPath: list("Namespace", "v1", [3]string{"procns-a", "a", "1"}), leasesPath: list("Lease", "coordination.k8s.io/v1"),
	}}
	_, _, err := FindDead(t.Context(), clientOf(t, s), t.Logf, func(context.Context) error { return errors.New("interrupted") })
	assert.EqualError(t, err, "interrupted")
}

func TestDeleteStale(t *testing.T) {
	s := &shelf{answers: map[string]string{namespacesPath: list("Namespace", "v1")}, refuses: "procns-c"}
	err := DeleteStale(t.Context(), clientOf(t, s), []Dead{{"procns-a", "a"}, {"procns-b", "b"}, {"procns-c", "c"}}, t.Logf)
	assert.EqualError(t, err, "namespace procns-c is left: not you")
	var deleted []string
	for _, request := range s.sent {
		method, path, _ := strings.Cut(request, " ")
		path, _, _ = strings.Cut(path, " ")
		assert.Equal(t, "DELETE", method)
		deleted = append(deleted, path)
	}
	assert.ElementsMatch(t, []string{
		namespacesPath + "/procns-a", namespacesPath + "/procns-a/pods", namespacesPath + "/procns-b", namespacesPath + "/procns-b/pods",
	}, deleted)
}

func TestLookInside(t *testing.T) {
	const inside = "/api/v1/namespaces/procns-a/"
	s := &shelf{answers: map[string]string{
		inside + "resourcequotas": `{"kind":"ResourceQuotaList","apiVersion":"v1","items":[{"metadata":{"name":"team"},"spec":{"hard":{"pods":"3"}}}]}`,
		inside + "limitranges":    `{"kind":"LimitRangeList","apiVersion":"v1","items":[]}`,
	}}
	session := &Session{Client: clientOf(t, s), Namespace: "procns-a", RunID: "a"}
	manifest, err := suite.DecodeManifest("a.yaml", []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: nginx}]}\n"))
	require.NoError(t, err)
	pods := map[string]suite.Manifest{"a.yaml": manifest}
	cases := []suite.Case{{ID: "a/one", Fixture: "a.yaml"}, {ID: "a/two", Control: "a.yaml"}}
	checks := session.LookInside(t.Context(), pods, cases, 4)
	assert.Equal(t, []preflight.Check{
		{Name: "quota", State: preflight.Note, Said: "team allows 3 pods; the run would have up to 4 at one time, and has fewer"},
		{Name: "admission", State: preflight.OK, Said: "1 of 1 manifests would be admitted"},
	}, checks)

	// What the dry run returns is looked at.
	s.edits = strings.NewReplacer(`"containers":`, `"runtimeClassName":"other","containers":`)
	s.set("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", `{"items":[]}`)
	s.set("/apis/admissionregistration.k8s.io/v1beta1/mutatingadmissionpolicies", `{"items":[{"metadata":{"name":"set-class"},"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["pods"]}]}}}]}`)
	s.set("/apis/admissionregistration.k8s.io/v1beta1/mutatingadmissionpolicybindings", `{"items":[{"spec":{"policyName":"set-class"}}]}`)
	checks = session.LookInside(t.Context(), pods, cases, 3)
	require.Len(t, checks, 3)
	assert.Equal(t, preflight.Warn, checks[2].State)
	assert.Contains(t, checks[2].Said, `the cluster changes pods: sets spec.runtimeClassName to "other" (policy set-class), in a.yaml: 2 cases are inconclusive; way out: `)

	// A workload is not changed, but the pod that it makes would be.
	job, err := suite.DecodeManifest("a.yaml", []byte("apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: nginx}]}}}\n"))
	require.NoError(t, err)
	s.edits = strings.NewReplacer(`"kind":"Pod"`, `"kind":"Pod"`, `"spec":{"containers":`, `"spec":{"runtimeClassName":"other","containers":`, `"template":{"metadata":{},"spec":{"containers":`, `"template":{"metadata":{},"spec":{"containers":`)
	checks = session.LookInside(t.Context(), map[string]suite.Manifest{"a.yaml": job}, cases, 3)
	require.Len(t, checks, 3)
	assert.Contains(t, checks[2].Said, `sets spec.runtimeClassName to "other" (policy set-class), in a.yaml: 2 cases are inconclusive`)

	s.refuses = "pods"
	checks = session.LookInside(t.Context(), pods, cases, 2)
	require.Len(t, checks, 2)
	assert.Equal(t, "a.yaml refused: HTTP 403 Forbidden: not you", checks[1].Said)
}

// TestInOneVoice: one refuser of many manifests takes one line, whatever its words; what nobody knows the
// author of stays as it is.
func TestInOneVoice(t *testing.T) {
	const path = "resource Pod/NAME was blocked: failed at path /spec/containers/%d/resources/"
	answers := map[string]suite.Answer{}
	for i, file := range []string{"a.yaml", "b.yaml", "c.yaml"} {
		answers[file] = suite.Answer{Code: 400, Message: `admission webhook "validate.kyverno.svc-fail" denied the request: ` + fmt.Sprintf(path, i)}
	}
	for _, file := range []string{"d.yaml", "e.yaml"} {
		answers[file] = suite.Answer{Code: 422, Message: `pods "NAME" is forbidden: ValidatingAdmissionPolicy 'limits' denied request: no`}
	}
	answers["f.yaml"] = suite.Answer{Code: 403, Message: `pods "NAME" is forbidden: failed quota: one: must specify limits.cpu for: shell`}
	answers["g.yaml"] = suite.Answer{Code: 403, Message: `pods "NAME" is forbidden: failed quota: one: must specify limits.cpu for: nginx,shell`}
	answers["h.yaml"], answers["i.yaml"] = suite.Answer{Code: 502, Message: "a proxy"}, suite.Answer{Code: 502, Message: "another"}
	answers["j.yaml"] = suite.Answer{Code: 201}
	refused, authors := map[string]string{}, map[string]string{}
	for file, answer := range answers {
		if !answer.Accepted() {
			refused[file], authors[file] = answer.String(), answer.Refusal().Author()
			continue
		}
		refused[file] = ""
	}
	inOneVoice(refused, authors)
	var said []string
	for _, check := range preflight.OfPods(refused, nil) {
		said = append(said, check.Said)
	}
	require.Len(t, said, 6)
	all := strings.Join(said, "\n")
	assert.Regexp(t, `(?m)^a\.yaml, b\.yaml, c\.yaml refused: HTTP 400: the admission webhook "validate\.kyverno\.svc-fail" refused it: .* /spec/containers/0/.*; in other words for others of them$`, all)
	assert.Regexp(t, `(?m)^d\.yaml, e\.yaml refused: .*"limits" refused it: no \(exempt [^;]*\)$`, all)
	assert.Regexp(t, `(?m)^f\.yaml, g\.yaml refused: .*"one" refused it: .*; in other words for others of them$`, all)
	assert.Regexp(t, `(?m)^h\.yaml refused: HTTP 502: a proxy$`, all)
	assert.Regexp(t, `(?m)^1 of 10 manifests would be admitted$`, all)
}

func TestShowLife(t *testing.T) {
	s := &shelf{answers: map[string]string{}}
	session := &Session{Client: clientOf(t, s), Namespace: "procns-a", RunID: "a"}
	ended, end := context.WithCancel(t.Context())
	require.NoError(t, session.showLife(t.Context(), ended))
	end()
	require.Len(t, s.sent, 1)
	assert.Contains(t, s.sent[0], "POST /apis/coordination.k8s.io/v1/namespaces/procns-a/leases ")
	assert.Contains(t, s.sent[0], `"labels":{"procns.run":"a"}`)
	assert.Contains(t, s.sent[0], `"leaseDurationSeconds":60`)
	assert.GreaterOrEqual(t, LookTwice, 5*renewEvery, "a run may miss some renewals")
}

func TestCopyPullSecret(t *testing.T) {
	const path = "/api/v1/namespaces/registry/secrets/"
	s := &shelf{answers: map[string]string{
		path + "pull":   `{"kind":"Secret","apiVersion":"v1","type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"e30="}}`,
		path + "opaque": `{"kind":"Secret","apiVersion":"v1","type":"Opaque"}`,
	}}
	session := &Session{Client: clientOf(t, s), Namespace: "procns-a", RunID: "a"}
	require.NoError(t, session.CopyPullSecret(t.Context(), "registry", "pull", "copied"))
	require.Len(t, s.sent, 1)
	assert.Contains(t, s.sent[0], "POST /api/v1/namespaces/procns-a/secrets ")
	for _, part := range []string{`"name":"copied"`, `"procns.run":"a"`, `"type":"kubernetes.io/dockerconfigjson"`, `".dockerconfigjson":"e30="`} {
		assert.Contains(t, s.sent[0], part)
	}
	assert.EqualError(t, session.CopyPullSecret(t.Context(), "registry", "absent", "copied"), "-pull-secret: there is no Secret registry/absent")
	assert.ErrorContains(t, session.CopyPullSecret(t.Context(), "registry", "opaque", "copied"), `is of type "Opaque", not kubernetes.io/dockerconfigjson`)
	assert.Len(t, s.sent, 1)
}

func TestPlace(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	file := filepath.Join(t.TempDir(), "kubeconfig")
	const text = `{apiVersion: v1, kind: Config, contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: gone, user: u}}],
clusters: [{name: c, cluster: {server: "https://api.example"}}], users: [{name: u, user: {token: t}}]}`
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	config, _, name, err := Connect(Place{Kubeconfig: file, Context: "a"}, 7, &Counts{})
	require.NoError(t, err)
	assert.Equal(t, "a", name)
	assert.Equal(t, "https://api.example", config.Host)
	assert.InDelta(t, 7, config.RateLimiter.QPS(), 0)
	for says, place := range map[string]Place{
		`has no current context: choose with -context: it has a, b`: {Kubeconfig: file},
		`there is no context "c" in ` + file + `: it has a, b`:      {Kubeconfig: file, Context: "c"},
		`context "b" in `:      {Kubeconfig: file, Context: "b"},
		"-kubeconfig: stat ":   {Kubeconfig: file + ".gone"},
		"-in-cluster: unable ": {InCluster: true},
	} {
		_, _, _, err := Connect(place, 7, &Counts{})
		assert.ErrorContains(t, err, says)
	}
	// A list, as in $KUBECONFIG: the first file to say something about a name wins, and
	// those that do not exist are left out.
	second := filepath.Join(t.TempDir(), "second")
	require.NoError(t, os.WriteFile(second, []byte(strings.NewReplacer("current", "x", "name: a,", "name: d,", "api.example", "second.example").Replace(text)), 0o600))
	broken := filepath.Join(t.TempDir(), "broken")
	require.NoError(t, os.WriteFile(broken, []byte("{"), 0o600))
	for list, row := range map[string]struct{ context, host, says string }{
		file + ":" + second:                     {context: "a", host: "https://api.example"},
		second + ":" + file:                     {context: "a", host: "https://second.example"},
		file + ":/nonexistent:" + second:        {context: "d", host: "https://api.example"},
		":" + file + ":":                        {context: "a", host: "https://api.example"},
		file + ":" + broken:                     {context: "a", says: broken + " is no kubeconfig: "},
		"/nonexistent:/neither":                 {says: "-kubeconfig: stat /nonexistent: no such file or directory\nstat /neither: no such file"},
		file + ":" + second + ":/nonexistent/a": {context: "e", says: `there is no context "e" in ` + file + ", " + second + ": it has a, b, d"},
	} {
		config, _, _, err := Connect(Place{Kubeconfig: list, Context: row.context}, 7, &Counts{})
		if row.says != "" {
			assert.ErrorContains(t, err, row.says, list)
			continue
		}
		require.NoError(t, err, list)
		assert.Equal(t, row.host, config.Host, list)
	}
	colon := filepath.Join(t.TempDir(), "a:b")
	require.NoError(t, os.WriteFile(colon, []byte(text), 0o600))
	_, _, _, err = Connect(Place{Kubeconfig: colon, Context: "a"}, 7, &Counts{})
	assert.NoError(t, err, "a file of that very name")

	t.Setenv("KUBECONFIG", file)
	_, _, _, err = Connect(Place{Context: "a"}, 7, &Counts{})
	assert.NoError(t, err, "a context of the usual places")
}

func TestUnreached(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for says, err := range map[string]error{
		"they are wrong or have expired":                               apierrors.NewUnauthorized("Unauthorized"),
		"may do nothing there":                                         apierrors.NewForbidden(pods, "", errors.New("no")),
		"check the kubeconfig's certificate-authority, and the clocks": fmt.Errorf("Get: %w", &tls.CertificateVerificationError{Err: errors.New("expired")}),
		"there are no credentials for":                                 errors.New(`Get "https://x/version": getting credentials: exec: executable gone-helper not found`),
		"that the server runs":                                         errors.New("connection refused"),
		"titled “Sign in”, which no API server sends":                  errors.New(`an error on the server ("<html><title>Sign in</title></html>") has prevented the request from succeeding`),
	} {
		assert.ErrorContains(t, Unreached(&rest.Config{Host: "https://api.example"}, nil, err), says)
		assert.ErrorIs(t, Unreached(&rest.Config{Host: "https://api.example"}, nil, err), err)
	}
}

func TestLeave(t *testing.T) {
	ended := false
	s := &Session{Namespace: "procns-a", levels: map[string]string{"restricted": "procns-a-restricted"}, stop: func() { ended = true }}
	assert.Equal(t, []string{"procns-a", "procns-a-restricted"}, s.Leave())
	assert.True(t, ended)
	assert.Empty(t, (*Session)(nil).Leave())
}

func TestImagesOn(t *testing.T) {
	node := corev1.Node{Status: corev1.NodeStatus{Images: []corev1.ContainerImage{{Names: []string{"a", "a@sha256:1"}}, {Names: []string{"b"}}}}}
	assert.Equal(t, []string{"a", "a@sha256:1", "b"}, imagesOn(node))
}
