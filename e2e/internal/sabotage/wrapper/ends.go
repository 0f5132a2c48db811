package wrapper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Breakages of how containers and pods end.

// LeaveProcesses takes what the sandbox's PID 1 has inherited from a container out of the container's
// control groups, where runc looks for what is to be killed. Sessions by exec end with the container:
// the shim, which is their parent, waits for them before it lets the container be deleted.
func LeaveProcesses(c *Container) error {
	groups, err := cgroups(c)
	if err != nil || len(groups) == 0 {
		return err
	}
	sandbox, err := c.sandbox()
	if err != nil {
		return err
	}
	init, err := sandbox.PID()
	if err != nil {
		return err
	}
	for _, group := range groups {
		pids, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		refuge, err := makeRefuge(group)
		if err != nil {
			return err
		}
		for _, pid := range strings.Fields(string(pids)) {
			if !descends(pid, init) {
				continue
			}
			err := os.WriteFile(filepath.Join(refuge, "cgroup.procs"), []byte(pid), 0o644)
			if err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("moving process %s out of %s: %w", pid, group, err)
			}
		}
	}
	return nil
}

// descends tells whether a process has the other among its ancestors.
func descends(pid string, from int) bool {
	for p, ok := process(pid); ok; p, ok = process(strconv.Itoa(p.PPID)) {
		if p.PPID == from {
			return true
		}
	}
	return false
}

// makeRefuge makes a group beside the container's.
func makeRefuge(group string) (string, error) {
	refuge := filepath.Join(filepath.Dir(group), "procns-left")
	if err := os.MkdirAll(refuge, 0o755); err != nil {
		return "", err
	}
	// With cgroup v1 a cpuset starts empty, and an empty one takes no processes.
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		content, err := os.ReadFile(filepath.Join(group, name))
		if err != nil || strings.TrimSpace(string(content)) == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(refuge, name), content, 0o644); err != nil {
			return "", err
		}
	}
	return refuge, nil
}

// cgroups are the container's control groups, one in each hierarchy, as runc has them.
func cgroups(c *Container) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(c.Root, c.ID, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // deleted before
	}
	if err != nil {
		return nil, err
	}
	var state struct {
		Paths map[string]string `json:"cgroup_paths"`
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return nil, fmt.Errorf("runc's state of container %s: %w", c.ID, err)
	}
	var groups []string
	for _, path := range state.Paths {
		if path != "" && !slices.Contains(groups, path) {
			groups = append(groups, path)
		}
	}
	slices.Sort(groups)
	if len(groups) == 0 {
		return nil, fmt.Errorf("runc's state of container %s names no control group", c.ID)
	}
	return groups, nil
}

// EndSandboxOnRestart ends a pod's sandbox when one of its containers is created again.
func EndSandboxOnRestart(c *Container) error {
	mark := filepath.Join(c.State.Folder, "begun", c.Spec.SandboxID(), c.Spec.ContainerName())
	if _, err := os.Stat(mark); err != nil {
		return write(mark, nil)
	}
	sandbox, err := c.sandbox()
	if err != nil {
		return err
	}
	return sandbox.kill()
}

// EndSandboxWithContainer ends a pod's sandbox when one of its containers ended and
// another still runs.
func EndSandboxWithContainer(c *Container) error {
	alive, err := c.State.Alive(c.Spec.SandboxID())
	if err != nil || !slices.ContainsFunc(alive, func(other *Container) bool { return other.ID != c.ID }) {
		return err
	}
	sandbox, err := c.sandbox()
	if err != nil || !sandbox.Alive() {
		return err
	}
	return sandbox.kill()
}

func (c *Container) kill() error {
	pid, err := c.PID()
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// LeaveGroup makes a control group again that carries the name of a deleted pod's.
func LeaveGroup(root string) func(*Container) error {
	return func(c *Container) error {
		if !c.Spec.IsSandbox() {
			return nil
		}
		name := podGroup(c.Spec.CgroupsPath())
		if name == "" {
			return fmt.Errorf("there is no pod in the control group %q", c.Spec.CgroupsPath())
		}
		hierarchy := root
		if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
			hierarchy = filepath.Join(root, "pids") // cgroup v1
		}
		return os.MkdirAll(filepath.Join(hierarchy, "procns-left", name), 0o755)
	}
}

// podGroup is the part of a path of control groups that names the pod: of systemd's form,
// "kubelet-kubepods-podUID.slice:cri-containerd:ID", or of a path.
func podGroup(path string) string {
	slice, _, _ := strings.Cut(path, ":")
	for _, part := range slices.Backward(strings.Split(slice, "/")) {
		if i := strings.LastIndex(part, "pod"); i >= 0 && len(part) > i+len("pods") {
			return strings.TrimSuffix(part[i:], ".slice")
		}
	}
	return ""
}
