package simulated

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Programs are started one after another, and end together. Each has a process group of its own, so that a
// signal from the keyboard is for whoever started them; and none outlives that one (Linux), even where it
// is killed, if the same thread starts them all.
type Programs struct {
	// Logs is the folder of their output, NAME.log.
	Logs string
	// Ended is told of each that ends before Stop; nil where nobody wants to know.
	Ended func(error)

	mu       sync.Mutex
	running  []*program
	stopping bool
}

type program struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

// Usage is what a program has used up to its end.
type Usage struct {
	Name string
	// CPU is user and system time together.
	CPU time.Duration
	// Peak is its largest resident set, in bytes.
	Peak int64
}

func (u Usage) String() string {
	const megabyte = 1 << 20
	return fmt.Sprintf("%s: %.0f s of CPU, %d MB at most", u.Name, u.CPU.Seconds(), u.Peak/megabyte)
}

// Start starts a program.
func (p *Programs) Start(name, path string, args ...string) error {
	log, err := os.Create(filepath.Join(p.Logs, name+".log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the program has it
	cmd := Command(path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	one := &program{name: name, cmd: cmd, done: make(chan struct{})}
	p.mu.Lock()
	p.running = append(p.running, one)
	p.mu.Unlock()
	go func() {
		err := cmd.Wait()
		close(one.done)
		p.mu.Lock()
		stopping := p.stopping
		p.mu.Unlock()
		if !stopping && p.Ended != nil {
			p.Ended(fmt.Errorf("%s has ended (%w): see %s", name, orEnded(err), log.Name()))
		}
	}()
	return nil
}

func orEnded(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// Command is a command in a process group of its own, that ends with whoever starts it.
func Command(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = ownGroup()
	return cmd
}

// stopWithin is how long a program has to end after it was asked to.
const stopWithin = 10 * time.Second

// Stop ends them, the last one first, and returns what each has used. Whichever does not end within ten
// seconds is killed.
func (p *Programs) Stop() []Usage {
	p.mu.Lock()
	p.stopping = true
	running := slices.Clone(p.running)
	p.running = nil
	p.mu.Unlock()
	var used []Usage
	for _, one := range slices.Backward(running) {
		_ = one.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		late := time.NewTimer(stopWithin)
		select {
		case <-one.done:
		case <-late.C:
			_ = syscall.Kill(-one.cmd.Process.Pid, syscall.SIGKILL)
			<-one.done
		}
		late.Stop()
		used = append(used, UsedBy(one.name, one.cmd.ProcessState))
	}
	slices.Reverse(used)
	return used
}

// UsedBy is what a process that has ended had used.
func UsedBy(name string, state *os.ProcessState) Usage {
	u := Usage{Name: name, CPU: state.UserTime() + state.SystemTime()}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.Peak = r.Maxrss << 10 // getrusage(2): in kilobytes
	}
	return u
}

// UsedHere is what this process has used as yet.
func UsedHere(name string) (Usage, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return Usage{}, err
	}
	return Usage{Name: name, CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano()), Peak: r.Maxrss << 10}, nil
}

// Run runs a command to its end, and interrupts it when ctx ends: it is then waited for all the same, for
// it has to tidy up. Its exit code is no error.
func Run(ctx context.Context, name string, out, errs io.Writer, path string, args ...string) (code int, used Usage, err error) {
	cmd := Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, errs
	if err := cmd.Start(); err != nil {
		return 0, Usage{}, fmt.Errorf("%s: %w", name, err)
	}
	interrupt := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGINT) })
	defer interrupt()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return 0, Usage{}, fmt.Errorf("%s: %w", name, err)
	}
	return cmd.ProcessState.ExitCode(), UsedBy(name, cmd.ProcessState), nil
}
