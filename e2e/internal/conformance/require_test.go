package conformance

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/cluster"
	"procns/e2e/internal/locked"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// TestRequire: what -require leaves out changes neither the exit code nor what JUnit
// shows, and its pods are kept all the same.
func TestRequire(t *testing.T) {
	results := func(target suite.Target) []suite.Result {
		return []suite.Result{
			{Case: suite.Case{ID: "pid1/is-the-sandbox", Level: suite.Core, Claim: "c", Source: "s"}, Target: target, Outcome: suite.Conformant},
			{Case: suite.Case{ID: "pid1/protected-from-inside", Level: suite.Extended, Claim: "c", Source: "s"}, Target: target, Outcome: suite.NonConformant, Reason: "expected a; observed b"},
		}
	}
	for name, row := range map[string]struct {
		flags []string
		exit  int
		line  string
		junit string
	}{
		"core": {[]string{"-require", "core"}, suite.ExitConformant, "exit code by -require core: Extended non-conformant (1 of 1 wrong: pid1/protected-from-inside) does not count", `tests="2" skipped="1"`},
		"both": {nil, suite.ExitNonConformant, "Core conformant (1 of 1), Extended non-conformant (1 of 1 wrong: pid1/protected-from-inside)\n", `tests="2" failures="1"`},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr locked.Buffer
			arguments := append([]string{"-report-dir", t.TempDir(), "-kubeconfig", kubeconfigOf(t, sound()), "-run", "pid1/is-the-sandbox,pid1/protected-from-inside", "-keep-on-failure"}, row.flags...)
			run, _ := Begin(arguments, "test", &stdout, &stderr)
			require.NotNil(t, run, stderr.String())
			_, client, _, err := cluster.Connect(run.place(), 100, &cluster.Counts{})
			require.NoError(t, err)
			run.session = &cluster.Session{Client: client, Namespace: "procns-x"}
			target := suite.Target{Node: "a"}
			run.report.Targets, run.report.Results = []suite.Target{target}, results(target)
			run.Finish(t.Context())
			assert.Contains(t, run.report.Kept, "delete namespace procns-x")
			assert.Equal(t, row.exit, run.WriteReports(&stdout), stdout.String())
			assert.Contains(t, stdout.String(), row.line)
			junit, err := os.ReadFile(filepath.Join(run.folder.Path, "junit_01.xml"))
			require.NoError(t, err)
			assert.Contains(t, string(junit), row.junit)
			file, err := os.Open(filepath.Join(run.folder.Path, "report.json"))
			require.NoError(t, err)
			defer func() { _ = file.Close() }()
			written, err := report.ReadJSON(file)
			require.NoError(t, err)
			assert.Equal(t, row.exit, written.Verdict.ExitCode)
			assert.Equal(t, run.Require.Name(), written.Verdict.Require)
			assert.Equal(t, map[suite.Level]int{suite.Core: 1, suite.Extended: 1}, written.Suite.SelectedByLevel)
		})
	}
}

// TestRequireNothing: a run that could not end with 0 is refused before it begins.
func TestRequireNothing(t *testing.T) {
	var stdout, stderr locked.Buffer
	run, code := Begin([]string{"-report-dir", t.TempDir(), "-kubeconfig", "k", "-require", "core", "-level", "extended"}, "test", &stdout, &stderr)
	assert.Nil(t, run)
	assert.Equal(t, suite.ExitUsage, code)
	assert.Equal(t, "procns: -require core: the selected cases are all Extended, which do not decide then: select others, or leave -require out\n", stderr.String())
}

// TestCompareRequires: -compare counts what the later run required, unless it is told
// otherwise.
func TestCompareRequires(t *testing.T) {
	of := func(outcome suite.Outcome, requirement suite.Requirement) string {
		var text bytes.Buffer
		target := suite.Target{Node: "a"}
		require.NoError(t, report.WriteJSON(&text, report.Run{
			ID: "one", Targets: []suite.Target{target}, Require: requirement,
			Results: []suite.Result{{Case: suite.Case{ID: "pid1/protected-from-inside", Level: suite.Extended, Claim: "c", Source: "s"}, Target: target, Outcome: outcome}},
		}))
		return write(t, text.String())
	}
	for _, row := range []struct {
		later, flag suite.Requirement
		exit        int
	}{
		{"", "", suite.ExitNonConformant},
		{"core", "", suite.ExitConformant},
		{"core", "extended", suite.ExitNonConformant},
		{"extended", "core", suite.ExitConformant},
	} {
		arguments := []string{"-compare", of(suite.Conformant, ""), of(suite.NonConformant, row.later)}
		if row.flag != "" {
			arguments = append(arguments, "-require", string(row.flag))
		}
		var stdout, stderr locked.Buffer
		_, code := Begin(arguments, "test", &stdout, &stderr)
		assert.Equal(t, row.exit, code, "%+v: %s%s", row, stdout.String(), stderr.String())
		assert.Contains(t, stdout.String(), "pid1/protected-from-inside on a")
	}
}
