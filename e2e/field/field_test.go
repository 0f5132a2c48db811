//go:build field

package field

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/locked"
	"procns/e2e/internal/report"
)

// What scripts/field.sh says: where the cluster is, which images it has, and where reports go.
var (
	kubeconfig = flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "the cluster's kubeconfig `file`")
	binary     = flag.String("procns", "../../bin/procns.test", "the test binary's `file`")
	images     = flag.String("images", os.Getenv("IMAGE_FLAGS"), "the `flags` that name the images")
	reports    = flag.String("reports", "", "`folder` for the reports (default: one for the test's time)")
)

// TestField runs the suite under each input, one after the other: they are for the whole cluster.
func TestField(t *testing.T) {
	// Under nohup SIGHUP is ignored, and the suite would inherit that; not so what is caught here.
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	defer signal.Stop(heard)
	require.NotEmpty(t, *kubeconfig, "name a cluster with -kubeconfig or in KUBECONFIG: scripts/field.sh makes one")
	place, err := connect(*kubeconfig)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, place.forget(context.WithoutCancel(t.Context()))) })
	require.NoError(t, place.settle(t.Context()))
	for _, in := range Inputs() {
		t.Run(in.Name, func(t *testing.T) {
			require.NoError(t, place.none(t.Context()), "before the input")
			seen := place.try(t, in)
			for _, differs := range in.Want.Differs(seen) {
				t.Error(differs)
			}
			if t.Failed() {
				t.Logf("output:\n%s", seen.Output)
			}
		})
	}
}

// try applies an input, runs the suite, and undoes the input.
func (p *place) try(t *testing.T, in Input) Seen {
	t.Helper()
	folder := *reports
	if folder == "" {
		folder = t.TempDir()
	}
	folder, err := filepath.Abs(filepath.Join(folder, in.Name))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	undo, err := p.apply(t.Context(), in)
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
		defer cancel()
		assert.NoError(t, undo(ctx), "undoing the input")
	}()
	require.NoError(t, err)
	meanwhile, stop := context.WithCancel(t.Context())
	defer stop()

	arguments := append([]string{"-kubeconfig", *kubeconfig, "-report-dir", folder, "-run", in.Run}, strings.Fields(*images)...)
	ctx, cancel := context.WithTimeout(t.Context(), in.Want.Within+time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, *binary, append(arguments, in.Flags...)...)
	var output locked.Buffer
	command.Stdout, command.Stderr = &output, &output
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 2 * time.Minute
	began := time.Now()
	require.NoError(t, command.Start())
	happened := make(chan error, 1)
	go func() { happened <- p.happen(meanwhile, in.Meanwhile, command.Process) }()
	err = command.Wait()
	seen := Seen{Took: time.Since(began), Output: output.String()}
	stop()
	assert.NoError(t, <-happened)
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		require.NoError(t, err)
	}
	seen.Exit = command.ProcessState.ExitCode()
	if status, ok := command.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		seen.Exit = 128 + int(status.Signal())
	}
	read(t, folder, &seen)
	seen.Left, err = p.left(t.Context())
	require.NoError(t, err)
	t.Logf("exit code %d after %.0f s", seen.Exit, seen.Took.Seconds())
	return seen
}

// read reads the newest report of a folder.
func read(t *testing.T, folder string, into *Seen) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*", "report.json"))
	require.NoError(t, err)
	if len(files) == 0 {
		return
	}
	text, err := os.ReadFile(files[len(files)-1])
	require.NoError(t, err)
	document, err := report.ReadJSON(bytes.NewReader(text))
	require.NoError(t, err)
	junit, err := os.ReadFile(filepath.Join(filepath.Dir(files[len(files)-1]), "junit_01.xml"))
	require.NoError(t, err)
	into.Document, into.Text, into.JUnit = &document, string(text), string(junit)
}
