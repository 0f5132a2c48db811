// Package wrapper stands in front of runc, and breaks what a mutant breaks: it edits what
// runc is to read before runc reads it, or acts around the call. All else is runc's.
package wrapper

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"procns/e2e/internal/sabotage/oci"
)

// Breakage is what a mutant does around the calls of the OCI runtime. Each part may be
// nil. An error ends the call: a mutant that cannot break must not pass for a sound one.
type Breakage struct {
	// Sandbox edits the bundle of a pod's sandbox before it is created.
	Sandbox func(*Container) error
	// Container edits the bundle of one of the pod's containers before it is created.
	Container func(*Container) error
	// Process edits the first process of a container, and every one that an exec starts.
	Process func(oci.Process)
	// Exec may have an exec run in another container, or another process.
	Exec func(c *Container, call *oci.Command) error
	// Created is called when one of the pod's containers is created, with its PID.
	Created func(c *Container, pid int) error
	// Leaving is called before what is left of a container's processes is killed, and
	// before the container is deleted.
	Leaving func(*Container) error
	// Deleted is called when a container, or the sandbox, is deleted.
	Deleted func(*Container) error
	// Relay hands the containers' output on, so that what survives them does not hold it.
	Relay bool
}

// Container is the one that a call is about.
type Container struct {
	ID     string
	Bundle string
	// Root is where runc keeps its state (--root).
	Root  string
	Spec  oci.Spec
	State *State
}

// Wrapper is a mutant at work on a node.
type Wrapper struct {
	Breakage
	State *State
	// Runc is the real runtime's path.
	Runc string
	// Exec replaces this process by the real runtime; Run waits for it.
	Exec func(path string, args []string) error
	Run  func(path string, args []string) (code int, err error)
}

// New is a wrapper for a mutant, around the node's own runc.
func New(mutant string, b Breakage) (*Wrapper, error) {
	runc, err := findRunc()
	return &Wrapper{
		Breakage: b, State: &State{Folder: filepath.Join(stateFolder, mutant)}, Runc: runc,
		Exec: func(path string, args []string) error {
			return syscall.Exec(path, append([]string{path}, args...), os.Environ())
		},
		Run: run,
	}, err
}

// findRunc also looks where it usually is: what PATH a shim has is not ours to say.
func findRunc() (string, error) {
	if path, err := exec.LookPath("runc"); err == nil {
		return path, nil
	}
	for _, folder := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"} {
		if path, err := exec.LookPath(filepath.Join(folder, "runc")); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no runc on this node")
}

// run hands over this process's own streams: they are the container's.
func run(path string, args []string) (int, error) {
	command := exec.Command(path, args...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	// As go-runc has it. The signal comes with the end of the thread that started the process.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := command.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode(), nil
	}
	return 0, err
}

// Call does what runc was to do, and what the mutant does besides, and returns the exit code.
func (w *Wrapper) Call(args []string) int {
	call := oci.ParseCommand(args)
	code, err := w.call(&call)
	if err == nil {
		return code
	}
	err = fmt.Errorf("procns sabotage: runc %s: %w", call.Name, err)
	fmt.Fprintln(os.Stderr, err)
	complain(call.Flag("log"), err)
	return 1
}

func (w *Wrapper) call(call *oci.Command) (int, error) {
	switch {
	case call.Name == "create":
		return w.create(call)
	case call.Name == "exec":
		return w.exec(call)
	case call.Name == "kill" && call.Has("all"), call.Name == "delete":
		return w.end(call)
	}
	return 0, w.Exec(w.Runc, call.Args)
}

func (w *Wrapper) create(call *oci.Command) (int, error) {
	c := &Container{ID: call.ID(), Bundle: bundle(call), Root: call.Flag("root"), State: w.State}
	err := oci.EditFile(filepath.Join(c.Bundle, "config.json"), func(o oci.Object) error {
		c.Spec = oci.Spec{Object: o}
		if err := w.State.Remember(c); err != nil {
			return err
		}
		return w.edit(c)
	})
	if err != nil {
		return 0, err
	}
	relaying := w.Relay && !c.Spec.Process().Terminal() // a terminal is a file of its own, and runc sees to it
	if w.Created == nil && !relaying || !c.Spec.IsContainer() {
		return 0, w.Exec(w.Runc, call.Args)
	}
	code, pid, err := w.createAnd(call, relaying)
	if err != nil || code != 0 || w.Created == nil {
		return code, err
	}
	return 0, w.Created(c, pid)
}

// createAnd has runc create a container, and returns its first process's PID.
func (w *Wrapper) createAnd(call *oci.Command, relaying bool) (code, pid int, err error) {
	if relaying {
		r, err := interpose()
		if err != nil {
			return 0, 0, err
		}
		defer func() { err = errors.Join(err, r.start(pid)) }()
	}
	code, err = w.Run(w.Runc, call.Args)
	if err != nil || code != 0 {
		return code, 0, err
	}
	pid, err = readPID(call.Flag("pid-file"))
	return 0, pid, err
}

func (w *Wrapper) edit(c *Container) error {
	var errSandbox, errContainer error
	if c.Spec.IsSandbox() && w.Sandbox != nil {
		errSandbox = w.Sandbox(c)
	}
	if c.Spec.IsContainer() {
		if w.Container != nil {
			errContainer = w.Container(c)
		}
		if w.Process != nil {
			w.Process(c.Spec.Process())
		}
	}
	return errors.Join(errSandbox, errContainer)
}

func (w *Wrapper) exec(call *oci.Command) (int, error) {
	c := w.State.Recall(call.ID())
	if c == nil {
		return 0, w.Exec(w.Runc, call.Args) // none of ours
	}
	if w.Process != nil && call.Has("process") {
		if err := oci.EditFile(call.Flag("process"), func(o oci.Object) error {
			w.Process(oci.Process{Object: o})
			return nil
		}); err != nil {
			return 0, err
		}
	}
	if w.Breakage.Exec != nil {
		if err := w.Breakage.Exec(c, call); err != nil {
			return 0, err
		}
	}
	return 0, w.Exec(w.Runc, call.Args)
}

func (w *Wrapper) end(call *oci.Command) (int, error) {
	c := w.State.Recall(call.ID())
	if c == nil {
		return 0, w.Exec(w.Runc, call.Args)
	}
	c.Root = call.Flag("root")
	if w.Leaving != nil && c.Spec.IsContainer() {
		if err := w.Leaving(c); err != nil {
			return 0, err
		}
	}
	if call.Name != "delete" {
		return 0, w.Exec(w.Runc, call.Args)
	}
	code, err := w.Run(w.Runc, call.Args)
	if err != nil || code != 0 {
		return code, err // it will be called again
	}
	if w.Deleted != nil {
		err = w.Deleted(c)
	}
	return 0, errors.Join(err, w.State.Forget(c))
}

// bundle is the folder of a create; runc takes its current one where none is named.
func bundle(call *oci.Command) string {
	if call.Has("bundle") {
		return call.Flag("bundle")
	}
	return "."
}

// complain writes an error where runc writes its own, and containerd looks for them.
func complain(log string, err error) {
	if log == "" {
		return
	}
	file, openErr := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if openErr != nil {
		return
	}
	defer func() { _ = file.Close() }()
	line, _ := json.Marshal(map[string]string{"level": "error", "msg": err.Error(), "time": time.Now().Format(time.RFC3339)})
	_, _ = file.WriteString(strings.TrimSpace(string(line)) + "\n")
}
