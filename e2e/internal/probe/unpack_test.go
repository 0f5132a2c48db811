package probe

import (
	"fmt"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/assert/cmp"
)

// testArguments are those of the script of a test, as it prints them between two files.
const testArguments = "sh\x00-c\x00eval \"$S\"\x00" + observerName + "\x00" + testBoundary + "\x00"

// files is what cat prints of the files of one process.
func files(stat, status, cmdline, environ string) string {
	return strings.Join([]string{stat, status, cmdline, environ, ""}, testArguments)
}

func link(path, target string) string {
	return fmt.Sprintf("lrwxrwxrwx 1 root root 0 Mar  1 12:00 %s -> %s\n", path, target)
}

// TestReadAnswers: an answer about many processes becomes one about each of them.
func TestReadAnswers(t *testing.T) {
	s := new(stream).self(42).answer("self", "cmdline", testArguments, "", 0).process(42, 0, "sh", testArguments, "")
	s.answer("many", "files 1 7 8 9",
		files(stat(1, 0, "pause"), status("pause"), "/pause\x00", "")+
			files(stat(7, 0, ") S 9\nName:"), status(") S 9\nName:"), "sh\x00\n"+testBoundary+"\x00", "A=1\x00B=\n\x00")+
			files("", "", "", "")+
			files(stat(9, 7, "gone"), status("gone"), "", ""),
		"cat: /proc/1/environ: Permission denied\ncat: /proc/8/stat: No such file or directory\n"+
			"cat: can't open '/proc/8/status': No such file or directory\ncat: read error: No such process\n", 1)
	s.answer("many", "links 1 7 8 9",
		link("/proc/1/ns/pid", "pid:[4026532003]")+
			link("/proc/7/cwd", "/a\n"+strings.TrimSuffix(link("/proc/9/exe", "/forged"), "\n"))+link("/proc/7/exe", "/bin/sh -> x")+link("/proc/7/root", "/")+
			link("/proc/9/exe", "/bin/true")+link("/proc/99/exe", "/nobody/asked"),
		"ls: /proc/1/cwd: cannot read link: Permission denied\nls: cannot access '/proc/8/root': No such file or directory\n", 1)
	s.answer("many", "fd 1 7 8 9", "/proc/7/fd/:\n0\n1\n12\n\n/proc/9/fd/:\n", "ls: cannot open directory '/proc/1/fd/': Permission denied\n", 2)
	s.end()
	answers, err := ReadAnswers(testBoundary, s.stdout.Bytes(), s.stderr.Bytes())
	assert.NilError(t, err)
	out, messages, _ := strings.Cut(answers.Text(), RawText("", ""))
	got, err := parseSnapshot("shell", testBoundary, []byte(out), []byte(messages))
	assert.NilError(t, err)
	direct, err := s.parse()
	assert.NilError(t, err)
	assert.DeepEqual(t, got, direct)
	assert.Assert(t, !strings.Contains(out, "many"))

	assert.Equal(t, len(got.Processes), 4, "process 8 has ended meanwhile")
	p, _ := got.Process(1)
	assert.Equal(t, p.Environ.Errno, EACCES)
	assert.Equal(t, p.Cwd.Errno, EACCES)
	assert.Equal(t, p.FD.Errno, EACCES)
	assert.Equal(t, p.NSPID.Text, "pid:[4026532003]")
	assert.DeepEqual(t, p.Argv, []string{"/pause"})
	p, _ = got.Process(7)
	assert.Equal(t, p.Comm, ") S 9\nName:")
	assert.DeepEqual(t, p.Argv, []string{"sh", "\n" + testBoundary})
	assert.Equal(t, p.Environ.Text, "A=1\x00B=\n\x00")
	assert.Equal(t, p.Cwd.Text, "/a")
	assert.Equal(t, p.Exe.Text, "/bin/sh -> x")
	assert.Equal(t, p.FD.Text, "0\n1\n12\n")
	p, _ = got.Process(9)
	assert.Equal(t, p.Exe.Errno, Unknown, "two lines about one link: %+v", p.Exe)
	assert.Equal(t, p.Environ.Errno, ESRCH, "what cat could not go on to read is not empty")
	assert.Assert(t, p.FD.OK() && p.FD.Text == "")
}

