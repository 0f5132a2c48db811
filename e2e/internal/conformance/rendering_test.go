package conformance

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/locked"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// rendered is what -render prints.
func rendered(t *testing.T, file string) string {
	t.Helper()
	var stdout, stderr locked.Buffer
	run, code := Begin([]string{"-render", file}, "test", &stdout, &stderr)
	require.Nil(t, run)
	require.Equal(t, suite.ExitConformant, code, stderr.String())
	assert.Empty(t, stderr.String())
	return stdout.String()
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

// TestRender: a run's page is written from what report.json holds, and from nothing else: from
// the file alone comes the same page, byte for byte.
func TestRender(t *testing.T) {
	var stdout, stderr locked.Buffer
	run, _ := Begin([]string{"-report-dir", t.TempDir(), "-kubeconfig", "k", "-run", "pid1/is-the-sandbox", "-baseline", reportOf(t, suite.Conformant)}, "test", &stdout, &stderr)
	require.NotNil(t, run, stderr.String())
	target := suite.Target{Node: "a"}
	run.report.Targets = []suite.Target{target}
	run.report.Results = []suite.Result{{
		Case: run.Cases[0], Target: target, Outcome: suite.NonConformant, Reason: "expected one; observed two", Expected: "one", Observed: "two",
		Evidence: "seen <from> container", Folder: "a/pod", ControlFolder: "a/control",
	}}
	for folder, command := range map[string]string{"a/pod": "/pause", "a/control": "sleep <b>1</b>"} {
		run.folder.Save(folder, "observation.json", suite.Observation{
			Pod:    suite.PodState{Name: "nginx-1", Phase: "Running"},
			Before: map[string]*probe.Snapshot{"shell": {Container: "shell", Processes: []probe.Process{{PID: 1, Argv: []string{command}}}}},
		})
	}
	run.Finish(t.Context())
	assert.Equal(t, suite.ExitNonConformant, run.WriteReports(&stdout))

	page := readText(t, filepath.Join(run.folder.Path, "report.html"))
	for _, says := range []string{"seen &lt;from&gt; container", "<td>/pause", "<td>sleep &lt;b&gt;1&lt;/b&gt;", "Since an earlier run", "regressed"} {
		assert.Contains(t, page, says)
	}
	alone := write(t, readText(t, filepath.Join(run.folder.Path, "report.json")))
	assert.Equal(t, page, rendered(t, alone))
}

// TestRenderFromEvidence: a report without process tables takes them from the evidence beside it,
// and from nowhere else.
func TestRenderFromEvidence(t *testing.T) {
	const observed = `{"before":{"shell":{"container":"shell","processes":[{"pid":1,"argv":["MARK"]}]}}}`
	outside := t.TempDir()
	save := func(folder, mark string) {
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "observation.json"), []byte(strings.ReplaceAll(observed, "MARK", mark)), 0o600))
	}
	save(outside, "outside")
	for name, row := range map[string]struct {
		folder string
		found  bool
	}{
		"beside it":     {"a/pod", true},
		"nothing":       {"a/none", false},
		"no folder":     {"", false},
		"above it":      {"../" + filepath.Base(outside), false},
		"an address":    {outside, false},
		"a link":        {"a/link", false},
		"no evidence":   {"a/broken", false},
		"a folder's":    {"a/folder", false},
		"a hidden path": {"a/pod/../pod", true},
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(filepath.Dir(outside), "report-"+strings.ReplaceAll(name, " ", "-"))
			save(filepath.Join(folder, "a/pod"), "inside")
			save(filepath.Join(folder, "a/broken"), `"`)
			require.NoError(t, os.MkdirAll(filepath.Join(folder, "a/folder/observation.json"), 0o755))
			require.NoError(t, os.Symlink(outside, filepath.Join(folder, "a/link")))
			target := suite.Target{Node: "a"}
			var text bytes.Buffer
			require.NoError(t, report.WriteJSON(&text, report.Run{ID: "earlier", Targets: []suite.Target{target}, Results: []suite.Result{{
				Case:   suite.Case{ID: "pid1/is-the-sandbox", Level: suite.Core, Claim: "c", Source: "s"},
				Target: target, Outcome: suite.NonConformant, Folder: row.folder,
			}}}))
			file := filepath.Join(folder, "report.json")
			require.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))
			page := rendered(t, file)
			assert.Equal(t, row.found, strings.Contains(page, "<td>inside"))
			assert.NotContains(t, page, "<td>outside")
		})
	}
}
