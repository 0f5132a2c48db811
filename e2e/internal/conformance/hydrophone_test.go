package conformance

import (
	"bufio"
	"context"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/hydrophone"
	"procns/e2e/internal/locked"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/surroundings"
)

// underHydrophone sets the environment of Hydrophone's image, and returns the folder that it
// fetches from.
func underHydrophone(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("E2E_FOCUS", `\[Conformance\]`)
	t.Setenv("E2E_USE_GO_RUNNER", "true")
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
	t.Setenv("E2E_EXTRA_ARGS", "--run=pid1/is-the-sandbox")
	t.Setenv("RESULTS_DIR", folder) // where Hydrophone itself leaves the default, /tmp/results
	t.Setenv("ARTIFACTS", "")
	return folder
}

// notToBeSeen is the context of a run that somebody wants to end: it does not wait to be seen (TestBeSeen).
func notToBeSeen(t *testing.T) context.Context {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	end()
	return ctx
}

// over does what Hydrophone does to know that the tests are over: it looks for a line among the
// last 30 of the log.
func over(t *testing.T, log string) bool {
	t.Helper()
	var lines []string
	for in := bufio.NewScanner(strings.NewReader(log)); in.Scan(); {
		lines = append(lines, in.Text())
	}
	finished := regexp.MustCompile(`Ginkgo ran (00|[1-9]\d{0,2}) suite`)
	for _, line := range lines[max(0, len(lines)-30):] {
		if finished.MatchString(line) {
			return true
		}
	}
	return false
}

