package probe

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/assert/cmp"
)

func TestParseSnapshot(t *testing.T) {
	binary := "\x7fELF\xff\xfe" + strings.Repeat("x", 1000)
	s := new(stream).self(42).answer("self", "file /etc/hostname", "pod\n", "", 0)
	s.process(1, 0, "pause", "/pause\x00", "")
	s.process(7, 0, "nginx", "nginx: master process nginx\x00\x00\x00", "A=1\x00B=2\x00").
		answer("7", "file /etc/hostname", "\x00\u00e4\n\n", "", 0).
		answer("7", "file /bin/sh", binary, "", 0).
		answer("7", "file /none", "", "head: /proc/7/root/none: No such file or directory\n", 1)
	s.process(8, 7, "nginx", "\xff\x00"+strings.Repeat("a", 100)+"\x00marker\x00", "A=\xff\x00"+strings.Repeat("b", 100)+"=marker\x00")
	s.process(42, 0, "sh", "sh\x00-c\x00script\x00"+observerName+"\x00"+testBoundary+"\x00", "")
	s.process(43, 42, "cat", "cat\x00", "")
	s.answer("44", "process", "", "cat: /proc/44/stat: No such file or directory\n", 1).
		answer("44", "cmdline", "", "cat: /proc/44/cmdline: No such file or directory\n", 1)
	got, err := s.end().parse()
	assert.NilError(t, err)

	assert.Equal(t, got.Container, "shell")
	assert.Equal(t, got.Self, 42)
	assert.Equal(t, got.Namespaces["pid"], uint64(4026532003))
	assert.Equal(t, len(got.Namespaces), 6)
	assert.Equal(t, got.Label, "unconfined")
	assert.Equal(t, got.LabelOfPID1, "system_u:system_r:container_t:s0:c1,c2")
	assert.Equal(t, got.UIDMap, "0 0 4294967295")
	assert.Equal(t, got.Kernel, Kernel{BootID: testBootID, Release: "6.18.44-generic", BootTime: 1795900000})
	assert.Equal(t, got.ProcMount, "rw,nosuid,nodev,noexec,relatime")
	assert.Equal(t, got.Files["/etc/hostname"].Text, "pod\n")

	assert.Equal(t, len(got.Processes), 5, "a process that ended meanwhile is left out")
	nginx, ok := got.Process(7)
	assert.Assert(t, ok)
	assert.DeepEqual(t, nginx.Argv, []string{"nginx: master process nginx"})
	assert.Equal(t, nginx.Identity(), Identity{7, 5007})
	assert.Equal(t, nginx.UID, 101)
	assert.Equal(t, nginx.State, "S")
	assert.Equal(t, nginx.CapEff, "00000000a80425fb")
	assert.Equal(t, nginx.CapPrm, "00000000a80425fb")
	assert.Equal(t, nginx.SigCgt, "0000000180014a07")
	assert.Equal(t, nginx.Seccomp, "2")
	assert.Assert(t, got.Seccomp())
	assert.Equal(t, nginx.Environ.Text, "A=1\x00B=2\x00")
	assert.Equal(t, nginx.Root.Text, "/")
	assert.Equal(t, nginx.Exe.Text, "/usr/sbin/nginx")
	assert.Equal(t, nginx.Cwd.Text, "/srv")
	assert.Equal(t, nginx.NSPID.Text, "pid:[4026532003]")
	assert.Equal(t, nginx.FD.Text, "0\n1\n2\n")
	assert.Equal(t, nginx.Files["/etc/hostname"].Text, "\x00\u00e4\n\n", "text keeps its exact bytes")
	assert.Equal(t, nginx.Files["/bin/sh"].Text, "\x7fELF?"+strings.Repeat("x", 58), "what is no text is kept as its head")
	assert.Equal(t, nginx.Files["/bin/sh"].SHA256(), Access{Text: binary}.SHA256(), "the digest is of the exact bytes")
	worker, ok := got.Process(8)
	assert.Assert(t, ok)
	assert.DeepEqual(t, worker.Argv, []string{"\xff", strings.Repeat("a", 100), "marker"})
	assert.Equal(t, worker.Environ.Text, "A=\xff\x00"+strings.Repeat("b", 100)+"=marker\x00", "no byte hides what stands behind it")
	assert.Equal(t, nginx.Files["/none"].Errno, ENOENT)

	for pid, observer := range map[int]bool{1: false, 7: false, 42: true, 43: true} {
		for _, p := range got.Processes {
			if p.PID == pid {
				assert.Equal(t, p.Observer, observer, "PID %d", pid)
			}
		}
	}
	assert.Equal(t, len(got.Mains()), 2)
}

