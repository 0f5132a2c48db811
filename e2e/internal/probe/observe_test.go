//go:build linux

package probe

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/skip"
)

// TestObserveHere runs the script on this machine with every shell that it has
// to work in, and finds a process of this test by markers that nobody else has.
func TestObserveHere(t *testing.T) {
	argvMarker, environMarker, fileMarker := "argv-"+RandomHex(8), "environ-"+RandomHex(8), "file-"+RandomHex(8)+"\x00\n\n"
	file := filepath.Join(t.TempDir(), "a file")
	assert.NilError(t, os.WriteFile(file, []byte(fileMarker), 0o600))

	child := exec.Command("sh", "-c", "read line", argvMarker, "two\nlines")
	child.Env = append(os.Environ(), "PROCNS_TEST="+environMarker)
	child.Dir = t.TempDir()
	stdin, err := child.StdinPipe() // the child ends with this test, however that ends
	assert.NilError(t, err)
	assert.NilError(t, child.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = child.Wait() // read fails at the end of its input: not of interest
	})

	for _, shell := range []string{"sh", "dash", "bash", "busybox"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			got := observeHere(t, shell, nil, file, "/does/not/exist")

			target, err := os.Readlink("/proc/self/ns/pid")
			assert.NilError(t, err)
			inode, err := namespaceInode(target)
			assert.NilError(t, err)
			assert.Equal(t, got.Namespaces["pid"], inode)
			assert.Equal(t, len(got.Namespaces), 6, "%v", got.Namespaces)
			id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
			assert.NilError(t, err)
			assert.Equal(t, got.Kernel.BootID, strings.TrimSpace(string(id)))
			assert.Assert(t, got.Kernel.Release != "")
			assert.Equal(t, got.Kernel.BootTime != 0, shell != "busybox", "there is no grep among busybox's tools here")
			assert.Assert(t, got.ProcMount != "" && got.UIDMap != "")
			assert.Equal(t, got.Files[file].Text, fileMarker)
			assert.Equal(t, got.Files["/does/not/exist"].Errno, ENOENT)

			found := got.All(func(p Process) bool { return p.Has(argvMarker) })
			assert.Equal(t, len(found), 1)
			p := found[0]
			assert.Equal(t, p.PID, child.Process.Pid)
			assert.Equal(t, p.PPID, os.Getpid())
			assert.Equal(t, p.UID, os.Getuid())
			assert.DeepEqual(t, p.Argv, []string{"sh", "-c", "read line", argvMarker, "two\nlines"})
			assert.Assert(t, slices.Contains(splitNUL(p.Environ.Text), "PROCNS_TEST="+environMarker), "%+v", p.Environ.Errno)
			assert.Equal(t, p.Cwd.Text, child.Dir)
			assert.Equal(t, p.Root.Text, "/")
			assert.Equal(t, p.NSPID.Text, target)
			assert.Assert(t, filepath.IsAbs(p.Exe.Text), "%+v", p.Exe)
			assert.Assert(t, slices.Contains(strings.Fields(p.FD.Text), "0"), "%+v", p.FD)
			assert.Equal(t, p.Files[file].Text, fileMarker)
			assert.Equal(t, p.Files["/does/not/exist"].Errno, ENOENT)

			me, ok := got.Process(os.Getpid())
			assert.Assert(t, ok && !me.Observer, "this test is no observer")
			_, ok = got.Process(got.Self)
			assert.Assert(t, !ok, "the script is an observer")
		})
		t.Run(shell+" as another user", func(t *testing.T) {
			t.Parallel()
			skip.If(t, os.Getuid() != 0, "only root can become another user")
			got := observeHere(t, shell, &syscall.Credential{Uid: 65534, Gid: 65534}, file)
			p, ok := got.Process(child.Process.Pid)
			assert.Assert(t, ok && p.Has(argvMarker), "command lines are for everybody")
			for what, access := range map[string]Access{
				"environ": p.Environ, "root": p.Root, "cwd": p.Cwd, "exe": p.Exe, "ns/pid": p.NSPID, "fd": p.FD, "file": p.Files[file],
			} {
				assert.Equal(t, access.Errno, EACCES, "%s: %q %q", what, access.Text, access.Message)
			}
		})
	}
}

// observeHere runs the script with one shell, and with that shell's own tools
// where it has any: busybox words its messages in its own way.
func observeHere(t *testing.T, shell string, as *syscall.Credential, paths ...string) *Snapshot {
	t.Helper()
	path, err := exec.LookPath(shell)
	skip.If(t, err != nil, "%s is not installed", shell)
	if shell == "dash" || shell == "bash" {
		real, _ := filepath.EvalSymlinks(path)
		sh, _ := exec.LookPath("sh")
		sh, _ = filepath.EvalSymlinks(sh)
		skip.If(t, real == sh, "%s is what sh is here", shell)
	}
	boundary := "procns-" + RandomHex(8)
	var stdout, stderr bytes.Buffer
	script := exec.CommandContext(t.Context(), path)
	script.Args = ObserveCommand(boundary, paths) // argv[0] is "sh" as in a container: busybox is what it is called
	script.Stdout, script.Stderr = &stdout, &stderr
	script.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	script.Dir = "/"
	if shell == "busybox" {
		tools, err := os.MkdirTemp("", "procns")
		assert.NilError(t, err)
		t.Cleanup(func() { assert.Check(t, os.RemoveAll(tools)) })
		assert.NilError(t, os.Chmod(tools, 0o755))
		for _, name := range []string{"cat", "head", "ls", "true"} {
			assert.NilError(t, os.Symlink(path, filepath.Join(tools, name)))
		}
		script.Env = []string{"PATH=" + tools}
	}
	_ = script.Run() // its exit code says nothing, its answers do
	got, err := parseSnapshot("here", boundary, stdout.Bytes(), stderr.Bytes())
	assert.NilError(t, err)
	assert.Equal(t, got.Self, script.Process.Pid)
	return got
}
