package webhook

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/sabotage/changes"
)

const containers = `"containers":[{"name":"one","securityContext":{"capabilities":{"add":["SYS_PTRACE","NET_ADMIN"]}}},{"name":"two"}]`

// ask sends an AdmissionReview and returns what the specification becomes, or "" where it
// stays as it is.
func ask(t *testing.T, change changes.Change, operation, resource, object, old string) string {
	t.Helper()
	main, sub, _ := strings.Cut(resource, "/")
	text := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"` + operation +
		`","subResource":"` + sub + `","resource":{"group":"","version":"v1","resource":"` + main + `"},"object":` + object + `,"oldObject":` + old + `}}`
	recorder := httptest.NewRecorder()
	Handler(map[string]changes.Change{"mutant": change}).ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text)))
	require.Equal(t, http.StatusOK, recorder.Code, recorder.Body.String())
	var answer review
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer))
	require.Nil(t, answer.Request)
	require.Equal(t, "admission.k8s.io/v1", answer.APIVersion)
	require.Equal(t, "u", answer.Response.UID)
	require.True(t, answer.Response.Allowed)
	if answer.Response.Patch == nil {
		return ""
	}
	require.Equal(t, "JSONPatch", answer.Response.PatchType)
	var patch []struct {
		Op, Path string
		Value    json.RawMessage
	}
	require.NoError(t, json.Unmarshal(answer.Response.Patch, &patch))
	require.Len(t, patch, 1)
	require.Equal(t, "replace", patch[0].Op)
	return patch[0].Path + " " + string(patch[0].Value)
}

func pod(class, rest string) string {
	return `{"kind":"Pod","spec":{"runtimeClassName":"` + class + `",` + containers + rest + `}}`
}

