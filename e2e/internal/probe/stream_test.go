package probe

import (
	"bytes"
	"fmt"
)

const (
	testBoundary = "procns-0123456789abcdef"
	testBootID   = "0b7c5e1f-2f3a-4f7e-9d58-0123456789ab"
)

// stream builds the two streams of one observation as the script writes them.
type stream struct{ stdout, stderr bytes.Buffer }

func (s *stream) answer(subject, field, stdout, stderr string, code int) *stream {
	for out, text := range map[*bytes.Buffer]string{&s.stdout: stdout, &s.stderr: stderr} {
		fmt.Fprintf(out, "\n%s %s %s\n%s\n%s = %d\n", testBoundary, subject, field, text, testBoundary, code)
	}
	return s
}

// self writes what every observation begins with.
func (s *stream) self(pid int) *stream {
	listing := ""
	for i, name := range []string{"ipc", "mnt", "net", "pid", "user", "uts"} {
		listing += fmt.Sprintf("lrwxrwxrwx 1 root root 0 Mar  1 12:00 /proc/%d/ns/%s -> %s:[%d]\n", pid, name, name, 4026532000+i)
	}
	return s.answer("self", "pid", fmt.Sprintln(pid), "", 0).
		answer("self", "namespaces", listing, "", 0).
		answer("self", "label", "unconfined\n", "", 0).
		answer("self", "label_of_pid1", "system_u:system_r:container_t:s0:c1,c2\x00", "", 0).
		answer("self", "uid_map", "         0          0 4294967295\n", "", 0).
		answer("self", "kernel", testBootID+"\n6.18.44-generic\n", "", 0).
		answer("self", "boot_time", "btime 1795900000\n", "", 0).
		answer("self", "mounts", "proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\ntmpfs /tmp tmpfs rw 0 0\n", "", 0)
}

// process writes the answers about a process that may be read.
func (s *stream) process(pid, ppid int, comm, cmdline, environ string) *stream {
	subject := fmt.Sprint(pid)
	links := ""
	for _, link := range [][2]string{{"cwd", "/srv"}, {"exe", "/usr/sbin/nginx"}, {"ns/pid", "pid:[4026532003]"}, {"root", "/"}} {
		links += fmt.Sprintf("lrwxrwxrwx 1 root root 0 Mar  1 12:00 /proc/%d/%s -> %s\n", pid, link[0], link[1])
	}
	return s.answer(subject, "process", stat(pid, ppid, comm)+status(comm), "", 0).
		answer(subject, "cmdline", cmdline, "", 0).
		answer(subject, "environ", environ, "", 0).
		answer(subject, "links", links, "", 0).
		answer(subject, "fd", "0\n1\n2\n", "", 0)
}

func (s *stream) end() *stream { return s.answer("self", "end", "", "", 0) }

func (s *stream) parse() (*Snapshot, error) {
	return parseSnapshot("shell", testBoundary, s.stdout.Bytes(), s.stderr.Bytes())
}

// stat is the one line of /proc/PID/stat, which repeats comm as it is.
func stat(pid, ppid int, comm string) string {
	return fmt.Sprintf("%d (%s) S %d 7 7 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 %d 1000 200 0\n", pid, comm, ppid, 5000+pid)
}

// status is /proc/PID/status, in which the kernel escapes the name's line
// breaks and backslashes.
func status(comm string) string {
	name := bytes.ReplaceAll([]byte(comm), []byte(`\`), []byte(`\\`))
	name = bytes.ReplaceAll(name, []byte("\n"), []byte(`\n`))
	return "Name:\t" + string(name) + "\nUmask:\t0022\nState:\tS (sleeping)\nUid:\t101\t101\t101\t101\nGid:\t0\t0\t0\t0\n" +
		"SigCgt:\t0000000180014a07\nCapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n" +
		"NoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n"
}

// parseSnapshot reads the two streams of one run of the observation script.
func parseSnapshot(container, boundary string, stdout, stderr []byte) (*Snapshot, error) {
	answers, err := ReadAnswers(boundary, stdout, stderr)
	if err != nil {
		return nil, err
	}
	return answers.Snapshot(container)
}
