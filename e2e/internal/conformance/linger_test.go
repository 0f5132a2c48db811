package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/archive/archivetest"
	"procns/e2e/internal/locked"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// TestLinger: who fetches early gets everything, and the run's exit code; then the run ends.
func TestLinger(t *testing.T) {
	folder, err := os.MkdirTemp("", "procns") // a socket's name must be short
	require.NoError(t, err)
	defer os.RemoveAll(folder)
	t.Setenv("ARTIFACTS", folder)
	var stdout, stderr locked.Buffer
	run, code := Begin([]string{"-run", "pid1/is-the-sandbox", "-kubeconfig", "k", "-linger", "1h"}, "test", &stdout, &stderr)
	require.NotNil(t, run, "%d", code)

	var fetched bytes.Buffer
	var said locked.Buffer
	codes := make(chan int)
	go func() {
		_, code := Begin([]string{"-archive", "-"}, "test", &fetched, &said)
		codes <- code
	}()
	pretend(run, suite.NonConformant)
	code = run.WriteReports(&stdout)
	run.Await(t.Context(), code)
	assert.Contains(t, stderr.String(), "the run waits for 1h0m0s")
	assert.Equal(t, suite.ExitNonConformant, code)
	assert.Equal(t, code, <-codes)
	assert.Contains(t, said.String(), "exit code 1")
	files := archivetest.Unpacked(t, &fetched)
	assert.Contains(t, files, "report.json")
	assert.Contains(t, files["e2e.log"], "procns: non-conformant")
	assert.Contains(t, stderr.String(), "the reports were fetched")

	// Afterwards, as on a volume that is kept.
	file := filepath.Join(folder, "again.tar.gz")
	_, code = Begin([]string{"-archive", file}, "test", io.Discard, &said)
	assert.Equal(t, suite.ExitNonConformant, code)
	in, err := os.Open(file)
	require.NoError(t, err)
	defer in.Close()
	assert.Len(t, archivetest.Unpacked(t, in), len(files))
}

// TestLingerForNobody: who waits when the pod is deleted, or when nothing could be run, gets the
// reports all the same; where nobody does, the run ends at once.
func TestLingerForNobody(t *testing.T) {
	for name, row := range map[string]struct {
		kubeconfig  string
		interrupted bool
		code        int
		says        string
	}{
		"interrupted":   {"k", true, suite.ExitInconclusive, "interrupted by terminated"},
		"nothing to do": {"/nonexistent/kubeconfig", false, suite.ExitUsage, "/nonexistent/kubeconfig"},
	} {
		for whose, visited := range map[string]bool{"somebody waits": true, "nobody does": false} {
			t.Run(name+", "+whose, func(t *testing.T) {
				folder, err := os.MkdirTemp("", "procns")
				require.NoError(t, err)
				defer os.RemoveAll(folder)
				t.Setenv("ARTIFACTS", folder)
				var stdout, stderr locked.Buffer
				run, _ := Begin([]string{"-run", "pid1/is-the-sandbox", "-kubeconfig", row.kubeconfig, "-linger", "1h"}, "test", &stdout, &stderr)
				require.NotNil(t, run, stderr.String())
				var fetched bytes.Buffer
				codes := make(chan int, 1)
				if visited {
					go func() {
						_, code := Begin([]string{"-archive", "-"}, "test", &fetched, io.Discard)
						codes <- code
					}()
					require.Eventually(t, run.waiting.linger.Visited, 10*time.Second, time.Millisecond)
				}
				ctx, interrupt := context.WithCancelCause(t.Context())
				defer interrupt(nil)
				if row.interrupted {
					interrupt(errors.New("interrupted by terminated"))
				}
				_ = run.Prepare(ctx)
				run.Finish(ctx)
				code := run.WriteReports(&stdout)
				run.Await(ctx, code)
				assert.Equal(t, row.code, code)
				if !visited {
					assert.Contains(t, stderr.String(), "nobody fetched the reports")
					return
				}
				assert.Equal(t, code, <-codes)
				assert.Contains(t, archivetest.Unpacked(t, &fetched)["e2e.log"], row.says)
			})
		}
	}
}

