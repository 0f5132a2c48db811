package wrapper

import (
	"os"
	"os/signal"
	"syscall"
)

// PauseVariable is the variable by which the sandbox's broken process knows how it is
// broken: its name and arguments are those of the sound one.
const PauseVariable = "PROCNS_SABOTAGE_PAUSE"

// The ways in which a sandbox's process can be broken.
const (
	PauseDoesNotReap   = "does-not-reap"
	PauseExitsOnHangup = "exits-on-hangup"
	PauseIgnoresTerm   = "ignores-term"
	// PauseIsSound: in nothing but the name that RenamePause gives it.
	PauseIsSound = "sound"
)

// ReplacePause has a sandbox run our own process in the place of its image's.
func ReplacePause(how string) func(*Container) error {
	return func(c *Container) error {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		p := c.Spec.Process()
		if len(p.Args()) > 0 {
			c.Spec.Bind(self, p.Args()[0])
			p.SetEnv(PauseVariable, how)
		}
		return nil
	}
}

// RenamePause has a sandbox run a sound process of another name than its image's, as distributions do.
func RenamePause(name string) func(*Container) error {
	return func(c *Container) error {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		c.Spec.Bind(self, name)
		p := c.Spec.Process()
		p.SetArgs(name)
		p.SetEnv(PauseVariable, PauseIsSound)
		return nil
	}
}

// Pause is what the kubelet's own pause does (reap, and end on TERM and INT), but for the
// one thing in which it is broken. It returns the exit code.
func Pause(how string) int {
	end, children := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	// To a PID 1 without handlers these do not arrive; the Go runtime has a handler for each.
	signal.Ignore(syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE)
	switch how {
	case PauseExitsOnHangup:
		signal.Notify(end, syscall.SIGHUP)
	case PauseIgnoresTerm:
		signal.Stop(end)
		signal.Ignore(syscall.SIGINT, syscall.SIGTERM)
	}
	if how != PauseDoesNotReap {
		signal.Notify(children, syscall.SIGCHLD)
		reap()
	}
	for {
		select {
		case <-end:
			return 0
		case <-children:
			reap()
		}
	}
}

// reap waits for the children that have ended.
func reap() {
	for {
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err == syscall.EINTR {
			continue
		} else if err != nil || pid <= 0 {
			return
		}
	}
}
