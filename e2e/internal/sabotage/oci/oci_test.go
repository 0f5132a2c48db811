package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func read(t testing.TB, name string) Spec {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	o, err := Parse(text)
	require.NoError(t, err)
	return Spec{o}
}

func TestWhatTheAnnotationsTell(t *testing.T) {
	container, sandbox := read(t, "container.json"), read(t, "sandbox.json")
	assert.True(t, container.IsContainer())
	assert.False(t, container.IsSandbox())
	assert.True(t, sandbox.IsSandbox())
	assert.Equal(t, "5a", container.SandboxID())
	assert.Equal(t, "5a", sandbox.SandboxID())
	assert.Equal(t, "shell", container.ContainerName())
	assert.Equal(t, "4711", container.SandboxPID())
	assert.True(t, container.SharesPID())
	assert.False(t, sandbox.SharesPID())
	assert.False(t, Spec{Object{}}.SharesPID())
}

func TestNamespaces(t *testing.T) {
	s := read(t, "container.json")
	s.JoinNamespace("pid", "")
	path, ok := s.Namespace("pid")
	assert.True(t, ok)
	assert.Empty(t, path)
	s.JoinNamespace("pid", "/proc/7/ns/pid")
	path, _ = s.Namespace("pid")
	assert.Equal(t, "/proc/7/ns/pid", path)
	assert.False(t, s.SharesPID())
	s.LeaveNamespace("pid")
	_, ok = s.Namespace("pid")
	assert.False(t, ok)
	assert.Len(t, s.object("linux").list("namespaces"), 4)
}

func TestProcess(t *testing.T) {
	p := read(t, "container.json").Process()
	p.DropCapability("CAP_KILL")
	for _, set := range []string{"bounding", "effective", "permitted"} {
		assert.Len(t, p.Capabilities(set), 14)
		assert.NotContains(t, p.Capabilities(set), "CAP_KILL")
	}
	p.SetEnv("TERM", "dumb")
	assert.Equal(t, []string{"PATH=/usr/bin:/bin", "HOSTNAME=nginx", "PASSWORD=a=b", "TERM=dumb"}, p.texts("env"))
	p.KeepEnv(func(name string) bool { return name == "PASSWORD" })
	assert.Equal(t, []string{"PASSWORD=a=b"}, p.texts("env"))
	p.SetArgs("a", "b c")
	assert.Equal(t, []string{"a", "b c"}, p.Args())
	assert.True(t, p.Terminal())
}

func TestAnswerSyscall(t *testing.T) {
	for _, name := range []string{"container.json", "sandbox.json"} {
		s := read(t, name)
		s.AnswerSyscall("kill", 13)
		rules := s.object("linux").object("seccomp").list("syscalls")
		var of []map[string]any
		for _, item := range rules {
			rule := item.(map[string]any)
			if names := Object(rule).texts("names"); len(names) == 0 || names[0] == "kill" {
				of = append(of, rule)
			}
		}
		require.Len(t, of, 1, "one rule for kill, and none for nothing, in %s", name)
		assert.Equal(t, "SCMP_ACT_ERRNO", of[0]["action"])
		assert.Equal(t, 13, of[0]["errnoRet"])
	}
}

func TestAnswerRequest(t *testing.T) {
	s := read(t, "container.json")
	s.AnswerRequest("ioctl", 0x5413, 0)
	text, err := s.object("linux").object("seccomp").Bytes()
	require.NoError(t, err)
	assert.JSONEq(t, `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["ioctl"],"action":"SCMP_ACT_ERRNO","errnoRet":0,
		"args":[{"index":1,"value":21523,"op":"SCMP_CMP_EQ"}]}]}`, string(text))
	filtered := read(t, "sandbox.json")
	filtered.AnswerRequest("ioctl", 0x5413, 0)
	assert.Equal(t, read(t, "sandbox.json"), filtered, "a filter that is there stays")
}

func TestMounts(t *testing.T) {
	s := read(t, "container.json")
	assert.True(t, s.AddMountOption("/proc", "hidepid=2"))
	assert.False(t, s.AddMountOption("/nowhere", "ro"))
	s.Bind("/opt/x", "/pause")
	assert.Equal(t, "/opt/x", s.MountSources()[3])
	text, err := s.Bytes()
	require.NoError(t, err)
	assert.Contains(t, string(text), `["nosuid","noexec","nodev","hidepid=2"]`)
}

