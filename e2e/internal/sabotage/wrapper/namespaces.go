package wrapper

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"procns/e2e/internal/sabotage/oci"
)

// Breakages of namespaces.

// sharesPID tells whether the container is to join a PID namespace that its pod shares. With
// hostPID it joins its sandbox's as well, which is the node's: the one that this program is in.
func (c *Container) sharesPID() bool {
	path, _ := c.Spec.Namespace("pid")
	return c.Spec.SharesPID() && !sameNamespace(path, "/proc/self/ns/pid")
}

// sameNamespace tells whether two paths lead to one namespace; of one that is gone, it does not.
func sameNamespace(one, other string) bool {
	a, errA := os.Readlink(one)
	b, errB := os.Readlink(other)
	return errA == nil && errB == nil && a == b
}

// OwnPIDNamespace gives a container that is to share a PID namespace of its own.
func OwnPIDNamespace(c *Container) error {
	if c.sharesPID() {
		c.Spec.JoinNamespace("pid", "")
	}
	return nil
}

// AlwaysShare has a container that is to be isolated join its sandbox's PID namespace.
func AlwaysShare(c *Container) error {
	path, ok := c.Spec.Namespace("pid")
	if !ok || path != "" {
		return nil // it has the node's, or a target's
	}
	return joinSandbox(c)
}

// TargetIsSandbox has a container that is to join another container's PID namespace
// join the sandbox's instead.
func TargetIsSandbox(c *Container) error {
	if path, _ := c.Spec.Namespace("pid"); path == "" || c.Spec.SharesPID() {
		return nil
	}
	return joinSandbox(c)
}

func joinSandbox(c *Container) error {
	sandbox := c.Spec.SandboxPID()
	if sandbox == "" {
		return fmt.Errorf("container %s joins no namespace by which its sandbox's PID could be told", c.ID)
	}
	c.Spec.JoinNamespace("pid", "/proc/"+sandbox+"/ns/pid")
	return nil
}

// NodePIDNamespace leaves a container in the node's PID namespace.
func NodePIDNamespace(c *Container) error {
	c.Spec.LeaveNamespace("pid")
	return nil
}

// IgnoreHostPID gives a sandbox that is to be in the node's PID namespace one of its own, which its
// containers then join.
func IgnoreHostPID(c *Container) error {
	if _, ok := c.Spec.Namespace("pid"); !ok {
		c.Spec.JoinNamespace("pid", "")
	}
	return nil
}

// Unshare gives a container a namespace of its own of each kind that it is to share.
func Unshare(kinds ...string) func(*Container) error {
	return func(c *Container) error {
		for _, kind := range kinds {
			if path, _ := c.Spec.Namespace(kind); path != "" {
				c.Spec.JoinNamespace(kind, "")
			}
		}
		return nil
	}
}

// FollowFirst has the containers of a pod that shares join the PID namespace of the one
// that was created first, whose process is PID 1 there, instead of the sandbox's.
// FollowedFirst remembers which that is.
func FollowFirst(c *Container) error {
	if !c.sharesPID() {
		return nil
	}
	path := ""
	if leader := c.State.Leader(c.Spec.SandboxID()); leader != "" {
		path = "/proc/" + leader + "/ns/pid"
	}
	c.Spec.JoinNamespace("pid", path)
	return nil
}

// FollowedFirst belongs to FollowFirst: it is called when a container is created.
func FollowedFirst(c *Container, pid int) error {
	path, ok := c.Spec.Namespace("pid")
	asked := c.State.Recall(c.ID)
	if !ok || path != "" || asked == nil || !asked.sharesPID() {
		return nil
	}
	return c.State.Follow(c.Spec.SandboxID(), pid)
}

// OneForAllPods has the containers of every pod that shares join one PID namespace of the
// node, whose PID 1 belongs to no pod.
func OneForAllPods(c *Container) error {
	if !c.sharesPID() {
		return nil
	}
	const everybody = "everybody"
	return c.State.locked(func() error {
		leader := c.State.Leader(everybody)
		if leader == "" {
			pid, err := hold()
			if err != nil {
				return fmt.Errorf("the PID namespace for all pods: %w", err)
			}
			if err := c.State.Follow(everybody, pid); err != nil {
				return err
			}
			if leader = c.State.Leader(everybody); leader == "" {
				return fmt.Errorf("process %d, which is to hold the PID namespace for all pods, is gone", pid)
			}
		}
		c.Spec.JoinNamespace("pid", "/proc/"+leader+"/ns/pid")
		return nil
	})
}

// hold starts a process that is PID 1 of a PID namespace of its own, and nothing else. It
// outlives this process.
func hold() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	command := exec.Command(self)
	command.Args = []string{"/pause"}
	command.Env = []string{PauseVariable + "=" + PauseIgnoresTerm}
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Setsid: true}
	if err := command.Start(); err != nil {
		return 0, err
	}
	pid := command.Process.Pid // Release forgets it
	return pid, command.Process.Release()
}

// ExecInNext has an exec run in the container that was created after the one it is for,
// and in the first for the last.
func ExecInNext(c *Container, call *oci.Command) error {
	alive, err := c.State.Alive(c.Spec.SandboxID())
	if err != nil {
		return err
	}
	for i, other := range alive {
		if other.ID == c.ID {
			call.SetID(alive[(i+1)%len(alive)].ID)
		}
	}
	return nil
}