func TestReadAnswersErrors(t *testing.T) {
	whole := files(stat(1, 0, "pause"), status("pause"), "/pause\x00", "")
	for name, row := range map[string]struct{ field, content, arguments, want string }{
		"nothing asked":      {"", "", testArguments, "names no process"},
		"no process":         {"files", whole, testArguments, "names no process"},
		"not a number":       {"files 1 x", whole, testArguments, `"x" is no process`},
		"something else":     {"maps 1", whole, testArguments, "nobody asked"},
		"not in /proc":       {"files 1", whole, "", "does not see itself"},
		"another's /proc":    {"files 1", whole, "sh\x00-c\x00", "does not see itself"},
		"a process too few":  {"files 1 2", whole, testArguments, "4 files of 2 processes are 4"},
		"a process too many": {"files 1", whole + whole, testArguments, "4 files of 1 processes are 8"},
		"the end is missing": {"files 1", strings.TrimSuffix(whole, testArguments), testArguments, "are 3"},
		"it goes on":         {"files 1", whole + "x", testArguments, "are 4"},
		// Whoever copies the script's arguments can make an observation unreadable, and forge none.
		"the arguments within": {"files 1", files(stat(1, 0, "a"), status("a"), testArguments, ""), testArguments, "are 5"},
	} {
		s := new(stream).self(42).answer("self", "cmdline", row.arguments, "", 0).process(42, 0, "sh", testArguments, "").
			answer("many", row.field, row.content, "", 0).end()
		_, err := ReadAnswers(testBoundary, s.stdout.Bytes(), s.stderr.Bytes())
		assert.Check(t, cmp.ErrorContains(err, row.want), name)
		_, err = s.parse()
		assert.Check(t, err != nil, name)
	}
}

// FuzzReadAnswers: what a process is called and says comes back byte by byte, and nothing of it is
// taken for another's.
func FuzzReadAnswers(f *testing.F) {
	f.Add("nginx", "nginx\x00-g\x00", "SECRET=x\x00", "/srv")
	f.Add(") S 1 (\nName:", "-c\nx", "\n\n\x00\xff", "/a\nlrwxrwxrwx 1 root root 0 Mar  1 12:00 /proc/8/exe -> /forged")
	f.Add("\n"+testBoundary+" self end\n", observerName, testBoundary, "\n/proc/8/fd/:\n0")
	f.Fuzz(func(t *testing.T, comm, cmdline, environ, cwd string) {
		if strings.Contains(comm, "\x00") || strings.Contains(cwd, "\x00") {
			return // no kernel says so
		}
		for _, text := range []string{comm, cmdline, environ, cwd} {
			if strings.Contains("\n"+text, "\n"+testBoundary+" ") || strings.Contains(text, testBoundary+"\x00") {
				return // nobody can know a random boundary
			}
		}
		s := new(stream).self(42).answer("self", "cmdline", testArguments, "", 0).process(42, 0, "sh", testArguments, "").
			answer("many", "files 7 8", files(stat(7, 0, comm), status(comm), cmdline, environ)+files(stat(8, 7, "other"), status("other"), "other\x00", "B=2\x00"), "", 0).
			answer("many", "links 7 8", link("/proc/7/cwd", cwd)+link("/proc/7/root", "/")+link("/proc/8/exe", "/bin/other"), "", 0).
			answer("many", "fd 7 8", "/proc/7/fd/:\n0\n\n/proc/8/fd/:\n1\n", "", 0).end()
		got, err := s.parse()
		if err != nil {
			t.Fatal(err)
		}
		p, _ := got.Process(7)
		other, _ := got.Process(8)
		switch {
		case len(got.Processes) != 3 || p.Comm != comm || p.Environ.Text != environ || strings.Join(p.Argv, "\x00") != strings.TrimRight(cmdline, "\x00"):
			t.Fatalf("misread: %+v", got.Processes)
		case other.Comm != "other" || other.Environ.Text != "B=2\x00" || other.FD.Text != "1\n" || other.Exe.Text != "/bin/other" && other.Exe.Errno != Unknown:
			t.Fatalf("another's: %+v", other)
		}
	})
}