// TestArchiveTooEarly: who is quicker than the run in its pod waits for it to begin.
func TestArchiveTooEarly(t *testing.T) {
	folder, err := os.MkdirTemp("", "procns")
	require.NoError(t, err)
	defer os.RemoveAll(folder)
	t.Setenv("ARTIFACTS", folder)
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
	var fetched bytes.Buffer
	var said locked.Buffer
	codes := make(chan int)
	go func() {
		_, code := Begin([]string{"-archive", "-"}, "test", &fetched, &said)
		codes <- code
	}()
	require.Eventually(t, func() bool { return strings.Contains(said.String(), "no run works in "+folder+" yet") }, 10*time.Second, time.Millisecond)
	var stdout, stderr locked.Buffer
	run, _ := Begin([]string{"-run", "pid1/is-the-sandbox", "-kubeconfig", "k", "-linger", "1h"}, "test", &stdout, &stderr)
	require.NotNil(t, run, stderr.String())
	pretend(run, suite.Conformant)
	code := run.WriteReports(&stdout)
	run.Await(t.Context(), code)
	assert.Equal(t, suite.ExitConformant, <-codes)
	assert.Contains(t, archivetest.Unpacked(t, &fetched), "report.json")
}

func TestArchiveRefused(t *testing.T) {
	for name, row := range map[string]struct{ folder, says string }{
		"nothing there": {t.TempDir(), "no run works in"},
		"no folder":     {"/nonexistent/folder", "name the folder with -report-dir"},
	} {
		var stdout, stderr locked.Buffer
		_, code := Begin([]string{"-archive", "-", "-report-dir", row.folder}, "test", &stdout, &stderr)
		assert.Equal(t, suite.ExitUsage, code, name)
		onlyLine(t, stderr.String(), row.says)
		assert.Empty(t, stdout.String(), name)
	}
}

// TestLingerRefused: a socket that cannot be made ends the run before it begins, and leaves
// nothing.
func TestLingerRefused(t *testing.T) {
	parent := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	var stdout, stderr locked.Buffer
	run, code := Begin([]string{"-kubeconfig", "k", "-linger", "1m", "-report-dir", parent}, "test", &stdout, &stderr)
	assert.Nil(t, run)
	assert.Equal(t, suite.ExitUsage, code)
	onlyLine(t, stderr.String(), "-linger: ")
	left, err := os.ReadDir(parent)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestEvidenceLost: what could not be written is said, and the reports are there.
func TestEvidenceLost(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("ARTIFACTS", folder)
	var stdout, stderr locked.Buffer
	run, _ := Begin([]string{"-run", "pid1/is-the-sandbox", "-kubeconfig", "k"}, "test", &stdout, &stderr)
	require.NotNil(t, run, stderr.String())
	require.NoError(t, os.WriteFile(filepath.Join(folder, "worker"), nil, 0o600)) // where a folder would be
	run.folder.Save("worker/pod", "pod.json", "{}")
	run.folder.Save("worker/pod", "a.txt", "")
	pretend(run, suite.Conformant)
	assert.Equal(t, suite.ExitConformant, run.WriteReports(&stdout))
	assert.Contains(t, stderr.String(), "2 of the files of evidence could not be written: mkdir ")
	assert.Contains(t, stdout.String(), "2 of the files of evidence could not be written")
	assert.Equal(t, 0, must(report.ReadFile(filepath.Join(folder, "report.json"))).Verdict.ExitCode)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// TestFullVolume: where not even the log can be written, the verdict is told all the same,
// and the run is no pass.
func TestFullVolume(t *testing.T) {
	t.Setenv("ARTIFACTS", t.TempDir())
	var stdout, stderr locked.Buffer
	run, _ := Begin([]string{"-run", "pid1/is-the-sandbox", "-kubeconfig", "k"}, "test", &stdout, &stderr)
	require.NotNil(t, run, stderr.String())
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full")
	}
	require.NoError(t, run.folder.Log.Close())
	run.folder.Log = full
	pretend(run, suite.Conformant)
	assert.Equal(t, suite.ExitUsage, run.WriteReports(&stdout))
	assert.Contains(t, stderr.String(), "the log could not be written: write /dev/full: no space left on device")
	assert.Contains(t, stdout.String(), "\nprocns: conformant: 1 case on 1 target")
}
