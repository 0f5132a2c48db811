package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
)

// Machine is a node of the suite's own cluster that is no container of the engine's, such as
// a virtual machine that has joined it. The command, and one more argument, a line for a POSIX
// shell on the machine, run that line there, as ssh does and `sh -c`. Its exit code is the
// line's, but 255 means that the machine was not reached (ssh(1)).
type Machine []string

// notReached is the exit code of a Machine's command that could not run the line.
const notReached = 255

// run runs one command on the machine.
func (m Machine) run(ctx context.Context, command ...string) (probe.CommandResult, error) {
	var stdout, stderr bytes.Buffer
	reach := exec.CommandContext(ctx, m[0], append(m[1:len(m):len(m)], shellescape.QuoteCommand(command))...)
	reach.Stdout, reach.Stderr = &stdout, &stderr
	// What the killed command leaves may hold its output.
	const bound = 5 * time.Second
	reach.WaitDelay = bound
	err := reach.Run()
	result := probe.CommandResult{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.As(err, &exit) && exit.ExitCode() == notReached:
		err = fmt.Errorf("not reached: %s", strings.TrimSpace(result.Stderr))
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		result.Code = exit.ExitCode()
		return result, nil
	}
	result.Failure = err.Error()
	return result, err
}

// restart reboots the machine and waits until it answers with another boot ID: until then the
// answers are those of the kernel that is going down. A machine that does not come back within
// the bound is an error.
func (m Machine) restart(ctx context.Context, bound time.Duration) error {
	boot := func() (string, error) {
		// A reply that never comes, since the machine went down, would be waited for without end.
		const within = 20 * time.Second
		asking, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		said, err := m.run(asking, "cat", "/proc/sys/kernel/random/boot_id")
		if err == nil && said.Code != 0 {
			err = errors.New(said.String())
		}
		return strings.TrimSpace(said.Stdout), err
	}
	was, err := boot()
	if err != nil {
		return fmt.Errorf("asking for the boot ID: %w", err)
	}
	// The connection may be gone before the command has answered.
	said, failed := m.run(ctx, "systemctl", "reboot")
	if failed == nil && said.Code != 0 {
		return fmt.Errorf("systemctl reboot: %s", said)
	}
	var is string
	err = pace.Until(ctx, bound, func() (bool, error) {
		is, failed = boot()
		return failed == nil && is != was, nil
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return fmt.Errorf("it does not answer within %s after systemctl reboot: %w", bound, failed)
	case is == was:
		return fmt.Errorf("systemctl reboot did not start it anew within %s", bound)
	}
	return nil
}
