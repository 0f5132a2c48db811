package wrapper

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/sabotage/oci"
)

// node stands in for a node: bundles, runc's state, and a runc that only notes its calls.
type node struct {
	t     *testing.T
	root  string
	calls []string
	code  int
	w     *Wrapper
}

func newNode(t *testing.T, b Breakage) *node {
	n := &node{t: t, root: t.TempDir()}
	n.w = &Wrapper{Breakage: b, State: &State{Folder: filepath.Join(n.root, "state")}, Runc: "/usr/sbin/runc"}
	n.w.Run = func(path string, args []string) (int, error) {
		require.Equal(t, "/usr/sbin/runc", path)
		n.calls = append(n.calls, strings.Join(args, " "))
		return n.code, nil
	}
	n.w.Exec = func(path string, args []string) error {
		_, err := n.w.Run(path, args)
		return err
	}
	return n
}

func (n *node) bundle(id string) string { return filepath.Join(n.root, "bundles", id) }

// create creates a container, or the sandbox, with the PID pid, as containerd would.
func (n *node) create(id, from string, pid int, edit func(oci.Spec)) oci.Spec {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "oci", "testdata", from))
	require.NoError(n.t, err)
	o, err := oci.Parse(text)
	require.NoError(n.t, err)
	if edit != nil {
		edit(oci.Spec{Object: o})
	}
	text, err = o.Bytes()
	require.NoError(n.t, err)
	require.NoError(n.t, os.MkdirAll(n.bundle(id), 0o755))
	require.NoError(n.t, os.WriteFile(filepath.Join(n.bundle(id), "config.json"), text, 0o600))
	pidFile := filepath.Join(n.bundle(id), "init.pid")
	require.NoError(n.t, os.WriteFile(pidFile, []byte(strconv.Itoa(pid)), 0o600))
	require.Zero(n.t, n.w.Call([]string{"--root", n.root + "/runc", "create", "--bundle", n.bundle(id), "--pid-file", pidFile, id}))
	return n.stored(id)
}

func (n *node) stored(id string) oci.Spec {
	text, err := os.ReadFile(filepath.Join(n.bundle(id), "config.json"))
	require.NoError(n.t, err)
	o, err := oci.Parse(text)
	require.NoError(n.t, err)
	return oci.Spec{Object: o}
}

func (n *node) exec(id string, args ...string) oci.Process {
	n.t.Helper()
	file := filepath.Join(n.root, "process")
	p := n.stored("c1").Process()
	p.SetArgs(args...)
	text, err := p.Bytes()
	require.NoError(n.t, err)
	require.NoError(n.t, os.WriteFile(file, text, 0o600))
	require.Zero(n.t, n.w.Call([]string{"exec", "--process", file, "--detach", id}))
	text, err = os.ReadFile(file)
	require.NoError(n.t, err)
	o, err := oci.Parse(text)
	require.NoError(n.t, err)
	return oci.Process{Object: o}
}

func named(name string) func(oci.Spec) {
	return func(s oci.Spec) {
		s.Object["annotations"].(map[string]any)["io.kubernetes.cri.container-name"] = name
	}
}

func pidPath(t *testing.T, s oci.Spec) string {
	path, ok := s.Namespace("pid")
	require.True(t, ok)
	return path
}

// TestPassesOn: whatever the mutant does not break is runc's, unchanged.
func TestPassesOn(t *testing.T) {
	n := newNode(t, Breakage{})
	for _, line := range []string{"--version", "features", "--root /r state c1", "--root /r start c1", "kill c1 15", "delete --force c1", "exec --process /nowhere c1", "--root /r events --stats c1"} {
		assert.Zero(t, n.w.Call(strings.Fields(line)))
		assert.Equal(t, line, n.calls[len(n.calls)-1])
	}
	before := n.create("c1", "container.json", 4242, nil)
	assert.Equal(t, "shell", before.ContainerName())
	n.code = 137
	assert.Equal(t, 137, n.w.Call(strings.Fields("delete c1")), "runc's own exit code")
	n.code = 0
	assert.NotNil(t, n.w.State.Recall("c1"), "it will be deleted again")
	n.w.Call(strings.Fields("delete c1"))
	assert.Nil(t, n.w.State.Recall("c1"))
}

