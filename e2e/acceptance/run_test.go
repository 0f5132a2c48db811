//go:build acceptance

package acceptance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// endTime is the time that a run has to clean up once it was interrupted, which the suite bounds by four
// minutes. Where the tests end, its cluster is deleted anyway.
const (
	endTime     = 6 * time.Minute
	endTimeLate = 30 * time.Second
)

// run is a program in a session of its own, as setsid starts it, most often the suite's.
type run struct {
	t       *testing.T
	command *exec.Cmd
	// folder holds its reports, and file what it wrote: to standard output and error, in its order.
	folder, file string
	began        time.Time
	done         chan struct{} // closed at its end
}

// start starts a program. Where the test ends before it, it is interrupted.
func start(t *testing.T, folder string, environment []string, name string, arguments ...string) *run {
	t.Helper()
	notInterrupted(t)
	r := &run{t: t, command: exec.Command(name, arguments...), folder: folder, file: filepath.Join(folder, "out"), began: time.Now(), done: make(chan struct{})}
	file, err := os.Create(r.file)
	require.NoError(t, err)
	r.command.Stdout, r.command.Stderr = file, file
	r.command.Env = append(os.Environ(), environment...)
	r.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = r.command.Start()
	_ = file.Close() // the program has it
	require.NoError(t, err)
	go func() {
		_ = r.command.Wait() // exitCode tells
		close(r.done)
	}()
	t.Cleanup(r.end)
	return r
}

// startAt starts a run against the cluster of a kubeconfig.
func (c *cluster) startAt(t *testing.T, kubeconfig string, flags ...string) *run {
	t.Helper()
	folder := c.newFolder(t, "run")
	return start(t, folder, nil, binary, append(c.flags(kubeconfig, folder), flags...)...)
}

// flags are what every run is given.
func (c *cluster) flags(kubeconfig, folder string) []string {
	all := []string{"-kubeconfig", kubeconfig, "-report-dir", folder}
	for _, image := range c.images {
		all = append(all, "-image", image)
	}
	return all
}

// start starts a run against the cluster.
func (c *cluster) start(t *testing.T, flags ...string) *run {
	t.Helper()
	return c.startAt(t, c.kubeconfig, flags...)
}

// run runs to the end, and returns the exit code.
func (c *cluster) run(t *testing.T, flags ...string) (*run, int) {
	t.Helper()
	r := c.start(t, flags...)
	return r, r.await(limit(t, runTime))
}

// ended tells whether the program has ended.
func (r *run) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// endsWithin waits for the program's end, at most so long, and tells whether it came.
func (r *run) endsWithin(long time.Duration) bool {
	r.t.Helper()
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-r.done:
		return true
	case <-timer.C:
		return false
	case <-running.Done():
		r.t.Fatalf("not waited for: %v", context.Cause(running))
		return false
	}
}

// await waits for the end, and returns the exit code as shells have it. A run that takes too long is
// interrupted, and fails the test.
func (r *run) await(long time.Duration) int {
	r.t.Helper()
	if !r.endsWithin(long) {
		r.t.Errorf("expected: it ends within %s; observed: it had to be interrupted (see %s)", long, r.file)
		_ = r.command.Process.Signal(os.Interrupt)
		if !r.endsWithin(endTime) {
			r.t.Errorf("expected: it ends within %s of an interrupt; observed: it had to be killed (see %s)", endTime, r.file)
			r.signalGroup(syscall.SIGKILL)
			<-r.done
		}
	}
	return r.exitCode()
}

// exitCode is that of a program that has ended; 128 and the signal's number, where it ended by one.
func (r *run) exitCode() int {
	if status, ok := r.command.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return r.command.ProcessState.ExitCode()
}

// signalGroup sends a signal to the program and those that it started, as a terminal does.
func (r *run) signalGroup(signal syscall.Signal) {
	if !r.ended() {
		_ = syscall.Kill(-r.command.Process.Pid, signal) // that it has ended just now is no error
	}
}

// end ends what still runs when its test ends.
func (r *run) end() {
	if r.ended() {
		return
	}
	r.signalGroup(syscall.SIGINT)
	long := endTime
	if running.Err() != nil && shared.exists {
		long = endTimeLate
	}
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
		r.signalGroup(syscall.SIGKILL)
		<-r.done
	}
}

// output is what the program wrote until now.
func (r *run) output() string {
	text, err := os.ReadFile(r.file)
	assert.NoError(r.t, err)
	return string(text)
}

// awaitResults waits until so many results are in the run's log, or the run has ended. It looks often: a
// run's results come close together, and its end soon after.
func (r *run) awaitResults(wanted int) {
	r.t.Helper()
	often := func(ctx context.Context, _ time.Duration) error { return pace.Pause(ctx, pace.First) }
	seen := 0
	err := pace.RetryWith(running, limit(r.t, runTime), often, func() (again bool, err error) {
		seen, err = r.judged()
		return err == nil && seen < wanted && !r.ended(), err
	})
	require.NoError(r.t, err)
	require.True(r.t, seen >= wanted || r.ended(), "expected: %d results are in the log; observed: %d (see %s)", wanted, seen, r.file)
	if r.ended() {
		r.t.Logf("the run had ended before anything was done to it, with %d results", seen)
	}
}

// judged is how many results the run's log has by now.
func (r *run) judged() (int, error) {
	files, err := filepath.Glob(filepath.Join(r.folder, "*", "e2e.log"))
	if err != nil || len(files) == 0 {
		return 0, err
	}
	text, err := os.ReadFile(files[0])
	return countJudged(string(text)), err
}

// reported is the path of a file that the run wrote beside its report.
func (r *run) reported(name string) string {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.folder, "*", name))
	require.NoError(r.t, err)
	require.Len(r.t, files, 1, "expected: the run has one %s below %s", name, r.folder)
	return files[0]
}

// results are those of the run's report.
func (r *run) results() []report.Result {
	r.t.Helper()
	document, err := report.ReadFile(r.reported("report.json"))
	require.NoError(r.t, err)
	return document.Results
}

// expectCode holds a run's exit code to what it must be.
func (r *run) expectCode(wanted, code int, why string) {
	r.t.Helper()
	assert.Equal(r.t, wanted, code, "the exit code: %s (see %s)", why, r.file)
	r.t.Logf("exit code %d after %.0f s: %s", code, time.Since(r.began).Seconds(), lastLine(r.output()))
}

// show logs lines of what a run wrote.
func (r *run) show(lines []string) {
	r.t.Helper()
	if len(lines) > 0 {
		r.t.Logf("it wrote:\n%s", strings.Join(lines, "\n"))
	}
}

// explain logs why results are inconclusive.
func (r *run) explain(results []report.Result) {
	r.t.Helper()
	if reasons := frequentReasons(results, suite.Inconclusive, 6); len(reasons) > 0 {
		r.t.Logf("inconclusive:\n%s", strings.Join(reasons, "\n"))
	}
}