func TestParseSnapshotErrors(t *testing.T) {
	whole := func() *stream {
		return new(stream).self(42).process(42, 0, "sh", "sh\x00", "")
	}
	for name, row := range map[string]struct {
		s    *stream
		want string
	}{
		"empty":            {new(stream), "the observation is empty"},
		"no end":           {whole(), `cut short behind "42 fd"`},
		"no self":          {new(stream).process(42, 0, "sh", "", "").end(), "does not say who observed"},
		"not in /proc":     {new(stream).self(41).process(42, 0, "sh", "", "").end(), "the observer (PID 41) does not see itself"},
		"own PID":          {new(stream).answer("self", "pid", "x", "", 0).end(), "own PID"},
		"namespaces":       {new(stream).answer("self", "pid", "5", "", 0).answer("self", "namespaces", "l /proc/5/ns/pid -> pid", "", 0).end(), "not a namespace link"},
		"no name":          {whole().answer("9", "process", "9 sh S 1", "", 0).end(), "status does not follow stat"},
		"no parentheses":   {whole().answer("9", "process", "9 sh S 1"+"\n"+status("sh"), "", 0).end(), "no command name"},
		"few fields":       {whole().answer("9", "process", "9 (sh) S 1 2 3\n"+status("sh"), "", 0).end(), "fields behind the name"},
		"PID":              {whole().answer("9", "process", "x"+stat(9, 1, "sh")+status("sh"), "", 0).end(), "stat: PID"},
		"other process":    {whole().answer("9", "process", stat(8, 1, "sh")+status("sh"), "", 0).end(), "stat is that of process 8"},
		"parent":           {whole().answer("9", "process", strings.Replace(stat(9, 1, "sh"), "S 1", "S x", 1)+status("sh"), "", 0).end(), "stat: parent"},
		"start time":       {whole().answer("9", "process", strings.Replace(stat(9, 1, "sh"), "5009", "-1", 1)+status("sh"), "", 0).end(), "stat: start time"},
		"Uid":              {whole().answer("9", "process", stat(9, 1, "sh")+strings.Replace(status("sh"), "Uid:\t101", "Uid:\troot", 1), "", 0).end(), "status: Uid"},
		"no Uid":           {whole().answer("9", "process", stat(9, 1, "sh")+"Name:\tsh\n", "", 0).end(), "names no Uid"},
		"short stdout":     {cut(whole().end(), 3, 0), "not closed by its exit code"},
		"short stderr":     {cut(whole().end(), 0, 3), "standard error: "},
		"within a heading": {cut(new(stream).answer("self", "pid", "", "", 0), 0, 0), "cut short behind"},
	} {
		got, err := row.s.parse()
		assert.Check(t, cmp.ErrorContains(err, row.want), name)
		assert.Check(t, got == nil, name)
	}
}

// cut takes bytes off the ends of the streams.
func cut(s *stream, stdout, stderr int) *stream {
	s.stdout.Truncate(s.stdout.Len() - stdout)
	s.stderr.Truncate(s.stderr.Len() - stderr)
	return s
}

// TestParseSnapshotCutAnywhere: no beginning of an observation passes for one.
func TestParseSnapshotCutAnywhere(t *testing.T) {
	s := new(stream).self(42).process(1, 0, "pause", "/pause\x00", "").process(42, 0, "sh", "sh\x00", "").end()
	_, err := s.parse()
	assert.NilError(t, err)
	for n := range s.stdout.Len() {
		_, err := parseSnapshot("shell", testBoundary, s.stdout.Bytes()[:n], s.stderr.Bytes())
		assert.Assert(t, err != nil, "standard output of %d bytes passed", n)
	}
	for n := range s.stderr.Len() {
		_, err := parseSnapshot("shell", testBoundary, s.stdout.Bytes(), s.stderr.Bytes()[:n])
		assert.Assert(t, err != nil, "standard error of %d bytes passed", n)
	}
}