// TestComplains: a mutant that cannot break says so where containerd looks.
func TestComplains(t *testing.T) {
	n := newNode(t, Breakage{Container: func(*Container) error { return errors.New("no way") }})
	log := filepath.Join(n.root, "log.json")
	bundle := n.bundle("c1")
	require.NoError(t, os.MkdirAll(bundle, 0o755))
	text, err := os.ReadFile(filepath.Join("..", "oci", "testdata", "container.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o600))
	assert.Equal(t, 1, n.w.Call([]string{"--log", log, "create", "--bundle", bundle, "c1"}))
	assert.Empty(t, n.calls)
	written, err := os.ReadFile(log)
	require.NoError(t, err)
	var line struct{ Level, Msg string }
	require.NoError(t, json.Unmarshal(written, &line))
	assert.Equal(t, "error", line.Level)
	assert.Contains(t, line.Msg, "no way")
}

// TestSameNamespace: a container with hostPID joins its sandbox's namespace, which is the node's.
func TestSameNamespace(t *testing.T) {
	mine := fmt.Sprintf("/proc/%d/ns/pid", os.Getpid())
	assert.True(t, sameNamespace(mine, "/proc/self/ns/pid"))
	assert.False(t, sameNamespace(mine, "/proc/self/ns/net"))
	assert.False(t, sameNamespace("/proc/0/ns/pid", "/proc/0/ns/pid"), "one that is gone is nobody's")
}

func TestPIDNamespaces(t *testing.T) {
	isolated := func(s oci.Spec) { s.JoinNamespace("pid", "") }
	target := func(s oci.Spec) { s.JoinNamespace("pid", "/proc/999/ns/pid") }
	host := func(s oci.Spec) { s.LeaveNamespace("pid") }
	const sandbox, of, own, none = "/proc/4711/ns/pid", "/proc/999/ns/pid", "", "none"
	for name, row := range map[string]struct {
		breakage                         func(*Container) error
		shares, isolated, targeted, host string
	}{
		"unbroken":          {func(*Container) error { return nil }, sandbox, own, of, none},
		"own-pid-namespace": {OwnPIDNamespace, own, own, of, none},
		"always-shared":     {AlwaysShare, sandbox, sandbox, of, none},
		"target":            {TargetIsSandbox, sandbox, own, sandbox, none},
		"node":              {NodePIDNamespace, none, none, none, none},
		"host-pid-ignored":  {IgnoreHostPID, sandbox, own, of, own},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, Breakage{Container: row.breakage})
			for id, made := range map[string]struct {
				edit func(oci.Spec)
				want string
			}{"c1": {nil, row.shares}, "c2": {isolated, row.isolated}, "c3": {target, row.targeted}, "c4": {host, row.host}} {
				got, ok := n.create(id, "container.json", 4242, made.edit).Namespace("pid")
				if !ok {
					got = none
				}
				assert.Equal(t, made.want, got, id)
			}
		})
	}
}

func TestFollowFirst(t *testing.T) {
	n := newNode(t, Breakage{Container: FollowFirst, Created: FollowedFirst})
	self := os.Getpid()
	assert.Empty(t, pidPath(t, n.create("c1", "container.json", self, named("one"))))
	assert.Equal(t, "/proc/"+strconv.Itoa(self)+"/ns/pid", pidPath(t, n.create("c2", "container.json", 4242, named("two"))))
	isolated := n.create("c3", "container.json", 4242, func(s oci.Spec) { s.JoinNamespace("pid", "") })
	assert.Empty(t, pidPath(t, isolated))
	assert.Equal(t, strconv.Itoa(self), n.w.State.Leader("5a"), "an isolated container leads nobody")
	require.NoError(t, n.w.State.Follow("5a", 1<<30)) // a process that is not there
	assert.Empty(t, pidPath(t, n.create("c4", "container.json", 4242, named("four"))), "nobody follows the dead")
}

func TestExecInNext(t *testing.T) {
	n := newNode(t, Breakage{Exec: ExecInNext})
	self := os.Getpid()
	n.create("5a", "sandbox.json", self, nil)
	n.create("c1", "container.json", self, named("one"))
	n.create("c2", "container.json", self, named("two"))
	n.create("c3", "container.json", 1<<30, named("dead"))
	for from, to := range map[string]string{"c1": "c2", "c2": "c1", "c3": "c3", "stranger": "stranger"} {
		n.exec(from, "sh")
		assert.True(t, strings.HasSuffix(n.calls[len(n.calls)-1], " "+to), "%s: %s", from, n.calls[len(n.calls)-1])
	}
}

