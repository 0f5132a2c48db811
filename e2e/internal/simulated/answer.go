// Package simulated plays a cluster of many nodes on one machine: their kubelet, which answers the
// observation script from recordings, the nodes themselves, and a control plane without anything else.
//
// It shows what a large cluster asks of the suite: requests, memory, reports. Of a container runtime it
// shows nothing, for none is there; a run on such nodes has no verdict (suite.Target.Simulated).
package simulated

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"procns/e2e/internal/probe"
)

// answer is what the observation script writes.
type answer struct{ stdout, stderr strings.Builder }

// observed is what the script would have written where it saw the snapshot: probe.ReadAnswers reads
// the same out of it. Its error names what a snapshot does not hold enough of: a file that was not looked
// for when it was recorded, or one that is no text.
func observed(s *probe.Snapshot, boundary string, paths []string) (stdout, stderr string, err error) {
	if s.Failure != "" {
		return "", "", fmt.Errorf("container %s was not observed: %s", s.Container, s.Failure)
	}
	var a answer
	put := func(subject, field string, content, message string) {
		code := 0
		if message != "" {
			code = 1
			message += "\n"
		}
		fmt.Fprintf(&a.stdout, "\n%s %s %s\n%s\n%[1]s = %[5]d\n", boundary, subject, field, content, code)
		fmt.Fprintf(&a.stderr, "\n%s %s %s\n%s\n%[1]s = %[5]d\n", boundary, subject, field, message, code)
	}
	files := func(subject string, have map[string]probe.Access) error {
		for _, path := range paths {
			found, ok := have[path]
			if !ok || found.Digest != "" {
				return fmt.Errorf("container %s: %s of %s is not in the recording", s.Container, path, subject)
			}
			put(subject, "file "+path, found.Text, found.Message)
		}
		return nil
	}

	put("self", "pid", fmt.Sprintln(s.Self), "")
	var links strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(s.Namespaces)) {
		links.WriteString(link(s.Self, "ns/"+kind, fmt.Sprintf("%s:[%d]", kind, s.Namespaces[kind])))
	}
	put("self", "namespaces", links.String(), "")
	put("self", "label", s.Label, "")
	put("self", "label_of_pid1", s.LabelOfPID1, "")
	put("self", "uid_map", s.UIDMap+"\n", "")
	put("self", "mounts", "proc /proc proc "+s.ProcMount+" 0 0\n", "")
	put("self", "kernel", s.Kernel.BootID+"\n"+s.Kernel.Release+"\n", "")
	put("self", "boot_time", fmt.Sprintf("btime %d\n", s.Kernel.BootTime), "")
	if err := files("self", s.Files); err != nil {
		return "", "", err
	}
	for _, p := range s.Processes {
		pid := fmt.Sprint(p.PID)
		put(pid, "process", stat(p)+status(p), "")
		put(pid, "cmdline", nulTerminated(p.Argv), p.Cmdline.Message)
		put(pid, "environ", p.Environ.Text, p.Environ.Message)
		listing, refused := linksOf(p)
		put(pid, "links", listing, refused)
		put(pid, "fd", p.FD.Text, p.FD.Message)
		if err := files(pid, p.Files); err != nil {
			return "", "", err
		}
	}
	put("self", "end", "", "")
	return a.stdout.String(), a.stderr.String(), nil
}

// link is a line of ls -l about a link of a process.
func link(pid int, name, target string) string {
	return fmt.Sprintf("lrwxrwxrwx    1 root     root             0 Jan  1 00:00 /proc/%d/%s -> %s\n", pid, name, target)
}

// linksOf are ls's listing of a process's links, and its messages about those that were refused.
func linksOf(p probe.Process) (listing, refused string) {
	var messages []string
	for _, l := range []struct {
		name string
		to   probe.Access
	}{{"cwd", p.Cwd}, {"exe", p.Exe}, {"ns/pid", p.NSPID}, {"root", p.Root}} {
		switch {
		case l.to.OK():
			listing += link(p.PID, l.name, l.to.Text)
		case l.to.Errno != probe.Unknown: // of one that nothing was said about, nothing is said
			messages = append(messages, l.to.Message)
		}
	}
	return listing, strings.Join(messages, "\n")
}

// stat is the line of /proc/PID/stat, with the fields that the suite reads (proc(5)) and zeros in the others.
func stat(p probe.Process) string {
	const between = 21 - 4 // those behind the parent and before the start time
	return fmt.Sprintf("%d (%s) %s %d%s %d 0\n", p.PID, p.Comm, p.State, p.PPID, strings.Repeat(" 0", between), p.StartTime)
}

// status are the lines of /proc/PID/status that the suite reads.
func status(p probe.Process) string {
	lines := []string{"Name:\t" + strings.ReplaceAll(p.Comm, "\n", `\n`), fmt.Sprintf("Uid:\t%d\t%[1]d\t%[1]d\t%[1]d", p.UID)}
	for _, l := range []struct{ name, value string }{
		{"CapPrm", p.CapPrm}, {"CapEff", p.CapEff}, {"SigCgt", p.SigCgt}, {"Seccomp", p.Seccomp},
	} {
		if l.value != "" {
			lines = append(lines, l.name+":\t"+l.value)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func nulTerminated(argv []string) string {
	if len(argv) == 0 {
		return ""
	}
	return strings.Join(argv, "\x00") + "\x00"
}
