package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/locked"
	"procns/e2e/internal/options"
	"procns/e2e/internal/progress"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// TestForms: what is on standard output and what on standard error, by what was asked for.
func TestForms(t *testing.T) {
	const verdict = "procns: inconclusive: nothing ran: 1 result is only planned"
	for arguments, row := range map[string]struct {
		check  func(t *testing.T, stdout string)
		stderr []string
		quiet  bool
	}{
		"": {func(t *testing.T, stdout string) {
			assert.Regexp(t, `AREA +RESULTS +TIME\npid1 +1 +0.0s +1 only planned\n`, stdout)
			assert.NotContains(t, stdout, "pid1/is-the-sandbox")
			assert.True(t, strings.HasSuffix(stdout, "\n"+verdict+"\n"), stdout)
		}, []string{"==> preflight: "}, false},
		"-v": {func(t *testing.T, stdout string) {
			assert.Regexp(t, `pid1/is-the-sandbox +planned\n`, stdout)
			assert.True(t, strings.HasSuffix(stdout, "\n"+verdict+"\n"), stdout)
		}, []string{"==> preflight: "}, false},
		"-quiet": {func(t *testing.T, stdout string) { assert.Equal(t, verdict+"\n", stdout) }, nil, true},
		"-o json": {func(t *testing.T, stdout string) {
			d, err := report.ReadJSON(strings.NewReader(stdout))
			require.NoError(t, err)
			assert.Equal(t, verdict, d.Verdict.Line)
		}, []string{"==> preflight: ", verdict}, false},
		"-o json -quiet": {func(t *testing.T, stdout string) {
			_, err := report.ReadJSON(strings.NewReader(stdout))
			require.NoError(t, err)
		}, nil, true},
		"-o markdown": {func(t *testing.T, stdout string) {
			assert.True(t, strings.HasPrefix(stdout, "# procns: inconclusive"), stdout)
		}, []string{verdict}, false},
		"-progress json": {func(t *testing.T, stdout string) {
			var events []progress.Event
			for line := range strings.Lines(stdout) {
				var e progress.Event
				require.NoError(t, json.Unmarshal([]byte(line), &e), line)
				events = append(events, e)
			}
			first, last := events[0], events[len(events)-1]
			assert.Equal(t, progress.RunBegan, first.Kind)
			assert.Equal(t, progress.Schema, first.Schema)
			assert.Equal(t, progress.RunEnded, last.Kind)
			assert.Equal(t, suite.ExitInconclusive, *last.ExitCode)
			assert.Equal(t, verdict, last.Line)
		}, []string{"==> preflight: "}, false},
	} {
		t.Run(arguments, func(t *testing.T) {
			code, stdout, stderr := attempt(t, kubeconfigOf(t, sound()), append(strings.Fields(arguments), "-dry-run")...)
			assert.Equal(t, suite.ExitInconclusive, code)
			row.check(t, stdout)
			for _, says := range row.stderr {
				assert.Contains(t, stderr, says)
			}
			if row.quiet {
				assert.Empty(t, stderr)
			}
		})
	}
}

// TestSettingsAreTold: what came from the environment or a file stands in the log.
func TestSettingsAreTold(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PROCNS_REPORT_DIR", folder)
	t.Setenv("PROCNS_CONFIG", write(t, "run: pid1/is-the-sandbox\n"))
	var stdout, stderr locked.Buffer
	run, code := Begin([]string{"-kubeconfig", "/nonexistent"}, "test", &stdout, &stderr)
	require.NotNil(t, run, "%d: %s", code, stderr.String())
	require.Error(t, run.Prepare(t.Context()))
	run.Finish(t.Context())
	assert.Equal(t, suite.ExitUsage, run.WriteReports(&stdout))
	assert.Contains(t, stderr.String(), "==> set by the environment: report-dir\n==> set by ")
	logs, err := filepath.Glob(filepath.Join(folder, "*", "e2e.log"))
	require.NoError(t, err)
	require.Len(t, logs, 1)
	text, err := os.ReadFile(logs[0])
	require.NoError(t, err)
	assert.Contains(t, string(text), "set by the environment: report-dir")
	assert.Contains(t, string(text), ": run\n")
}

