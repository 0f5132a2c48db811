//go:build linux

package permission

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/assert/cmp"
	"gotest.tools/v3/golden"
	"gotest.tools/v3/skip"

	"procns/e2e/internal/probe"
)

// printed is what the script printed on a cluster, with root's default
// capabilities, of nginx's worker.
const printed = "fact self Uid: 0\t0\t0\t0\n" +
	"fact self Gid: 0\t0\t0\t0\n" +
	"fact self CapPrm: 00000000a80425fb\n" +
	"fact self CapEff: 00000000a80425fb\n" +
	"fact self stat: 29 (sh) S 0 29 29 0 -1 4194304 153 0 0 0 0 0 0 0 20 0 1 0 1163520 2654208 196 1 1 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n" +
	"fact self owner: 0 0\n" +
	"fact worker Uid: 101\t101\t101\t101\n" +
	"fact worker Gid: 101\t101\t101\t101\n" +
	"fact worker CapPrm: 0000000000000000\n" +
	"fact worker CapEff: 0000000000000000\n" +
	"fact worker stat: 14 (a) b) (c) S 8 8 8 0 -1 4194368 60 0 0 0 0 0 0 0 20 0 1 0 1163386 12226560 839 1 1 0 0 0 0 0 1073745920 402745863 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n" +
	"fact worker owner: 0 0\n" +
	"try worker kill-0 0 \n" +
	"try worker environ 1 cat: can't open '/proc/14/environ': Permission denied\n" +
	"end\n"