func TestChanges(t *testing.T) {
	const shared, not, absent = `,"shareProcessNamespace":true`, `,"shareProcessNamespace":false`, ""
	mutant := func(rest string) string { return pod("mutant", rest) }
	template := func(kind, rest string) string {
		spec := `{"template":{"spec":{"runtimeClassName":"mutant",` + containers + rest + `}}}`
		if kind == "CronJob" {
			spec = `{"schedule":"* * * * *","jobTemplate":{"spec":` + spec + `}}`
		}
		return `{"kind":"` + kind + `","spec":` + spec + `}`
	}
	failed := strings.Replace(mutant(shared), `"spec"`, `"status":{"phase":"Failed","conditions":[{"name":"two"}]},"spec"`, 1)
	const trueField, falseField = `"shareProcessNamespace":true`, `"shareProcessNamespace":false`
	for name, row := range map[string]struct {
		change              changes.Change
		operation, resource string
		object, old         string
		has, hasNot         string // of what it becomes; both empty: it stays
	}{
		"true becomes false":         {changes.SetFalse, "CREATE", "pods", mutant(shared), "null", falseField, trueField},
		"false stays":                {changes.SetFalse, "CREATE", "pods", mutant(not), "null", "", ""},
		"an update stays":            {changes.SetFalse, "UPDATE", "pods", mutant(shared), mutant(shared), "", ""},
		"false becomes true":         {changes.SetTrue, "CREATE", "pods", mutant(not), "null", trueField, falseField},
		"absent becomes true":        {changes.SetTrue, "CREATE", "pods", mutant(absent), "null", trueField, falseField},
		"a template is not shared":   {changes.SetTrue, "CREATE", "jobs", template("Job", not), "null", "", ""},
		"the class is another":       {changes.SetRuntimeClass("other"), "CREATE", "pods", mutant(shared), "null", `"runtimeClassName":"other"`, "mutant"},
		"an update keeps its class":  {changes.SetRuntimeClass("other"), "UPDATE", "pods", mutant(shared), mutant(shared), "", ""},
		"false is dropped":           {changes.DropFalse, "CREATE", "pods", mutant(not), "null", "/spec ", "shareProcess"},
		"true is not dropped":        {changes.DropFalse, "CREATE", "pods", mutant(shared), "null", "", ""},
		"the default is filled in":   {changes.FillIn, "CREATE", "pods", mutant(absent), "null", falseField, trueField},
		"a value is not filled in":   {changes.FillIn, "CREATE", "pods", mutant(shared), "null", "", ""},
		"a template is pruned":       {changes.Prune, "CREATE", "deployments", template("Deployment", shared), "null", "/spec/template/spec ", "shareProcess"},
		"a template's template, too": {changes.Prune, "CREATE", "cronjobs", template("CronJob", shared), "null", "/spec/jobTemplate/spec/template/spec ", "shareProcess"},
		"a pod is not pruned":        {changes.Prune, "CREATE", "pods", mutant(shared), "null", "", ""},
		"the capability is dropped":  {changes.DropPtrace, "CREATE", "pods", mutant(shared), "null", `"add":["NET_ADMIN"]`, "SYS_PTRACE"},
		"a contradiction is mended":  {changes.Mend, "CREATE", "pods", mutant(shared + `,"hostPID":true`), "null", `"hostPID":true`, "shareProcess"},
		"a template's contradiction": {changes.Mend, "CREATE", "jobs", template("Job", shared+`,"hostPID":true`), "null", `"hostPID":true`, "shareProcess"},
		"Windows is mended":          {changes.Mend, "CREATE", "pods", mutant(not + `,"os":{"name":"windows"}`), "null", "windows", "shareProcess"},
		"Linux stays":                {changes.Mend, "CREATE", "pods", mutant(shared + `,"os":{"name":"linux"}`), "null", "", ""},
		"a change is taken back":     {changes.Mend, "UPDATE", "pods", mutant(not), mutant(shared), trueField, falseField},
		"a removal is taken back":    {changes.Mend, "UPDATE", "pods", mutant(absent), mutant(shared), trueField, falseField},
		"an addition is taken back":  {changes.Mend, "UPDATE", "pods", mutant(shared), mutant(absent), "/spec ", "shareProcess"},
		"an unknown target is forgotten": {changes.Mend, "UPDATE", "pods/ephemeralcontainers",
			mutant(`,"ephemeralContainers":[{"name":"e","targetContainerName":"nobody"},{"name":"f","targetContainerName":"two"}]`), mutant(absent), `"targetContainerName":"two"`, "nobody"},
		"a failure is hidden": {changes.HideFailure, "UPDATE", "pods/status", failed, failed, `"phase":"Running"`, "Failed"},
		"a failure elsewhere": {changes.HideFailure, "UPDATE", "pods", failed, failed, "", ""},
		"another class's pod": {changes.SetFalse, "CREATE", "pods", pod("other", shared), "null", "", ""},
		"no pod at all":       {changes.SetFalse, "CREATE", "configmaps", `{"kind":"ConfigMap","data":{}}`, "null", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, row.change, row.operation, row.resource, row.object, row.old)
			if row.has == "" {
				assert.Empty(t, got)
				return
			}
			assert.Contains(t, got, row.has)
			assert.NotContains(t, got, row.hasNot)
			assert.Contains(t, got, `"name":"two"`, "the rest is there")
		})
	}
}

func TestRefusesWhatItCannotRead(t *testing.T) {
	for _, text := range []string{"", "[]", "{}", `{"request":7}`} {
		recorder := httptest.NewRecorder()
		Handler(nil).ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text)))
		assert.Equal(t, http.StatusBadRequest, recorder.Code, text)
	}
}

func TestNotify(t *testing.T) {
	assert.NoError(t, notify(""))
	assert.Error(t, notify(filepath.Join(t.TempDir(), "nobody")))
	name := filepath.Join(t.TempDir(), "socket")
	listener, err := net.ListenPacket("unixgram", name)
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	require.NoError(t, notify(name))
	text := make([]byte, 64)
	n, _, err := listener.ReadFrom(text)
	require.NoError(t, err)
	assert.Equal(t, "READY=1", string(text[:n]))
}

// FuzzAnswer: whatever is sent, there is an answer or an error.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"request":{"uid":"u","operation":"CREATE","resource":{"resource":"pods"},"object":` + pod("mutant", `,"shareProcessNamespace":true,"hostPID":true`) + `}}`))
	f.Add([]byte(`{"request":{"object":{"spec":{"containers":[7],"ephemeralContainers":[null],"runtimeClassName":"mutant"}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, change := range []changes.Change{changes.SetFalse, changes.SetTrue, changes.SetRuntimeClass("other"), changes.DropFalse, changes.FillIn, changes.Prune, changes.DropPtrace, changes.Mend, changes.HideFailure} {
			if out, err := answer(text, map[string]changes.Change{"mutant": change}); err == nil {
				assert.True(t, json.Valid(out))
			}
		}
	})
}