// TestUnknownSurvives: an edit touches nothing but what it edits.
func TestUnknownSurvives(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	before, err := os.ReadFile(filepath.Join("testdata", "container.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, before, 0o600))
	require.NoError(t, EditFile(file, func(o Object) error {
		Spec{o}.Process().DropCapability("CAP_NONE")
		return nil
	}))
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.JSONEq(t, string(before), string(after))
	assert.Contains(t, string(after), "9223372036854771712", "a number that no float holds")
	assert.Contains(t, string(after), "2.50")
	assert.Contains(t, string(after), "a<b>&")
	assert.Error(t, EditFile(filepath.Join(t.TempDir(), "none"), nil))
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "null", "[]", "{} {}", "{"} {
		_, err := Parse([]byte(text))
		assert.Error(t, err, text)
	}
}

func TestCommands(t *testing.T) {
	const global = "--root /run/containerd/runc/k8s.io --log /b/log.json --log-format json --systemd-cgroup "
	for line, want := range map[string]struct{ name, id, flag, value string }{
		global + "create --bundle /b --pid-file /b/init.pid c1":                                         {"create", "c1", "bundle", "/b"},
		global + "create --bundle=/b --console-socket /s c1":                                            {"create", "c1", "bundle", "/b"},
		global + "create -b /b --no-pivot c1":                                                           {"create", "c1", "bundle", "/b"},
		global + "exec --process /tmp/p --console-socket /s --detach --pid-file /b/x.pid --tty=true c1": {"exec", "c1", "process", "/tmp/p"},
		global + "exec -p /tmp/p -d c1":                                                                 {"exec", "c1", "process", "/tmp/p"},
		global + "kill --all c1 9":                                                                      {"kill", "c1", "all", ""},
		global + "kill -a c1 9":                                                                         {"kill", "c1", "all", ""},
		global + "delete --force c1":                                                                    {"delete", "c1", "force", ""},
		global + "state c1":                                                                             {"state", "c1", "root", "/run/containerd/runc/k8s.io"},
		"--version":                                                                                     {"", "", "version", ""},
		"features":                                                                                      {"features", "", "", ""},
		"":                                                                                              {"", "", "", ""},
	} {
		c := ParseCommand(strings.Fields(line))
		assert.Equal(t, want.name, c.Name, line)
		assert.Equal(t, want.id, c.ID(), line)
		assert.Equal(t, want.flag != "", c.Has(want.flag), line)
		assert.Equal(t, want.value, c.Flag(want.flag), line)
		assert.Equal(t, strings.Fields(line), c.Args, "nothing is lost")
	}
}

func TestAnotherContainer(t *testing.T) {
	args := strings.Fields("--root /r exec --process /tmp/c1 --detach c1")
	c := ParseCommand(args)
	c.SetID("c2")
	assert.Equal(t, strings.Fields("--root /r exec --process /tmp/c1 --detach c2"), c.Args)
	assert.Equal(t, "c1", args[len(args)-1], "the caller's are its own")
	none := ParseCommand(nil)
	none.SetID("c2")
	assert.Empty(t, none.ID())
}

// FuzzParse: every view of whatever object there is holds, and the object stays one.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"container.json", "sandbox.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(`{"linux":{"namespaces":[{"type":"pid"},7,null],"seccomp":{"syscalls":[1]}},"process":7,"mounts":[[]]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := Parse(text)
		if err != nil {
			return
		}
		s := Spec{o}
		_, _, _, _ = s.IsSandbox(), s.SharesPID(), s.MountSources(), s.RootPath()
		s.JoinNamespace("pid", "/proc/1/ns/pid")
		s.AnswerSyscall("kill", 0)
		s.AddMountOption("/proc", "hidepid=2")
		s.SetReadOnlyRoot(false)
		s.Process().DropCapability("CAP_KILL")
		s.Process().SetEnv("A", "b")
		s.Process().SetUser(0, 0)
		edited, err := o.Bytes()
		require.NoError(t, err)
		assert.True(t, json.Valid(edited))
	})
}

func FuzzCommand(f *testing.F) {
	f.Add("--root /r create --bundle /b id")
	f.Add("exec -p")
	f.Add("- -- --= kill -a")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, " ")
		c := ParseCommand(args)
		assert.Equal(t, args, c.Args)
		c.SetID("x")
		assert.Len(t, c.Args, len(args))
	})
}
