//go:build acceptance

package acceptance

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestInterrupts interrupts make e2e some seconds after its start (MOMENTS), as Ctrl-C on a terminal does,
// and compares what is on this machine afterwards with what was there before: containers, volumes,
// networks, temporary folders, processes. What can be made beforehand is, so that the moments fall into
// the run.
func TestInterrupts(t *testing.T) {
	require.NoError(t, shared.delete()) // there is no room for two
	for _, seconds := range numbers(t, "MOMENTS", "1 3 10 25 50 70") {
		moment := time.Duration(seconds) * time.Second
		try(t, "after-"+moment.String(), func(t *testing.T) {
			shared.prepare(t)
			interruptE2E(t, shared, moment)
		})
	}
}

func interruptE2E(t *testing.T, c *cluster, moment time.Duration) {
	before := onMachine(t, c)
	folder := c.newFolder(t, "interrupt")
	r := start(t, folder, []string{"ARGS=-kind-name procns-interrupts -report-dir " + folder}, "make", "--no-print-directory", "e2e")
	if r.endsWithin(moment) {
		t.Logf("the run had ended before %s", moment)
	}
	interrupted := time.Now()
	r.signalGroup(syscall.SIGINT)
	code := r.await(endTime)
	took := time.Since(interrupted)
	after := onMachine(t, c)
	// Before the test binary starts there is nothing to report.
	reports, err := filepath.Glob(filepath.Join(folder, "*", "report.json"))
	require.NoError(t, err)
	t.Logf("interrupted at %s: ended %.0f s later with exit code %d and %d reports", moment, took.Seconds(), code, len(reports))
	assert.Equal(t, before, after, "expected: what is on this machine is what was there before; observed: it is not, after exit code %d (see %s)", code, r.file)
}

// onMachine is everything that a run of ours could leave behind.
func onMachine(t *testing.T, c *cluster) []string {
	t.Helper()
	var all []string
	for _, each := range []struct {
		what, text string
		list       []string
	}{
		{"container", "procns", []string{"ps", "--all", "--format", "{{.Names}}"}},
		{"volume", "", []string{"volume", "ls", "--format", "{{.Name}}"}},
		{"network", "procns", []string{"network", "ls", "--format", "{{.Name}}"}},
	} {
		listing, err := output(nil, c.engine, each.list...)
		require.NoError(t, err)
		all = append(all, named(each.what, listing, each.text)...)
	}
	temporary, err := entries("temp", filepath.Join(cacheFolder(os.Getenv), "temp"))
	require.NoError(t, err)
	all = append(all, temporary...)
	all = append(all, named("process", processes(t), "")...)
	slices.Sort(all)
	return all
}

// processes are the command lines of those that a run of ours starts, with their IDs.
func processes(t *testing.T) string {
	t.Helper()
	found, err := output(nil, "pgrep", "--full", "--list-full", `bin/procns\.test|kubeadm init|debootstrap --`)
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() == 1 {
		return "" // there is none
	}
	require.NoError(t, err)
	return strings.TrimSpace(found)
}
