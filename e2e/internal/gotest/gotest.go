// Package gotest fits a run into `go test`: which starts the test binary for every
// `go test ./...`, in the folder of its package, without the images of a kind
// cluster, and ends it when a time of its own is over.
package gotest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Process is what this process was started with.
type Process struct {
	// Started is whether the go command started it, and not somebody by hand.
	Started bool
	// Arguments are the suite's own.
	Arguments []string
	// Flags are the testing package's, without -test.timeout: its alarm would end the
	// process before anything is cleaned up.
	Flags []string
	// Timeout is that flag; 0: none.
	Timeout time.Duration
}

// Read tells the testing package's flags from the suite's own.
func Read(arguments []string) Process {
	var p Process
	for _, argument := range arguments {
		name, value, _ := strings.Cut(strings.TrimLeft(argument, "-"), "=")
		if !strings.HasPrefix(argument, "-") || !strings.HasPrefix(name, "test.") {
			p.Arguments = append(p.Arguments, argument)
			continue
		}
		if timeout, err := time.ParseDuration(value); err == nil && name == "test.timeout" {
			p.Timeout = timeout
			continue
		}
		p.Flags = append(p.Flags, argument)
		// The go command gives this flag to every test that it runs, and nobody else does.
		p.Started = p.Started || name == "test.paniconexit0"
	}
	return p
}

// Asked is whether a run was asked for: `go test ./...` does not.
func (p Process) Asked() bool { return !p.Started || len(p.Arguments) > 0 }

// Bound gives a run the time of -test.timeout. The go command sends SIGQUIT a minute
// (or a tenth of the time, whichever is longer) after it, and SIGKILL at least five
// seconds (or a tenth of the time) after that: until then the run can clean up.
func (p Process) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, p.Timeout, fmt.Errorf("the time of %s that go test gives is over (go test -timeout; 0 for none)", p.Timeout))
}

// Signals are those that ask the process to end, besides the usual ones.
func (p Process) Signals() []os.Signal {
	if p.Started {
		return []os.Signal{syscall.SIGQUIT}
	}
	return nil
}

// EnterModule goes from the package's folder, in which the go command starts tests,
// to the module's, so that paths mean what they mean to make e2e.
func (p Process) EnterModule() error {
	if !p.Started {
		return nil
	}
	folder, err := os.Getwd()
	for ; err == nil; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return os.Chdir(folder)
		}
		if folder == filepath.Dir(folder) {
			return nil // the sources are elsewhere
		}
	}
	return err
}

// onKind chooses the engine and makes the images of a kind cluster. It prints the one
// setting that an engine has outside the flags, CONTAINERS_CONF, and then the flags
// that name them, with a NUL byte behind each.
const onKind = "scripts/on-kind.sh"

// KindFlags is how a kind cluster is prepared as make e2e does it, which returns the
// flags that name its engine and images: nothing, where it was done before, by whoever
// started the process by hand. What is done is told to out.
func (p Process) KindFlags(ctx context.Context, out io.Writer) []func() ([]string, error) {
	if !p.Started {
		return nil
	}
	return []func() ([]string, error){func() ([]string, error) { return KindFlags(ctx, out) }}
}

// KindFlags prepares a kind cluster as make e2e does it, and returns the flags that name its engine and images.
// What is done is told to out.
func KindFlags(ctx context.Context, out io.Writer) ([]string, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	defer stop()
	var printed bytes.Buffer
	command := exec.CommandContext(ctx, onKind)
	command.Stdout, command.Stderr = &printed, out
	// A group, so that the scripts that it calls end as well, and remove what they began.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	command.WaitDelay = 30 * time.Second
	err := command.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: a kind cluster cannot be prepared, see above", onKind, err)
	}
	words := strings.Split(strings.TrimSuffix(printed.String(), "\x00"), "\x00")
	if words[0] != "" {
		if err := os.Setenv("CONTAINERS_CONF", words[0]); err != nil {
			return nil, err
		}
	}
	return words[1:], nil
}
