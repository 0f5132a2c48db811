package campaign

import (
	"compress/gzip"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gotest.tools/v3/golden"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"procns/e2e/cases"
	"procns/e2e/internal/report"
	"procns/e2e/internal/sabotage/mutants"
	"procns/e2e/internal/sabotage/wrapper"
	"procns/e2e/internal/suite"
)

// some are a mutant of each kind.
func some() []mutants.Mutant {
	return []mutants.Mutant{
		{Name: mutants.Control, Runtime: &wrapper.Breakage{}},
		{Name: "own-pid-namespace", Runtime: &wrapper.Breakage{}, Disruptions: []string{"disruption"}},
		{Name: "webhook-sets-false", Run: []string{"admission"}},
		{Name: "node-pid-namespace", Runtime: &wrapper.Breakage{}, Run: []string{"neighbours"}, Confined: "it would signal the node"},
	}
}

func TestKindConfig(t *testing.T) {
	config, err := KindConfig("/here/programs", some())
	require.NoError(t, err)
	golden.Assert(t, string(config), "kind-config.yaml")
}

func TestFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "programs")
	built := filepath.Join(t.TempDir(), "built")
	require.NoError(t, os.WriteFile(built, []byte("program"), 0o600))
	for range 2 { // a folder that is there is made anew
		require.NoError(t, MakeFolder(folder, built, some()))
	}
	info, err := os.Stat(filepath.Join(folder, "own-pid-namespace"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o755), info.Mode().Perm(), "the link leads to a program")
	assert.NoFileExists(t, filepath.Join(folder, "webhook-sets-false"))
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, certificateFile), filepath.Join(folder, keyFile))
	require.NoError(t, err)
	assert.NoError(t, pair.Leaf.VerifyHostname("127.0.0.1"))
	assert.Error(t, MakeFolder(folder, "/nonexistent", nil))
}

func TestWebhookConfiguration(t *testing.T) {
	text, err := json.MarshalIndent(webhookConfiguration([]byte("authority")), "", " ")
	require.NoError(t, err)
	golden.Assert(t, string(text)+"\n", "webhook.json")
}

// TestPolicy: it is for the pods of runs, and refuses.
func TestPolicy(t *testing.T) {
	m, ok := mutants.Named("policy-refuses-host-pid")
	require.True(t, ok)
	policy, binding := policyOf(m)
	text, err := json.MarshalIndent([]any{policy, binding}, "", " ")
	require.NoError(t, err)
	golden.Assert(t, string(text)+"\n", "policy.json")
	var spec corev1.PodSpec
	m.Policy.Offends(&spec)
	assert.True(t, spec.HostPID)
}

// TestAdmission installs and removes what mutants need, once for all of them, where the API server goes
// by it after a while.
func TestAdmission(t *testing.T) {
	client := fake.NewClientset()
	asked := 0
	client.PrependReactor("create", "pods", func(action k8stesting.Action) (bool, runtime.Object, error) {
		pod := action.(k8stesting.CreateAction).GetObject().(*corev1.Pod)
		if asked++; asked%2 == 1 {
			return true, pod, nil // not yet
		}
		// The client itself is locked meanwhile.
		_, noWebhook := client.Tracker().Get(admissionv1.SchemeGroupVersion.WithResource("mutatingwebhookconfigurations"), "", mutants.WebhookDomain)
		_, noPolicy := client.Tracker().Get(admissionv1.SchemeGroupVersion.WithResource("validatingadmissionpolicies"), "", "policy-refuses-host-pid")
		switch {
		case noPolicy == nil:
			return true, nil, apierrors.NewForbidden(corev1.Resource("pods"), pod.Name, errors.New("the policy"))
		case noWebhook == nil:
			*pod.Spec.ShareProcessNamespace = false
		}
		return true, pod, nil
	})
	c := &Campaign{client: client, programs: t.TempDir()}
	require.NoError(t, makeCertificate(c.programs))
	hooks := func() int {
		list, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		return len(list.Items)
	}
	webhook, _ := mutants.Named(probed)
	one, err := c.admit(t.Context(), webhook)
	require.NoError(t, err)
	two, err := c.admit(t.Context(), webhook)
	require.NoError(t, err)
	require.NoError(t, one(t.Context()))
	assert.Equal(t, 1, hooks(), "the other still needs it")
	require.NoError(t, two(t.Context()))
	assert.Zero(t, hooks())

	policy, _ := mutants.Named("policy-refuses-host-pid")
	for range 2 {
		remove, err := c.admit(t.Context(), policy)
		require.NoError(t, err)
		require.NoError(t, remove(t.Context()))
	}
	none, err := c.admit(t.Context(), mutants.Mutant{})
	require.NoError(t, err)
	require.NoError(t, none(t.Context()))
}

