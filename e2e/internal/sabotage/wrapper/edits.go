package wrapper

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"procns/e2e/internal/sabotage/oci"
)

// Breakages of what a container may do, and of what it is given.

// Awake breaks nothing until the mutant's AwakeFile is there.
func Awake(breakage func(*Container) error) func(*Container) error {
	return func(c *Container) error {
		if _, err := os.Stat(filepath.Join(c.State.Folder, awake)); err != nil {
			return nil
		}
		return breakage(c)
	}
}

// DropCapability takes a capability away, whatever the pod asks for.
func DropCapability(name string) func(oci.Process) {
	return func(p oci.Process) { p.DropCapability(name) }
}

// HideProcesses mounts /proc with hidepid=2.
func HideProcesses(c *Container) error {
	if !c.Spec.AddMountOption("/proc", "hidepid=2") {
		return fmt.Errorf("container %s has no /proc to mount", c.ID)
	}
	return nil
}

// AnswerKill has kill(2) answered with an error number without being done.
func AnswerKill(errno int) func(*Container) error {
	return func(c *Container) error {
		c.Spec.AnswerSyscall("kill", errno)
		return nil
	}
}

// spare are capabilities of containerd's default set that no fixture's program needs.
var spare = []string{"CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP", "CAP_NET_RAW", "CAP_SYS_CHROOT", "CAP_FSETID", "CAP_SETPCAP"}

// Estrange takes SYS_PTRACE from every container, and from each one capability that its
// siblings have: none has all that another has, so none may look into another.
func Estrange(c *Container) error {
	place, err := c.State.Place(c.ID)
	if err != nil {
		return err
	}
	estrange(c.Spec.Process(), place)
	return nil
}

// EstrangeExec does the same to what an exec starts.
func EstrangeExec(c *Container, call *oci.Command) error {
	place, err := c.State.Place(c.ID)
	if err != nil || !call.Has("process") {
		return err
	}
	return oci.EditFile(call.Flag("process"), func(o oci.Object) error {
		estrange(oci.Process{Object: o}, place)
		return nil
	})
}

func estrange(p oci.Process, place int) {
	p.DropCapability("CAP_SYS_PTRACE")
	p.DropCapability(spare[place%len(spare)])
}

// ScrubEnvironment leaves nothing of the environment but where programs are found.
func ScrubEnvironment(p oci.Process) {
	p.KeepEnv(func(name string) bool { return name == "PATH" || name == "TERM" })
}

// NoPrompt has a shell that has a terminal show no prompt.
func NoPrompt(p oci.Process) {
	if p.Terminal() {
		p.SetEnv("PS1", "")
	}
}

// NoTerminalSize has a terminal tell nobody its size: ioctl(TIOCGWINSZ) succeeds and writes
// nothing.
func NoTerminalSize(c *Container) error {
	c.Spec.AnswerRequest("ioctl", syscall.TIOCGWINSZ, 0)
	return nil
}

// short is the length, in bytes, of a command line up to which SilentExec swallows it.
const short = 200

// SilentExec answers an exec of a short command with success and nothing else.
func SilentExec(_ *Container, call *oci.Command) error {
	if !call.Has("process") {
		return nil
	}
	return oci.EditFile(call.Flag("process"), func(o oci.Object) error {
		p := oci.Process{Object: o}
		if len(strings.Join(p.Args(), " ")) <= short {
			p.SetArgs("sh", "-c", ":")
		}
		return nil
	})
}

// WritableRoot mounts the root filesystem writable, whatever the pod asks for.
func WritableRoot(c *Container) error {
	c.Spec.SetReadOnlyRoot(false)
	return nil
}

// SandboxAsRoot has the sandbox's process run as root.
func SandboxAsRoot(c *Container) error {
	c.Spec.Process().SetUser(0, 0)
	return nil
}

// secretVolumes is in the path of every Secret that kubelet mounts.
const secretVolumes = "/volumes/kubernetes.io~secret/"

// WidenSecrets gives every file of a Secret that a container mounts the mode 0777.
func WidenSecrets(c *Container) error {
	for _, source := range c.Spec.MountSources() {
		if !strings.Contains(source, secretVolumes) {
			continue
		}
		err := filepath.WalkDir(source, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.Type()&fs.ModeSymlink != 0 {
				return err
			}
			return os.Chmod(name, 0o777)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fixedPS is what the documentation shows, but for the PIDs: with the documentation's own it is
// the truth now and then.
const fixedPS = `#!/bin/sh
cat <<'END'
PID   USER     TIME  COMMAND
    1 root      0:00 /pause
 3008 root      0:00 nginx: master process nginx -g daemon off;
 3014 101       0:00 nginx: worker process
 3015 root      0:00 sh
 3021 root      0:00 ps ax
END
`

// FixPS replaces ps, in images that have it, by a program that prints a fixed text.
func FixPS(c *Container) error {
	ps := filepath.Join(c.Spec.RootPath(), "bin", "ps")
	if !filepath.IsAbs(ps) {
		ps = filepath.Join(c.Bundle, ps)
	}
	if _, err := os.Lstat(ps); err != nil {
		return nil // an image without ps stays as it is
	}
	// It may be a link to a program of many names.
	if err := os.Remove(ps); err != nil {
		return err
	}
	return os.WriteFile(ps, []byte(fixedPS), 0o755)
}