// fetched does what it does then: both files have to be there.
func fetched(t *testing.T, folder string) (log string, failures int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "e2e.log"))
	require.NoError(t, err)
	document, err := os.ReadFile(filepath.Join(folder, "junit_01.xml"))
	require.NoError(t, err)
	var read struct {
		Suites []struct {
			Failures int `xml:"failures,attr"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal(document, &read))
	for _, s := range read.Suites {
		failures += s.Failures
	}
	return string(text), failures
}

// TestHydrophone: whatever the exit code, Hydrophone learns that the run is over, when it is, and
// finds what it fetches; and nothing but a conformant run is without a failure.
func TestHydrophone(t *testing.T) {
	// ended is a run that ended, as main has it: the log is what a container's is.
	ended := func(outcome suite.Outcome) func(*testing.T, io.Writer) int {
		return func(t *testing.T, log io.Writer) int {
			run, _ := Begin([]string{"-kubeconfig", "k"}, "test", log, log)
			require.NotNil(t, run)
			pretend(run, outcome)
			code := run.WriteReports(log)
			run.Await(notToBeSeen(t), code)
			return code
		}
	}
	refused := func(variable, text string) func(*testing.T, io.Writer) int {
		return func(t *testing.T, log io.Writer) int {
			t.Setenv(variable, text)
			var run *Run
			var code int
			synctest.Test(t, func(*testing.T) { run, code = Begin(nil, "test", log, log) }) // it waits to be seen
			assert.Nil(t, run)
			return code
		}
	}
	for name, row := range map[string]struct {
		run  func(*testing.T, io.Writer) int
		exit int
		says string
	}{
		"conformant":     {ended(suite.Conformant), suite.ExitConformant, "procns: conformant"},
		"non-conformant": {ended(suite.NonConformant), suite.ExitNonConformant, "procns: non-conformant"},
		"inconclusive":   {ended(suite.Inconclusive), suite.ExitInconclusive, "procns: inconclusive"},
		"skipped":        {ended(suite.Skipped), suite.ExitInconclusive, "procns: inconclusive"},
		"set-up failed": {func(t *testing.T, log io.Writer) int {
			run, _ := Begin([]string{"-kubeconfig", "/nonexistent/kubeconfig"}, "test", log, log)
			require.NotNil(t, run)
			require.Error(t, run.Prepare(t.Context()))
			code := run.WriteReports(log)
			run.Await(notToBeSeen(t), code)
			return code
		}, suite.ExitUsage, "/nonexistent/kubeconfig"},
		"wrong flag":       {refused("E2E_EXTRA_ARGS", "--nods=all"), suite.ExitUsage, "E2E_EXTRA_ARGS: there is no flag -nods"},
		"wrong expression": {refused("E2E_FOCUS", "("), suite.ExitUsage, "E2E_FOCUS: error parsing regexp"},
		"no such case":     {refused("E2E_FOCUS", "sig-network"), suite.ExitUsage, "E2E_FOCUS=sig-network leaves none of the cases"},
		"another folder":   {refused("E2E_EXTRA_ARGS", "--report-dir=/elsewhere"), suite.ExitUsage, "-report-dir: Hydrophone fetches"},
		"left at once": {func(t *testing.T, log io.Writer) int {
			run, _ := Begin([]string{"-kubeconfig", "k"}, "test", log, log)
			require.NotNil(t, run)
			run.Abandon()
			return suite.ExitInconclusive
		}, suite.ExitInconclusive, ""},
	} {
		t.Run(name, func(t *testing.T) {
			folder := underHydrophone(t)
			var log locked.Buffer
			assert.Equal(t, row.exit, row.run(t, &log))
			assert.True(t, over(t, log.String()), "Hydrophone reads for ever: %s", log.String())
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			assert.Contains(t, lines[len(lines)-1], "Ginkgo ran", "it is the last line")
			said, failures := fetched(t, folder)
			assert.Contains(t, said, row.says)
			assert.NotContains(t, said, "Ginkgo", "it is for who reads the container's log alone")
			assert.Equal(t, row.exit == suite.ExitConformant, failures == 0)
			hidden, err := filepath.Glob(filepath.Join(folder, ".*"))
			require.NoError(t, err)
			assert.Empty(t, hidden)
		})
	}
}

// TestHydrophoneNotYet: while a run is under way, or where somebody does something else in its
// pod, nothing says that it is over.
func TestHydrophoneNotYet(t *testing.T) {
	folder := underHydrophone(t)
	var log locked.Buffer
	run, _ := Begin([]string{"-kubeconfig", "k"}, "test", &log, &log)
	require.NotNil(t, run)
	for _, arguments := range []string{"version", "-list", "-levl core", "-archive - -report-dir /nonexistent"} {
		var said locked.Buffer
		synctest.Test(t, func(*testing.T) { _, _ = Begin(strings.Fields(arguments), "test", &said, &said) })
		assert.False(t, over(t, said.String()), arguments)
	}
	pretend(run, suite.Conformant)
	code := run.WriteReports(&log)
	assert.False(t, over(t, log.String()), "the reports are written, and main is not done")
	run.Await(notToBeSeen(t), code)
	assert.True(t, over(t, log.String()))
	_, err := os.Stat(filepath.Join(folder, "report.json"))
	require.NoError(t, err)
}

// TestNobodyWaits: nothing of this is printed where Hydrophone does not run the suite.
func TestNobodyWaits(t *testing.T) {
	t.Setenv("ARTIFACTS", t.TempDir())
	var log locked.Buffer
	run, _ := Begin([]string{"-run", "pid1/is-the-sandbox", "-kubeconfig", "k"}, "test", &log, &log)
	require.NotNil(t, run)
	pretend(run, suite.Conformant)
	run.Await(t.Context(), run.WriteReports(&log))
	assert.False(t, over(t, log.String()))
	_, code := Begin([]string{"-levl", "core"}, "test", &log, &log)
	assert.Equal(t, suite.ExitUsage, code)
	assert.False(t, over(t, log.String()))
}

// TestBeSeen: a container of Hydrophone's runs for long enough to be seen, and nobody else waits.
func TestBeSeen(t *testing.T) {
	under := surroundings.Surroundings{Hydrophone: "/tmp/results", InPod: true}
	for name, row := range map[string]struct {
		around      surroundings.Surroundings
		ago         time.Duration
		interrupted bool
		took        time.Duration
	}{
		"soon done":   {under, time.Second, false, hydrophone.Seen - time.Second},
		"long a run":  {under, time.Hour, false, 0},
		"interrupted": {under, 0, true, 0},
		"in no pod":   {surroundings.Surroundings{Hydrophone: "/tmp/results"}, 0, false, 0},
		"Sonobuoy":    {surroundings.Surroundings{Sonobuoy: "/r", InPod: true}, 0, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, interrupt := context.WithCancel(t.Context())
				defer interrupt()
				if row.interrupted {
					interrupt()
				}
				began := time.Now()
				beSeen(ctx, row.around, began.Add(-row.ago))
				assert.Equal(t, row.took, time.Since(began))
			})
		})
	}
}

// TestHydrophoneCannotWrite: where nothing can be written, Hydrophone is told all the same: it
// says then which file is missing.
func TestHydrophoneCannotWrite(t *testing.T) {
	underHydrophone(t)
	t.Setenv("RESULTS_DIR", filepath.Join("/dev/null", "results"))
	var log locked.Buffer
	var run *Run
	var code int
	synctest.Test(t, func(*testing.T) { run, code = Begin([]string{"-kubeconfig", "k"}, "test", &log, &log) })
	assert.Nil(t, run)
	assert.Equal(t, suite.ExitUsage, code)
	assert.Contains(t, log.String(), "the report folder cannot be written")
	assert.True(t, over(t, log.String()))
}
