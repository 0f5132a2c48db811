package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"procns/e2e/internal/preflight"
	"procns/e2e/internal/suite"
)

// owner is an entry of managed fields that owns a label.
func owner(manager, label string, at int64) metav1.ManagedFieldsEntry {
	raw, _ := json.Marshal(map[string]any{"f:metadata": map[string]any{"f:labels": map[string]any{"f:" + label: map[string]any{}}}})
	when := metav1.Unix(at, 0)
	return metav1.ManagedFieldsEntry{Manager: manager, Time: &when, FieldsV1: metav1.NewFieldsV1(string(raw))}
}

// TestRelabelled: a namespace whose labels are not the run's is told with who changed them.
func TestRelabelled(t *testing.T) {
	namespace := func(level, version string, owners ...metav1.ManagedFieldsEntry) *corev1.Namespace {
		n := namespaceAt("procns-1", "1", level, nil)
		if version != "" {
			n.Labels[enforceVersion] = version
		}
		n.ManagedFields = owners
		return n
	}
	deleted := namespace("restricted", "")
	deleted.DeletionTimestamp = &metav1.Time{}
	for name, row := range map[string]struct {
		namespace *corev1.Namespace
		level     string
		said      string // "" where there is nothing to say
	}{
		"as it was set":       {namespace("privileged", "", owner("procns.test", enforceLabel, 1)), "privileged", ""},
		"the newest rules":    {namespace("privileged", "latest"), "privileged", ""},
		"not the run's":       {namespace("restricted", ""), "", ""},
		"being deleted":       {deleted, "privileged", ""},
		"another level":       {namespace("restricted", "", owner("procns.test", "other", 1), owner("kubectl-label", enforceLabel, 2)), "privileged", `the level "restricted" of Pod Security, and not "privileged", which the run set: the field manager "kubectl-label" changed the label ` + enforceLabel},
		"the last who did it": {namespace("baseline", "", owner("syncer", enforceLabel, 9), owner("procns.test", enforceLabel, 1)), "restricted", `the field manager "syncer"`},
		"other rules":         {namespace("baseline", "v1.0", owner("syncer", enforceVersion, 2)), "baseline", `"baseline:v1.0"`},
		"nobody recorded":     {namespace("", ""), "baseline", "somebody (no manager is recorded)"},
	} {
		t.Run(name, func(t *testing.T) {
			said := relabelled(row.namespace, row.level)
			if row.said == "" {
				assert.Empty(t, said)
			} else {
				assert.Contains(t, said, row.said)
			}
		})
	}
}

// TestOfProbe: only Pod Security's refusal, at the namespace's level, shows that it is enforced.
func TestOfProbe(t *testing.T) {
	for name, row := range map[string]struct {
		answer suite.Answer
		said   string
	}{
		"refused":              {suite.Answer{Code: 403, Message: `pods "privileged" is forbidden: violates PodSecurity "baseline:latest": privileged`}, ""},
		"admitted":             {suite.Answer{Code: 201, Sharing: "absent"}, "Pod Security is not enforced in namespace n"},
		"refused at another":   {suite.Answer{Code: 403, Message: `pods "privileged" is forbidden: violates PodSecurity "restricted:latest": privileged`}, "could not be found out"},
		"refused by a webhook": {suite.Answer{Code: 403, Message: `admission webhook "policy.example" denied the request: no`}, `"policy.example"`},
	} {
		t.Run(name, func(t *testing.T) {
			said := ofProbe(row.answer, "n", "baseline")
			if row.said == "" {
				assert.Empty(t, said)
			} else {
				assert.Contains(t, said, row.said)
			}
		})
	}
}

// TestUnenforcedIsAskedAgain: an answer is remembered, and a moment's trouble is not.
func TestUnenforcedIsAskedAgain(t *testing.T) {
	asked := 0
	session := sessionWith(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		switch asked {
		case 1:
			refuse(w, http.StatusInternalServerError, "InternalError", "etcdserver: leader changed")
		case 2:
			refuse(w, http.StatusInternalServerError, "InternalError", `Internal error occurred: failed calling webhook "w.example": refused`)
		default:
			refuse(w, http.StatusForbidden, "Forbidden", `pods "privileged" is forbidden: violates PodSecurity "baseline:latest": privileged`)
		}
	})
	like := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Image: "busybox"}}}}
	for i, says := range []string{"leader changed", `"w.example"`, "", ""} {
		said, err := session.unenforced(t.Context(), "ns-baseline", "baseline", like)
		require.NoError(t, err)
		assert.Equal(t, says == "", said == "", said)
		assert.Contains(t, said, says)
		assert.Equal(t, min(i+1, 3), asked)
	}
}