func TestSelection(t *testing.T) {
	c := &Campaign{Cases: cases.All()}
	all := some()
	assert.NotContains(t, c.selection(all[0]), "disruption")
	assert.Contains(t, c.selection(all[0]), "lifecycle")
	assert.Equal(t, []string{"admission"}, c.selection(all[2]))
	c.Whole = true
	assert.Contains(t, c.selection(all[2]), "lifecycle")
	assert.Equal(t, []string{"neighbours"}, c.selection(all[3]), "a mutant that is confined stays so")
}

// TestRecord keeps what killed cases saw, and nothing else, and the same bytes each time.
func TestRecord(t *testing.T) {
	across := suite.Case{ID: "a/across", Fixture: "lookout.yaml", Neighbour: "markers.yaml"}
	conformant := suite.Case{ID: "a/conformant", Fixture: "files.yaml"}
	run, into := t.TempDir(), t.TempDir()
	for _, stage := range []string{"lookout", "markers", "files"} {
		folder := filepath.Join(run, "worker_mutant", stage)
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "observation.json"), []byte(`{"of":"`+stage+`"}`), 0o600))
	}
	d := report.Document{Results: []report.Result{
		{ID: "a/across", Outcome: suite.NonConformant, Evidence: "worker_mutant/lookout"},
		{ID: "a/conformant", Outcome: suite.Conformant, Evidence: "worker_mutant/files"},
		{ID: "a/gone", Outcome: suite.NonConformant, Evidence: "worker_mutant/nowhere"},
	}}
	require.NoError(t, Record(into, "mutant", run, d, []suite.Case{across, conformant}))
	var first []byte
	for _, stage := range []string{"lookout", "markers"} {
		packed, err := os.Open(filepath.Join(into, Recording("mutant", stage)))
		require.NoError(t, err)
		content, err := gzip.NewReader(packed)
		require.NoError(t, err)
		text, err := io.ReadAll(content)
		require.NoError(t, err)
		assert.JSONEq(t, `{"of":"`+stage+`"}`, string(text))
		require.NoError(t, packed.Close())
		first, err = os.ReadFile(packed.Name())
		require.NoError(t, err)
	}
	assert.NoFileExists(t, filepath.Join(into, Recording("mutant", "files")))
	require.NoError(t, Record(into, "mutant", run, d, []suite.Case{across}))
	again, err := os.ReadFile(filepath.Join(into, Recording("mutant", "markers")))
	require.NoError(t, err)
	assert.Equal(t, first, again)
	require.NoError(t, ForgetRecordings(into, "mutant"))
	require.NoError(t, ForgetRecordings(into, "mutant"))
	assert.NoDirExists(t, filepath.Join(into, "mutant"))
}

func TestReports(t *testing.T) {
	c := &Campaign{Folder: t.TempDir()}
	_, err := c.Reports("mutant")
	assert.ErrorContains(t, err, "no report of a run under the mutant")
	for _, run := range []string{"20260102-000000-a", "20260101-000000-b"} {
		folder := filepath.Join(c.Folder, "mutant", run)
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "report.json"), []byte(`{"schema":"`+report.Schema+`","id":"`+run+`"}`), 0o600))
	}
	runs, err := c.Reports("mutant")
	require.NoError(t, err)
	require.Len(t, runs, 2)
	assert.Equal(t, "20260101-000000-b", runs[0].Document.ID, "in the order of their time")
	require.NoError(t, os.WriteFile(filepath.Join(runs[0].Folder, "report.json"), []byte(`{}`), 0o600))
	_, err = c.Reports("mutant")
	assert.ErrorContains(t, err, "schema")
}

// TestSuiteProcess: exit codes are told from a binary that cannot be run.
func TestSuiteProcess(t *testing.T) {
	folder := t.TempDir()
	c := &Campaign{Suite: "/bin/sh"}
	code, err := c.suite(t.Context(), folder, []string{"-c", "echo said; exit 2"})
	require.NoError(t, err)
	assert.Equal(t, 2, code)
	said, err := os.ReadFile(output(folder))
	require.NoError(t, err)
	assert.Equal(t, "said\n", string(said))
	_, err = c.suite(t.Context(), folder, []string{"-c", "kill -KILL $$"})
	assert.Error(t, err)
	c.Suite = "/nonexistent"
	_, err = c.suite(t.Context(), folder, nil)
	assert.Error(t, err)
}

// TestOnly: of the cases that a mutant may concern, those that are asked for are run, and all that
// share a pod with one of them.
func TestOnly(t *testing.T) {
	c := &Campaign{Cases: cases.All(), Only: []string{"reaping/orphan", "signals/broadcast"}}
	shared := []string{"reaping/orphan", "reaping/thousand-orphans", "reaping/exec"}
	assert.Equal(t, append([]string{"signals/broadcast"}, shared...), c.selection(mutants.Mutant{}))
	assert.Equal(t, shared, c.selection(mutants.Mutant{Run: []string{"reaping", "pid1"}}))
	assert.Empty(t, c.selection(mutants.Mutant{Run: []string{"admission"}}))
	assert.Empty(t, c.among([]string{"disruption"}))
}
