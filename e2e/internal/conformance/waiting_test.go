package conformance

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"procns/e2e/internal/archive/archivetest"
	"procns/e2e/internal/locked"
	"procns/e2e/internal/options"
	"procns/e2e/internal/report"
	"procns/e2e/internal/sonobuoy"
	"procns/e2e/internal/suite"
)

// worker does what Sonobuoy's does: it waits for the file that says that the results are
// complete, reads it once more, and sends what it names, which is unpacked.
func worker(t *testing.T, shared string) map[string]string {
	t.Helper()
	named := func() string {
		text, err := os.ReadFile(filepath.Join(shared, sonobuoy.Done))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(text))
	}
	require.Eventually(t, func() bool { return named() != "" }, 10*time.Second, 10*time.Millisecond, "the worker waits for ever")
	file, err := os.Open(named())
	require.NoError(t, err)
	defer file.Close()
	return archivetest.Unpacked(t, file)
}

// finished is a run with one result, made up, whose reports are written.
func finished(t *testing.T, outcome suite.Outcome, arguments ...string) int {
	t.Helper()
	var stdout, stderr locked.Buffer
	run, _ := Begin(append([]string{"-run", "pid1/is-the-sandbox", "-kubeconfig", "k"}, arguments...), "test", &stdout, &stderr)
	require.NotNil(t, run, stderr.String())
	pretend(run, outcome)
	return run.WriteReports(&stdout)
}

func pretend(run *Run, outcome suite.Outcome) {
	target := suite.Target{Node: "worker"}
	r := suite.Result{Case: run.Cases[0], Target: target, Outcome: outcome, Reason: "made up"}
	run.report.Targets, run.report.Results = []suite.Target{target}, []suite.Result{r}
	run.waiting.begin(1, run.report.Targets)
	run.waiting.ended(r, run.Require)
}

// TestSonobuoy: whatever the exit code, the worker gets results, and only a conformant
// run's are a pass.
func TestSonobuoy(t *testing.T) {
	for name, row := range map[string]struct {
		run    func(t *testing.T) int
		exit   int
		status string
		names  string // of the entries that did not pass
	}{
		"conformant":     {func(t *testing.T) int { return finished(t, suite.Conformant) }, suite.ExitConformant, "passed", ""},
		"non-conformant": {func(t *testing.T) int { return finished(t, suite.NonConformant) }, suite.ExitNonConformant, "failed", "pid1/is-the-sandbox on worker"},
		"inconclusive":   {func(t *testing.T) int { return finished(t, suite.Inconclusive) }, suite.ExitInconclusive, "inconclusive", "pid1/is-the-sandbox on worker"},
		"skipped":        {func(t *testing.T) int { return finished(t, suite.Skipped) }, suite.ExitInconclusive, "inconclusive", "run/complete"},
		"dry run": {func(t *testing.T) int {
			code, _, _ := attemptHere(t, kubeconfigOf(t, sound()), "-dry-run")
			return code
		}, suite.ExitInconclusive, "inconclusive", "run/complete"},
		"set-up failed": {func(t *testing.T) int {
			code, _, _ := attemptHere(t, "/nonexistent/kubeconfig")
			return code
		}, suite.ExitUsage, "inconclusive", "run/complete"},
		"wrong flag": {func(t *testing.T) int {
			_, code := Begin([]string{"-levl", "core"}, "test", io.Discard, io.Discard)
			return code
		}, suite.ExitUsage, "inconclusive", "run/complete"},
		"unknown case": {func(t *testing.T) int {
			_, code := Begin([]string{"-run", "pid2"}, "test", io.Discard, io.Discard)
			return code
		}, suite.ExitUsage, "inconclusive", "run/complete"},
		"no room for reports": {func(t *testing.T) int {
			reserved := filepath.Join(os.Getenv("SONOBUOY_RESULTS_DIR"), "procns", reserve)
			require.NoError(t, os.MkdirAll(reserved, 0o755)) // where the file would be
			_, code := Begin([]string{"-kubeconfig", "k"}, "test", io.Discard, io.Discard)
			return code
		}, suite.ExitUsage, "inconclusive", "run/complete"},
		"left at once": {func(t *testing.T) int {
			run, _ := Begin([]string{"-kubeconfig", "k"}, "test", io.Discard, io.Discard)
			require.NotNil(t, run)
			run.Abandon()
			return suite.ExitInconclusive
		}, suite.ExitInconclusive, "inconclusive", "run/complete"},
	} {
		t.Run(name, func(t *testing.T) {
			shared := t.TempDir()
			t.Setenv("SONOBUOY_RESULTS_DIR", shared)
			assert.Equal(t, row.exit, row.run(t))
			files := worker(t, shared)
			var read report.SonobuoyItem
			require.NoError(t, yaml.UnmarshalStrict([]byte(files[sonobuoy.ResultsFile]), &read))
			assert.Equal(t, row.status, read.Status)
			var names []string
			var walk func(report.SonobuoyItem)
			walk = func(i report.SonobuoyItem) {
				if len(i.Items) == 0 && i.Status != report.SonobuoyPassed && i.Status != report.SonobuoySkipped {
					names = append(names, i.Name)
				}
				for _, below := range i.Items {
					walk(below)
				}
			}
			walk(read)
			assert.Equal(t, row.names, strings.Join(names, ", "))
			assert.NotContains(t, files, reserve)
		})
	}
}