func TestParse(t *testing.T) {
	got, err := Parse(printed)
	assert.NilError(t, err)
	wantSelf, wantWorker := root, worker
	wantSelf.Start, wantWorker.Start = 1163520, 1163386
	assert.DeepEqual(t, got.Self, wantSelf)
	assert.DeepEqual(t, got.Targets, map[string]Process{"worker": wantWorker})
	assert.Equal(t, got.Yama, NoYama)
	assert.DeepEqual(t, got.Answers["worker"], map[Operation]Answer{
		Signal0: {}, Environ: {Errno: probe.EACCES, Message: "cat: can't open '/proc/14/environ': Permission denied"},
	})

	got, err = Parse(strings.Replace(printed, "fact worker Uid", "fact self yama: 1\nfact worker Uid", 1))
	assert.NilError(t, err)
	assert.Equal(t, got.Yama, Yama(1))

	for name, row := range map[string]struct{ old, new, want string }{
		"nothing":         {printed, "", "cut short"},
		"cut short":       {"end\n", "", "cut short"},
		"behind the end":  {"end\n", "end\nend\n", "behind the end"},
		"foreign line":    {"try worker kill-0 0 \n", "sh: oops\n", "no line of the script's"},
		"operation":       {"kill-0", "fork", "no line of the script's"},
		"exit code":       {"kill-0 0", "kill-0 x", "exit code"},
		"ended meanwhile": {"fact worker owner: 0 0", "fact worker owner:  ", "process worker: owner"},
		"user IDs":        {"Uid: 101\t101\t101\t101", "Uid: 101\t101\t101", "4 numbers expected"},
		"negative ID":     {"Gid: 101", "Gid: -1", "group IDs"},
		"effective":       {"worker CapEff: 0000000000000000", "worker CapEff: all", "effective capabilities"},
		"permitted":       {"worker CapPrm: 0000000000000000", "worker CapPrm: ", "permitted capabilities"},
		"short stat":      {"1163386 12226560", "\nfact worker x: ", "fields behind the name"},
		"start":           {"1163386", "-1", "start time"},
		"ptrace_scope":    {"end", "fact self yama: x\nend", "ptrace_scope"},
		"unknown process": {"try worker kill-0", "try master kill-0", "nothing was said of process master"},
		"no caller":       {"fact self", "fact me", "said nothing of itself"},
	} {
		broken := strings.Replace(printed, row.old, row.new, 1)
		if name == "no caller" {
			broken = strings.ReplaceAll(printed, row.old, row.new)
		}
		assert.Assert(t, broken != printed, name)
		_, err := Parse(broken)
		assert.Check(t, cmp.ErrorContains(err, row.want), name)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(printed)
	f.Add("fact self Uid: 0 0 0 0\nfact self yama: 4294967295\nend\n")
	f.Add("try  kill-0 1 \nfact  : \nend\n")
	f.Fuzz(func(t *testing.T, output string) {
		got, err := Parse(output)
		if err != nil {
			return
		}
		if !strings.HasSuffix(output, "end\n") && !strings.HasSuffix(output, "\nend") {
			t.Error("accepted what has no end")
		}
		for name, answers := range got.Answers {
			if _, ok := got.Targets[name]; !ok {
				t.Errorf("answers about %q, of which nothing was said", name)
			}
			row := Compare("self", got, name)
			if len(row.Cells) != len(answers) {
				t.Errorf("%q: %d answers, %d cells", name, len(answers), len(row.Cells))
			}
		}
		if got.Yama < NoYama {
			t.Errorf("ptrace_scope %d", got.Yama)
		}
	})
}

func TestTable(t *testing.T) {
	got, err := Parse(printed)
	assert.NilError(t, err)
	row := Compare("root", got, "worker")
	wrong := Compare("root", got, "worker")
	wrong.Target, wrong.Cells[Signal0] = "other", Cell{Answer{Errno: probe.EPERM}, Decision{}}
	golden.Assert(t, Table([]Row{row, wrong}), "table.txt")

	assert.Equal(t, root.String(), "uid 0, gid 0, capabilities 00000000a80425fb")
	assert.Equal(t, worker.String(), "uid 101, gid 101, capabilities 0000000000000000, not dumpable")
	assert.Equal(t, Process{Permitted: Kill}.String(), "uid 0, gid 0, capabilities 0000000000000000 (permitted 0000000000000020)")
	assert.Equal(t, NoYama.String(), "absent")
	assert.Equal(t, Yama(1).String(), "ptrace_scope 1")
}

// TestTryHere runs the script on this machine, with every shell that it has to
// work in, as root and as another user, on a process of root's and on one of
// another user's. The kernel must answer as the rules compute, and both kinds of
// answer must occur.
func TestTryHere(t *testing.T) {
	label, _ := os.ReadFile("/proc/self/attr/current") // fails where there is no security module
	confined := strings.Trim(string(label), "\x00\n")
	skip.If(t, os.Getuid() != 0, "only root can become another user")
	skip.If(t, confined != "" && confined != "unconfined", "a security module decides here as well")
	users := []int{0, 65534}
	children := map[int]int{}
	for _, uid := range users {
		child := exec.Command("sh", "-c", "trap '' HUP; read line")
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		child.Dir = "/"
		stdin, err := child.StdinPipe() // the child ends with this test, however that ends
		assert.NilError(t, err)
		stdout, err := child.StdoutPipe()
		assert.NilError(t, err)
		assert.NilError(t, child.Start())
		t.Cleanup(func() {
			_, _ = stdin.Close(), stdout.Close()
			_ = child.Wait() // read fails at the end of its input: not of interest
		})
		children[uid] = child.Process.Pid
	}
	for _, shell := range []string{"sh", "dash", "bash", "busybox"} {
		for _, uid := range users {
			path, err := exec.LookPath(shell)
			if err != nil {
				continue
			}
			t.Run(shell+" as "+map[int]string{0: "root", 65534: "another user"}[uid], func(t *testing.T) {
				tried := tryHere(t, shell, path, uid,
					Attempt{"theirs", children[0], []Operation{Signal0, Cmdline, Status, Environ, Root, Cwd, Exe, List, Open, Attach}},
					Attempt{"its", children[65534], []Operation{Signal0, Cmdline, Status, Environ, Root, Cwd, Exe, List, Open, Attach}})
				assert.Equal(t, tried.Self.UID.Effective, uid)
				answers := map[probe.Errno]bool{}
				for _, target := range []string{"theirs", "its"} {
					row := Compare(shell, tried, target)
					assert.Equal(t, len(row.Cells), 10)
					for operation, cell := range row.Cells {
						answers[cell.Observed.Errno] = true
						assert.Check(t, cell.Agrees(), "%s of %s: %s by %q: %s", operation, target, cell, cell.Computed.Rule, cell.Observed.Message)
					}
				}
				assert.Assert(t, answers[""])
				assert.Equal(t, answers[probe.EPERM] && answers[probe.EACCES], uid != 0, "%v", answers)
			})
		}
	}
}

// TestYamaIsSeen runs the script with a file below /proc/sys in the place of Yama's: such
// a file answers a read at its beginning only, which a shell's own read does not do. All of
// the shells must find in it what it holds; where there is none, Yama is absent.
func TestYamaIsSeen(t *testing.T) {
	const known = "/proc/sys/kernel/randomize_va_space" // 0, 1 or 2
	raw, err := os.ReadFile(known)
	skip.If(t, err != nil, "this kernel has no %s", known)
	want, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	assert.NilError(t, err)
	const yama = "/proc/sys/kernel/yama/ptrace_scope"
	assert.Assert(t, strings.Contains(tryScript, yama))
	for _, shell := range []string{"sh", "dash", "bash", "busybox"} {
		path, err := exec.LookPath(shell)
		for file, scope := range map[string]Yama{known: Yama(want), "/proc/sys/kernel/yama/none": NoYama} {
			t.Run(shell+" "+filepath.Base(file), func(t *testing.T) {
				skip.If(t, err != nil, "%s is not installed", shell)
				script := strings.ReplaceAll(tryScript, yama, file)
				tried := runHere(t, shell, path, os.Getuid(), []string{"sh", "-c", script, "procns-try"})
				assert.Equal(t, tried.Yama, scope)
			})
		}
	}
}

func tryHere(t *testing.T, shell, path string, uid int, attempts ...Attempt) Tried {
	t.Helper()
	return runHere(t, shell, path, uid, TryCommand(attempts...))
}

// runHere runs the script with a shell and as a user, and reads what it printed.
func runHere(t *testing.T, shell, path string, uid int, command []string) Tried {
	t.Helper()
	var stdout, stderr bytes.Buffer
	script := exec.CommandContext(t.Context(), path)
	script.Args = command
	script.Stdout, script.Stderr = &stdout, &stderr
	script.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	script.Dir = "/"
	if shell == "busybox" {
		tools, err := os.MkdirTemp("", "procns")
		assert.NilError(t, err)
		t.Cleanup(func() { assert.Check(t, os.RemoveAll(tools)) })
		assert.NilError(t, os.Chmod(tools, 0o755))
		for _, name := range []string{"cat", "ls"} {
			assert.NilError(t, os.Symlink(path, filepath.Join(tools, name)))
		}
		script.Env = []string{"PATH=" + tools}
	}
	assert.NilError(t, script.Run(), "%s", stderr.String())
	tried, err := Parse(stdout.String())
	assert.NilError(t, err, "%s%s", stdout.String(), stderr.String())
	return tried
}
