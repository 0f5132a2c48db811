package wrapper

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/sabotage/oci"
)

// victim is a process that may be killed, in the place of a sandbox's.
func victim(t *testing.T) (pid int, ended func() bool) {
	t.Helper()
	command := exec.Command("sleep", "60")
	require.NoError(t, command.Start())
	done := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-done
	})
	return command.Process.Pid, func() bool {
		select {
		case <-done:
			return true
		case <-t.Context().Done():
			return false
		}
	}
}

func TestEndSandboxOnRestart(t *testing.T) {
	n := newNode(t, Breakage{Container: EndSandboxOnRestart})
	pid, ended := victim(t)
	n.create("5a", "sandbox.json", pid, nil)
	n.create("c1", "container.json", os.Getpid(), named("one"))
	n.create("c2", "container.json", os.Getpid(), named("two"))
	assert.NotEmpty(t, startTime(strconv.Itoa(pid)), "no container was created twice")
	n.create("c3", "container.json", os.Getpid(), named("one"))
	assert.True(t, ended())
}

func TestEndSandboxWithContainer(t *testing.T) {
	n := newNode(t, Breakage{Deleted: EndSandboxWithContainer})
	pid, ended := victim(t)
	n.create("5a", "sandbox.json", pid, nil)
	n.create("init", "container.json", 1<<30, named("init"))
	n.w.Call([]string{"delete", "init"})
	assert.NotEmpty(t, startTime(strconv.Itoa(pid)), "none but the init container was there")
	n.create("c1", "container.json", 1<<30, named("one"))
	n.create("c2", "container.json", os.Getpid(), named("two"))
	n.w.Call([]string{"delete", "c1"})
	assert.True(t, ended())
	assert.Zero(t, n.w.Call([]string{"delete", "c2"}), "a sandbox that is dead already is no error")
}

// TestLeaveProcesses has this test stand in for the sandbox: what it started is what PID 1 inherited.
func TestLeaveProcesses(t *testing.T) {
	n := newNode(t, Breakage{Leaving: LeaveProcesses})
	inherited, _ := victim(t)
	n.create("5a", "sandbox.json", os.Getpid(), nil)
	n.create("c1", "container.json", os.Getpid(), nil)
	paths := map[string]string{}
	for _, hierarchy := range []string{"pids", "memory"} {
		paths[hierarchy] = filepath.Join(n.root, "cgroup", hierarchy, "pod", "c1")
		require.NoError(t, os.MkdirAll(paths[hierarchy], 0o755))
		members := fmt.Sprintf("%d\n%d\n", inherited, os.Getppid()) // and one that is no child of the sandbox's
		require.NoError(t, os.WriteFile(filepath.Join(paths[hierarchy], "cgroup.procs"), []byte(members), 0o600))
	}
	state, err := json.Marshal(map[string]any{"cgroup_paths": paths})
	require.NoError(t, err)
	file := filepath.Join(n.root, "runc", "c1", "state.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, state, 0o600))
	require.Zero(t, n.w.Call([]string{"--root", filepath.Join(n.root, "runc"), "kill", "--all", "c1", "9"}))
	for hierarchy := range paths {
		left, err := os.ReadFile(filepath.Join(n.root, "cgroup", hierarchy, "pod", "procns-left", "cgroup.procs"))
		require.NoError(t, err)
		assert.Equal(t, strconv.Itoa(inherited), string(left))
	}
	require.NoError(t, os.Remove(file))
	assert.Zero(t, n.w.Call([]string{"--root", filepath.Join(n.root, "runc"), "delete", "c1"}), "nothing is left to leave")
}

func TestLeaveGroup(t *testing.T) {
	n := newNode(t, Breakage{})
	n.w.Deleted = LeaveGroup(n.root)
	n.create("5a", "sandbox.json", os.Getpid(), nil)
	n.create("c1", "container.json", os.Getpid(), nil)
	require.Zero(t, n.w.Call([]string{"delete", "c1"}))
	left := filepath.Join(n.root, "pids", "procns-left")
	assert.NoDirExists(t, left, "a container is no pod")
	require.Zero(t, n.w.Call([]string{"delete", "5a"}))
	assert.DirExists(t, filepath.Join(left, "pod0d3e5c1a_0000_4000_8000_000000000001"))
}

func TestPodGroup(t *testing.T) {
	const uid = "0d3e5c1a-0000-4000-8000-000000000001"
	for path, want := range map[string]string{
		"kubelet-kubepods-pod0d3e.slice:cri-containerd:abc":           "pod0d3e",
		"kubelet-kubepods-burstable-pod0d3e.slice:cri-containerd:abc": "pod0d3e",
		"/kubelet/kubepods/besteffort/pod" + uid + "/abc":             "pod" + uid,
		"/system.slice/containerd.service":                            "",
		"":                                                            "",
	} {
		assert.Equal(t, want, podGroup(path), path)
	}
}

// TestMain lets the tests start this binary as a broken pause, or as a relay, as a node starts its own.
func TestMain(m *testing.M) {
	if pid := os.Getenv(RelayVariable); pid != "" {
		os.Exit(Relay(pid))
	}
	if how := os.Getenv(PauseVariable); how != "" {
		os.Exit(Pause(how))
	}
	os.Exit(m.Run())
}

func TestLeader(t *testing.T) {
	s := &State{Folder: t.TempDir()}
	assert.Empty(t, s.Leader("a"))
	require.NoError(t, s.Follow("a", os.Getpid()))
	assert.Equal(t, strconv.Itoa(os.Getpid()), s.Leader("a"))
	require.NoError(t, write(filepath.Join(s.Folder, "leaders", "a"), []byte(strconv.Itoa(os.Getpid())+" 1\n")))
	assert.Empty(t, s.Leader("a"), "another process with the same PID")
	for _, text := range []string{"", "x y", strings.Repeat("1", 40)} {
		require.NoError(t, write(filepath.Join(s.Folder, "leaders", "a"), []byte(text)))
		assert.Empty(t, s.Leader("a"), text)
	}
}

// TestOneForAllPods starts the process that every pod is to follow: it needs the right to
// make a namespace, and nothing of a container.
func TestOneForAllPods(t *testing.T) {
	n := newNode(t, Breakage{Container: OneForAllPods})
	if os.Geteuid() != 0 {
		t.Skip("only root makes PID namespaces")
	}
	path := pidPath(t, n.create("c1", "container.json", os.Getpid(), nil))
	pid, err := strconv.Atoi(strings.Split(path, "/")[2])
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		_, _ = syscall.Wait4(pid, nil, 0, nil)
	})
	own, err := os.Readlink("/proc/self/ns/pid")
	require.NoError(t, err)
	held, err := os.Readlink(path)
	require.NoError(t, err)
	assert.NotEqual(t, own, held)
	other := func(s oci.Spec) { s.Object["annotations"].(map[string]any)["io.kubernetes.cri.sandbox-id"] = "5b" }
	assert.Equal(t, path, pidPath(t, n.create("c2", "container.json", os.Getpid(), other)), "another pod follows as well")
	isolated := func(s oci.Spec) { s.JoinNamespace("pid", "") }
	assert.Empty(t, pidPath(t, n.create("c3", "container.json", os.Getpid(), isolated)))
}