func TestSplitFrames(t *testing.T) {
	const b = testBoundary
	end := "\n" + b + " self end\n\n" + b + " = 0\n"
	for name, row := range map[string]struct {
		stream, want string
	}{
		"heading without field":  {"\n" + b + " self\n\n" + b + " = 0\n" + end, `unexpected heading "self"`},
		"closing without answer": {"\n" + b + " = 0\n" + end, "unexpected heading"},
		"no process":             {"\n" + b + " 4\xb2 links\n\n" + b + " = 0\n" + end, `unexpected heading "4\xb2 links"`},
		"process 0":              {"\n" + b + " 0 links\n\n" + b + " = 0\n" + end, "unexpected heading"},
		"PID in another form":    {"\n" + b + " 07 links\n\n" + b + " = 0\n" + end, "unexpected heading"},
		"no line":                {"\n" + b + " self pid", "cut short in a heading"},
		"answer in an answer":    {"\n" + b + " self pid\n\n" + b + " self pid\n" + end, "not closed by its exit code"},
		"no number":              {"\n" + b + " self pid\n\n" + b + " = one\n" + end, "exit code"},
	} {
		_, err := splitFrames(b, []byte(row.stream))
		assert.Check(t, cmp.ErrorContains(err, row.want), name)
	}

	// The boundary alone, or another one, is contents like any other.
	content := "\n" + b + "\n" + b + "x \nprocns-ffff self pid\n" + b + "\n"
	frames, err := splitFrames(b, []byte("sh: warning\n"+"\n"+b+" 7 file /a b\n"+content+"\n"+b+" = 3\nnoise"+end))
	assert.NilError(t, err)
	assert.Equal(t, len(frames), 2)
	assert.Equal(t, frames[0].subject, "7")
	assert.Equal(t, frames[0].field, "file /a b")
	assert.Equal(t, string(frames[0].stdout), content)
	assert.Equal(t, frames[0].code, 3)
}