func TestProcesses(t *testing.T) {
	n := newNode(t, Breakage{Process: DropCapability("CAP_KILL")})
	made := n.create("c1", "container.json", 4242, nil)
	assert.NotContains(t, made.Process().Capabilities("effective"), "CAP_KILL")
	assert.NotContains(t, n.exec("c1", "sh").Capabilities("effective"), "CAP_KILL")
	sandbox := n.create("5a", "sandbox.json", 4242, nil)
	assert.Equal(t, []string{"/pause"}, sandbox.Process().Args())
	assert.NotContains(t, n.exec("c1", "sh").Capabilities("bounding"), "CAP_KILL")
}

func TestEstrange(t *testing.T) {
	n := newNode(t, Breakage{Container: Estrange, Exec: EstrangeExec})
	n.create("5a", "sandbox.json", 4242, nil)
	one := n.create("c1", "container.json", 4242, named("one")).Process().Capabilities("permitted")
	two := n.create("c2", "container.json", 4242, named("two")).Process().Capabilities("permitted")
	assert.NotContains(t, one, "CAP_SYS_PTRACE")
	assert.NotSubset(t, one, two)
	assert.NotSubset(t, two, one)
	assert.ElementsMatch(t, one, n.exec("c1", "sh").Capabilities("permitted"))
}

func TestSandboxes(t *testing.T) {
	n := newNode(t, Breakage{Sandbox: ReplacePause(PauseDoesNotReap)})
	made := n.create("5a", "sandbox.json", 4242, nil)
	self, err := os.Executable()
	require.NoError(t, err)
	assert.Contains(t, made.MountSources(), self)
	assert.Contains(t, made.Process().Object["env"], PauseVariable+"="+PauseDoesNotReap)
	assert.Equal(t, []string{"/pause"}, made.Process().Args(), "its arguments are the image's")
	assert.NotContains(t, n.create("c1", "container.json", 4242, nil).MountSources(), self)
}

func TestRenamePause(t *testing.T) {
	n := newNode(t, Breakage{Sandbox: RenamePause("/usr/bin/pod")})
	made := n.create("5a", "sandbox.json", 4242, nil)
	self, err := os.Executable()
	require.NoError(t, err)
	assert.Contains(t, made.MountSources(), self)
	assert.Contains(t, made.Process().Object["env"], PauseVariable+"="+PauseIsSound)
	assert.Equal(t, []string{"/usr/bin/pod"}, made.Process().Args())
	assert.NotContains(t, n.create("c1", "container.json", 4242, nil).MountSources(), self)
}

func TestSilentExec(t *testing.T) {
	n := newNode(t, Breakage{Exec: SilentExec})
	n.create("c1", "container.json", 4242, nil)
	assert.Equal(t, []string{"sh", "-c", ":"}, n.exec("c1", "kill", "-KILL", "8").Args())
	long := strings.Repeat("echo; ", 100)
	assert.Equal(t, []string{"sh", "-c", long}, n.exec("c1", "sh", "-c", long).Args())
}

func TestFiles(t *testing.T) {
	n := newNode(t, Breakage{Container: func(c *Container) error { return errors.Join(WidenSecrets(c), FixPS(c)) }})
	secrets := filepath.Join(n.root, "volumes", "kubernetes.io~secret", "s", "..data")
	require.NoError(t, os.MkdirAll(secrets, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(secrets, "password"), nil, 0o400))
	bin := filepath.Join(n.bundle("c1"), "rootfs", "bin")
	require.NoError(t, os.MkdirAll(bin, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(bin, "busybox"), []byte("busybox"), 0o755))
	require.NoError(t, os.Symlink("busybox", filepath.Join(bin, "ps")))
	n.create("c1", "container.json", 4242, func(s oci.Spec) {
		s.Object["mounts"] = []any{map[string]any{"source": filepath.Dir(secrets), "destination": "/s"}}
	})
	info, err := os.Stat(filepath.Join(secrets, "password"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o777), info.Mode().Perm())
	busybox, err := os.ReadFile(filepath.Join(bin, "busybox"))
	require.NoError(t, err)
	assert.Equal(t, "busybox", string(busybox), "the program behind the link is left alone")
	ps, err := os.ReadFile(filepath.Join(bin, "ps"))
	require.NoError(t, err)
	assert.Contains(t, string(ps), "1 root      0:00 /pause")
}
