package wrapper

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A container's output ends, for the shim, when the last process that holds it has closed it, and only
// then does containerd report the container's end. Processes that survive their container would hold
// it. So a relay stands between: it hands the output on, and ends with the container's first process.

// RelayVariable is the variable by which this program knows that it is a relay: the PID of the first
// process. What it reads is the files 3 and 4, for its standard output and error.
const RelayVariable = "PROCNS_SABOTAGE_RELAY"

// relay are the writing ends that a container gets in the place of the shim's.
type relay struct {
	stdout, stderr *os.File // what the shim gave
	reading        [2]*os.File
	writing        [2]*os.File
}

// interpose has what is started from now on write to the relay.
func interpose() (*relay, error) {
	r := &relay{stdout: os.Stdout, stderr: os.Stderr}
	for i := range r.reading {
		var err error
		if r.reading[i], r.writing[i], err = os.Pipe(); err != nil {
			return nil, err
		}
	}
	os.Stdout, os.Stderr = r.writing[0], r.writing[1]
	return r, nil
}

// start hands the output of a container on, by a process that outlives this one. Without a PID, there
// is none to hand on.
func (r *relay) start(pid int) error {
	os.Stdout, os.Stderr = r.stdout, r.stderr
	defer func() {
		for i := range r.reading {
			_, _ = r.reading[i].Close(), r.writing[i].Close()
		}
	}()
	if pid == 0 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(self)
	command.Env = []string{RelayVariable + "=" + strconv.Itoa(pid)}
	command.Dir = "/"
	command.Stdout, command.Stderr = r.stdout, r.stderr
	command.ExtraFiles = r.reading[:]
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("the relay of process %d's output: %w", pid, err)
	}
	return command.Process.Release()
}

// lastWords is how long a relay still reads when the process has ended: what that wrote is in the
// pipe by then, and only has to be copied.
const lastWords = 200 * time.Millisecond

// Relay copies the files 3 and 4 until the process ends, and returns the exit code.
func Relay(pid string) int {
	number, err := strconv.Atoi(pid)
	if err != nil {
		return 1
	}
	var copies sync.WaitGroup
	var reading []*os.File
	for i, out := range []*os.File{os.Stdout, os.Stderr} {
		fd := 3 + i
		if err := syscall.SetNonblock(fd, true); err != nil { // so that a deadline ends the reading
			return 1
		}
		in := os.NewFile(uintptr(fd), "relayed")
		reading = append(reading, in)
		copies.Go(func() { _, _ = io.Copy(out, in) })
	}
	awaitEnd(number)
	for _, in := range reading {
		if err := in.SetReadDeadline(time.Now().Add(lastWords)); err != nil {
			return 1
		}
	}
	copies.Wait()
	return 0
}

// awaitEnd returns when a process has ended: its file descriptor can be read then (pidfd_open(2)).
func awaitEnd(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // it has ended
	}
	defer func() { _ = unix.Close(fd) }()
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}