// TestLogHasAllOfIt: the log's table is whole, whatever the terminal is told.
func TestLogHasAllOfIt(t *testing.T) {
	folder := t.TempDir()
	attempt(t, kubeconfigOf(t, sound()), "-dry-run", "-quiet", "-report-dir", folder)
	logs, err := filepath.Glob(filepath.Join(folder, "*", "e2e.log"))
	require.NoError(t, err)
	require.Len(t, logs, 1)
	text, err := os.ReadFile(logs[0])
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^pid1/is-the-sandbox +planned$`, string(text))
}

func TestView(t *testing.T) {
	environment := func(string) string { return "" }
	for name, row := range map[string]struct {
		options options.Options
		mode    progress.Mode
		events  bool
	}{
		"no terminal": {options.Options{}, progress.Lines, false},
		"quiet":       {options.Options{Quiet: true}, progress.Quiet, false},
		"programs":    {options.Options{Progress: options.Events}, progress.Lines, true},
		"only them":   {options.Options{Progress: options.Events, Quiet: true}, progress.Quiet, true},
	} {
		var stdout, stderr locked.Buffer
		v := newView(row.options, &stdout, &stderr, environment)
		assert.Equal(t, row.mode, v.Mode, name)
		assert.Equal(t, row.events, v.Events != nil, name)
		assert.False(t, v.Colour, name)
		assert.Equal(t, report.Style{Brief: true}, style(row.options, &stdout, environment))
	}
	assert.False(t, style(options.Options{Verbose: true}, &bytes.Buffer{}, environment).Brief)
}

func TestStoppedBy(t *testing.T) {
	on := suite.Target{Node: "a"}
	for name, row := range map[string]struct {
		level   suite.Level
		outcome suite.Outcome
		require suite.Requirement
		why     string
	}{
		"a pass":               {suite.Core, suite.Conformant, "", ""},
		"wrong":                {suite.Core, suite.NonConformant, "", "pid1/x is non-conformant on a"},
		"cannot tell":          {suite.Extended, suite.Inconclusive, "", "pid1/x is inconclusive on a"},
		"does not decide":      {suite.Extended, suite.NonConformant, suite.RequireCore, ""},
		"a record":             {suite.Informational, suite.NonConformant, "", ""},
		"exempted":             {suite.Core, suite.Exempted, "", ""},
		"skipped":              {suite.Core, suite.Skipped, "", ""},
		"decides all the same": {suite.Core, suite.NonConformant, suite.RequireCore, "pid1/x is non-conformant on a"},
	} {
		var s stopped
		s.note(suite.Result{Case: suite.Case{ID: "pid1/x", Level: row.level}, Target: on, Outcome: row.outcome}, row.require)
		assert.Equal(t, row.why, s.why(), name)
		s.note(suite.Result{Case: suite.Case{ID: "pid1/y", Level: suite.Core}, Target: on, Outcome: suite.NonConformant}, row.require)
		if row.why != "" {
			assert.Equal(t, row.why, s.why(), "the first one")
		}
	}
}

// TestClientLog: what client-go says of connections closed here is dropped; all else stays.
func TestClientLog(t *testing.T) {
	var log bytes.Buffer
	to := ClientLog(&log)
	closed := errors.New("next reader: read tcp 127.0.0.1:42->127.0.0.1:6443: use of closed network connection")
	to.Error("Websocket Ping failed", "err", closed)
	to.WithGroup("a").With("logger", "UnhandledError").Error("Copying stdout failed", "err", closed)
	to.Error("use of closed network connection")
	assert.Empty(t, log.String())
	to.With("logger", "UnhandledError").Error("Copying stdout failed", "err", errors.New("connection reset by peer"))
	to.Warn("throttled")
	assert.Equal(t, 2, strings.Count(log.String(), "\n"), log.String())
	assert.Contains(t, log.String(), "connection reset by peer")
}