func TestReadStatusOfEvilNames(t *testing.T) {
	for _, comm := range []string{
		"", " ", ")", "(", ") S 1 (", "a) R 1 2 3", "\n", "\nName:", "\nName:\tx\nUid:\t0", `\`, "\\n", ") S 9\nName:\t", "\xff\xfe", "Uid:\t0",
	} {
		var p Process
		assert.NilError(t, p.readStatus([]byte(stat(77, 3, comm)+status(comm))), "%q", comm)
		assert.Equal(t, p.Comm, comm)
		assert.Equal(t, p.PID, 77)
		assert.Equal(t, p.PPID, 3)
		assert.Equal(t, p.StartTime, uint64(5077))
		assert.Equal(t, p.UID, 101)
		assert.Equal(t, p.State, "S")
	}
}

func TestErrnoOf(t *testing.T) {
	for message, want := range map[string]Errno{
		"cat: /proc/1/environ: Permission denied\n":                       EACCES,
		"ls: cannot read symbolic link '/proc/1/root': Permission denied": EACCES,
		"sh: can't kill pid 1: Operation not permitted":                   EPERM,
		"kill: (1) - Operation not permitted ":                            EPERM,
		"head: cannot open '/proc/9/root/x' for reading: No such process": ESRCH,
		"cat: can't open '/none': No such file or directory":              ENOENT,
		"cat: /x: Permission denied\ncat: /y: No such file or directory":  ENOENT,
		"sh: can't fork: Resource temporarily unavailable":                EAGAIN,
		"cat: '/Permission denied/x': Input/output error":                 Unknown,
		"": Unknown,
	} {
		assert.Equal(t, ErrnoOf(message), want, "%q", message)
	}
}

func TestLinks(t *testing.T) {
	listing := "lrwxrwxrwx    1 root     root             0 Mar  1 12:00 /proc/7/cwd -> /srv/with -> arrow\n" +
		"lrwxrwxrwx    1 root     root             0 Mar  1 12:00 /proc/7/exe\n" +
		"lrwxrwxrwx    1 root     root             0 Mar  1 12:00 /proc/77/root -> /other\n" +
		"lrwxrwxrwx    1 root     root             0 Mar  1 12:00 /proc/7/ns/pid -> pid:[4026531836]\n" +
		"total 0\n"
	assert.DeepEqual(t, links(listing, "/proc/7/"), map[string]string{"cwd": "/srv/with -> arrow", "ns/pid": "pid:[4026531836]"})
	assert.DeepEqual(t, links("", "/proc/7/"), map[string]string{})
}

func TestLinkAccess(t *testing.T) {
	messages := "ls: cannot read symbolic link '/proc/17/exe': Permission denied\n" +
		"ls: /proc/7/root: cannot read link: Permission denied\n" +
		"ls: cannot access '/proc/7/cwd': No such file or directory\n"
	messages += "ls: /proc/7/ns/pid_for_children: cannot read link: Permission denied\n"
	targets := map[string]string{"exe": "/bin/sh"}
	for name, want := range map[string]Errno{"exe": "", "root": EACCES, "cwd": ENOENT, "ns/pid": Unknown, "ns/pid_for_children": EACCES} {
		got := linkAccess("/proc/7/"+name, name, targets, messages)
		assert.Equal(t, got.Errno, want, name)
	}

	// A directory named with a line break forges a line of ls's listing.
	s := new(stream).self(42).process(42, 0, "sh", "sh\x00", "").
		answer("7", "process", stat(7, 1, "evil")+status("evil"), "", 0).
		answer("7", "links", "lrwxrwxrwx 1 a a 0 Mar 1 12:00 /proc/7/cwd -> /tmp/x\nl /proc/7/exe -> /usr/sbin/nginx\n",
			"ls: cannot read symbolic link '/proc/7/exe': Permission denied\n", 1).end()
	got, err := s.parse()
	assert.NilError(t, err)
	p, _ := got.Process(7)
	assert.Equal(t, p.Exe.Errno, EACCES)
}

func TestNamespaceInode(t *testing.T) {
	inode, err := namespaceInode("pid_for_children:[4026531836]")
	assert.NilError(t, err)
	assert.Equal(t, inode, uint64(4026531836))
	for _, target := range []string{"", "pid", "pid:[]", "pid:[x]", "pid:[1]x", "/pid:[1]", "pid:[99999999999999999999]"} {
		_, err := namespaceInode(target)
		assert.Assert(t, err != nil, "%q", target)
	}
}

func TestTableHoldsOneLineForEachProcess(t *testing.T) {
	s := new(stream).self(42).process(42, 0, "sh", "sh\x00", "").
		process(7, 1, "evil", "x\n      1     0     0 S  /pause\x00\x1b[2J\x00"+strings.Repeat("ä", 100)+"\x00", "").end()
	got, err := s.parse()
	assert.NilError(t, err)
	assert.Equal(t, strings.Count(got.Table(), "\n"), 2+len(got.Processes), got.Table())
	assert.Assert(t, !strings.ContainsAny(got.Table(), "\x1b\ufffd"))
	assert.Equal(t, (*Snapshot)(nil).Table(), "(not observed)\n")
}

// FuzzParseSnapshot: whatever arrives, a snapshot is well-formed or refused.
func FuzzParseSnapshot(f *testing.F) {
	s := new(stream).self(42).process(1, 0, "pause", "/pause\x00", "").process(42, 0, "sh", "sh\x00", "").
		answer("9", "process", "", "cat: /proc/9/stat: No such process\n", 1).end()
	f.Add(s.stdout.Bytes(), s.stderr.Bytes())
	s = new(stream).self(5).process(5, 0, ") S 9\nName:", "", "").end()
	f.Add(s.stdout.Bytes(), s.stderr.Bytes())
	f.Add([]byte("\n"+testBoundary+" self pid\n5\n"), []byte{})
	// A PID that is not UTF-8: once, a regular expression was made of it.
	s = new(stream).self(42).process(42, 0, "sh", "sh\x00", "").answer("4\xb2", "links", "", "ls: x\n", 1).end()
	f.Add(s.stdout.Bytes(), s.stderr.Bytes())
	gvisor, errOut := os.ReadFile("testdata/gvisor.stdout")
	messages, errErr := os.ReadFile("testdata/gvisor.stderr")
	if errOut != nil || errErr != nil {
		f.Fatal(errOut, errErr)
	}
	f.Add(gvisor, messages)
	f.Fuzz(func(t *testing.T, stdout, stderr []byte) {
		got, err := parseSnapshot("shell", testBoundary, stdout, stderr)
		if err != nil {
			if got != nil || err.Error() == "" {
				t.Fatalf("refused without a reason, or with half a snapshot: %v", got)
			}
			return
		}
		before, self := 0, false
		for _, p := range got.Processes {
			if p.PID <= before {
				t.Fatalf("PID %d follows %d", p.PID, before)
			}
			before = p.PID
			if p.PID == got.Self {
				self = p.Observer
			}
		}
		if !self || got.Namespaces["pid"] == 0 || got.Failure != "" {
			t.Fatalf("accepted, but incomplete: %+v", got)
		}
		if k := got.Kernel; k.BootID != "" && len(k.BootID) != 36 || strings.ContainsAny(k.String(), "\n\x1b\x00") || k.BootID != "" && k.Beside(k) != OneKernel {
			t.Fatalf("no kernel: %q", k)
		}
		if lines := strings.Count(got.Table(), "\n"); lines != 2+len(got.Processes) {
			t.Fatalf("%d lines for %d processes", lines, len(got.Processes))
		}
	})
}

// FuzzSnapshotRoundTrip: what a process is called, says and stores comes back
// byte by byte; of what is no text, the digest does.
func FuzzSnapshotRoundTrip(f *testing.F) {
	f.Add(uint16(7), uint16(0), "nginx", "nginx: worker process", "SECRET=x\x00", "contents\n")
	f.Add(uint16(1), uint16(1), ") S 1 (\nName:", "-c\nx", "", "\n\n\x00\xff")
	f.Add(uint16(300), uint16(7), "\nUid:\t0", "", "\n"+testBoundary, "\r\n")
	f.Fuzz(func(t *testing.T, pid, ppid uint16, comm, arg, environ, contents string) {
		const self, path = 70000, "/etc/a file"
		arg = strings.ReplaceAll(arg, "\x00", "")
		if pid == 0 || strings.Contains(comm, "\x00") {
			return // no kernel says so
		}
		for _, text := range []string{comm, arg, environ, contents} {
			if strings.Contains("\n"+text, "\n"+testBoundary+" ") {
				return // nobody can know a random boundary
			}
		}
		field := fmt.Sprintf("file %s", path)
		s := new(stream).self(self).
			process(int(pid), int(ppid), comm, "argv0\x00"+arg+"\x00end\x00", environ).
			answer(fmt.Sprint(pid), field, contents, "", 0).
			process(self, 0, "sh", "sh\x00", "").
			answer("self", field, contents, "", 0).end()
		got, err := s.parse()
		if err != nil {
			t.Fatal(err)
		}
		p, ok := got.Process(int(pid))
		switch {
		case !ok || len(got.Processes) != 2:
			t.Fatalf("PID %d is not the one process besides the observer: %+v", pid, got.Processes)
		case p.PPID != int(ppid) || p.StartTime != uint64(5000+int(pid)) || p.UID != 101:
			t.Fatalf("misread: %+v", p)
		case p.Comm != comm:
			t.Fatalf("comm %q became %q", comm, p.Comm)
		case len(p.Argv) != 3 || p.Argv[1] != arg:
			t.Fatalf("argument %q became %q", arg, p.Argv)
		case p.Environ.Text != environ:
			t.Fatalf("environ %q became %q", environ, p.Environ.Text)
		case utf8.ValidString(contents) && (p.Files[path].Text != contents || got.Files[path].Text != contents):
			t.Fatalf("contents %q became %q and %q", contents, p.Files[path].Text, got.Files[path].Text)
		case p.Files[path].SHA256() != Access{Text: contents}.SHA256() || got.Files[path].SHA256() != Access{Text: contents}.SHA256():
			t.Fatal("digests differ")
		}
	})
}