// attemptHere is attempt, without a report folder of its own.
func attemptHere(t *testing.T, kubeconfig string, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, said locked.Buffer
	run, _ := Begin(append([]string{"-run", "pid1/is-the-sandbox", "-kubeconfig", kubeconfig}, arguments...), "test", &out, &said)
	require.NotNil(t, run, said.String())
	if err := run.Prepare(t.Context()); err == nil {
		run.Start(t.Context())
	}
	run.Finish(t.Context())
	code = run.WriteReports(&out)
	return code, out.String(), said.String()
}

// TestSonobuoyWhole: all reports are in what the worker sends, and progress was told.
func TestSonobuoyWhole(t *testing.T) {
	told := make(chan sonobuoy.Update, 99)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var u sonobuoy.Update
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&u))
		told <- u
	}))
	defer server.Close()
	address, err := url.Parse(server.URL)
	require.NoError(t, err)
	shared := t.TempDir()
	t.Setenv("SONOBUOY_RESULTS_DIR", shared)
	t.Setenv("SONOBUOY_PROGRESS_PORT", address.Port())
	assert.Equal(t, suite.ExitNonConformant, finished(t, suite.NonConformant))
	files := worker(t, shared)
	for _, name := range []string{"report.json", "report.html", "junit_01.xml", "summary.md", "e2e.log", sonobuoy.ResultsFile} {
		assert.Contains(t, files, name)
	}
	assert.Contains(t, files["e2e.log"], "procns: non-conformant", "the log is whole")
	close(told)
	var last sonobuoy.Update
	for last = range told {
		assert.LessOrEqual(t, last.Completed, int64(1))
	}
	assert.Equal(t, sonobuoy.Update{
		Message: "procns: non-conformant: 1 case on 1 target: Core non-conformant (1 of 1 wrong: pid1/is-the-sandbox)",
		Total:   1, Completed: 1, Failures: []string{"pid1/is-the-sandbox on worker: non-conformant"},
	}, last)
}

// TestSonobuoyElsewhere: whoever asks for something else in the pod of a plugin, or gets a
// flag wrong while a run works there, does not end that run's results.
func TestSonobuoyElsewhere(t *testing.T) {
	shared := t.TempDir()
	t.Setenv("SONOBUOY_RESULTS_DIR", shared)
	for _, arguments := range []string{"version", "-list", "-list -run pid2", "-print-job -kubeconfig a", "-compare a.json b.json"} {
		_, _ = Begin(strings.Fields(arguments), "test", io.Discard, io.Discard)
		assert.False(t, sonobuoy.Concluded(shared), arguments)
	}
	run, _ := Begin([]string{"-kubeconfig", "k"}, "test", io.Discard, io.Discard)
	require.NotNil(t, run)
	_, code := Begin([]string{"-levl", "core"}, "test", io.Discard, io.Discard)
	assert.Equal(t, suite.ExitUsage, code)
	assert.False(t, sonobuoy.Concluded(shared))
}

// TestArtifacts: the reports go straight into $ARTIFACTS, those of a second run beside
// the first one's.
func TestArtifacts(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "artifacts")
	t.Setenv("ARTIFACTS", folder)
	kubeconfigs, err := kindFolder(options.Options{ReportDir: folder, Packaged: options.Packaged{Flat: true}})
	require.NoError(t, err)
	assert.NotContains(t, kubeconfigs, folder, "it is published")
	for range 2 {
		assert.Equal(t, suite.ExitInconclusive, finished(t, suite.Inconclusive))
	}
	flat, err := filepath.Glob(filepath.Join(folder, "junit_*.xml"))
	require.NoError(t, err)
	assert.Len(t, flat, 1)
	below, err := filepath.Glob(filepath.Join(folder, "*", "junit_*.xml"))
	require.NoError(t, err)
	assert.Len(t, below, 1)
	_, err = os.Stat(filepath.Join(folder, sonobuoy.Done))
	require.ErrorIs(t, err, os.ErrNotExist)
	hidden, err := filepath.Glob(filepath.Join(folder, ".*"))
	require.NoError(t, err)
	assert.Empty(t, hidden)
}