// TestWouldEnforce: who refuses the run's namespace is named in one line, with what to do; that a webhook is
// not asked in a dry run keeps nobody from a run.
func TestWouldEnforce(t *testing.T) {
	for name, row := range map[string]struct {
		code    int
		message string // in JSON
		state   preflight.State
		says    string
	}{
		"admitted": {200, "", preflight.OK, "the run's namespace enforces privileged"},
		"labels are demanded": {403, `admission webhook \"validation.gatekeeper.sh\" denied the request: [ns-must-have-owner] you must provide labels: {\"owner\"}`, preflight.Fail,
			`the run's namespace is refused: the admission webhook "validation.gatekeeper.sh" by its policy "ns-must-have-owner" refused it: [ns-must-have-owner] you must provide labels: {"owner"} ` +
				`(exempt namespaces with the label procns.run from it while the suite runs, or set what it asks for with -namespace-label, -pod-label or -pod-annotation)`},
		"in many lines": {400, `admission webhook \"validate.kyverno.svc-fail\" denied the request: \n\nresource Namespace//procns-1 was blocked due to the following policies\n\nns-names:\n  rule: 'no'\n`, preflight.Fail,
			`by its policy "ns-names" refused it: resource Namespace//procns-1 was blocked due to the following policies ns-names: rule: 'no'`},
		"a webhook is down":     {500, `Internal error occurred: failed calling webhook \"ns.example\": failed to call webhook: refused`, preflight.Fail, `the admission webhook "ns.example" refused it: the API server could not call it`},
		"a webhook without it":  {400, `admission webhook \"old.example\" does not support dry run`, preflight.Note, `whether the run's namespace is admitted could not be asked: the admission webhook "old.example" refused it: it does not support dry run`},
		"by nobody knows whom":  {400, `a\nproxy`, preflight.Fail, "the run's namespace is refused: it was refused, and nothing tells by whom: a proxy"},
		"whoever asks may not":  {403, `namespaces is forbidden: User \"u\" cannot create resource \"namespaces\"`, preflight.Fail, "the API server does not allow it to this user"},
		"in an unexpected code": {413, `namespaces \"procns-1\" is forbidden: ValidatingAdmissionPolicy 'few' denied request: no`, preflight.Fail, `the admission policy "few" refused it: no`},
	} {
		t.Run(name, func(t *testing.T) {
			client := clientOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if row.code == http.StatusOK {
					(&shelf{}).ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(row.code)
				fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"%s","code":%d}`, row.message, row.code)
			}))
			check := wouldEnforce(t.Context(), client, Asked{RunID: "1"})
			assert.Equal(t, row.state, check.State, check.Said)
			assert.Contains(t, check.Said, row.says)
			assert.NotContains(t, check.Said, "\n")
		})
	}
}

// TestRelabelledNamespaceIsNoticed: the watch sees a label that is changed and changed back, and
// a pod that was refused for it is told with who did it.
func TestRelabelledNamespaceIsNoticed(t *testing.T) {
	client := fake.NewClientset()
	session := newSession(client, nil, "1", &Counts{}, "procns-1")
	require.NoError(t, session.createNamespace(t.Context(), "procns-1", runLevel))
	session.watchLabels(t.Context())
	require.Empty(t, session.levelDoubt(t.Context(), "procns-1"))

	for _, level := range []string{"restricted", runLevel} {
		changed := namespaceAt("procns-1", "1", level, nil)
		require.EventuallyWithT(t, func(c *assert.CollectT) { // until the watch has begun
			_, err := client.CoreV1().Namespaces().Update(t.Context(), changed, metav1.UpdateOptions{FieldManager: "syncer"})
			require.NoError(c, err)
			require.Len(c, session.Relabelled(), 1)
		}, 10*time.Second, 10*time.Millisecond)
	}
	assert.Contains(t, session.levelDoubt(t.Context(), "procns-1"), `the field manager "syncer"`)

	client.PrependReactor("create", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, &apierrors.StatusError{ErrStatus: metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden,
			Message: `pods "one" is forbidden: violates PodSecurity "restricted:latest": no`}}
	})
	_, err := session.Create(t.Context(), suite.Manifest{File: "one.yaml", Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "one"}}})
	require.ErrorContains(t, err, `Pod Security at the level "restricted" refused it`)
	require.ErrorContains(t, err, `the field manager "syncer" changed the label`)
}
