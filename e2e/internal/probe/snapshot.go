// Package probe observes: it runs one script in a container, parses what the
// script saw into a Snapshot, and carries exec and attach to the API server.
package probe

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Errno is the symbolic name of the error a system call ended with, such as
// EACCES. It is empty where the call succeeded, and "EUNKNOWN" where the
// message named none that we know.
type Errno string

// The errors that the rules of /proc, kill(2) and ptrace(2) distinguish.
const (
	EACCES  Errno = "EACCES"
	EPERM   Errno = "EPERM"
	ENOENT  Errno = "ENOENT"
	ESRCH   Errno = "ESRCH"
	EAGAIN  Errno = "EAGAIN"
	Unknown Errno = "EUNKNOWN"
)

// Access is the result of one attempt to read something: its text, or the
// errno it was refused with. Of what is no text (UTF-8), Text holds the head
// only, and Digest the SHA-256 of all of it.
type Access struct {
	Text    string `json:"text,omitempty"`
	Digest  string `json:"digest,omitempty"`
	Errno   Errno  `json:"errno,omitempty"`
	Message string `json:"message,omitempty"`
	// Cut says that there is more of a file than was read, or may be.
	Cut bool `json:"cut,omitempty"`
}

// OK tells whether the attempt succeeded.
func (a Access) OK() bool { return a.Errno == "" }

// SHA256 is the hexadecimal digest of what was read.
func (a Access) SHA256() string {
	if a.Digest != "" {
		return a.Digest
	}
	sum := sha256.Sum256([]byte(a.Text))
	return hex.EncodeToString(sum[:])
}

func (a Access) String() string {
	if a.OK() {
		return "ok"
	}
	return string(a.Errno)
}

// Process is one row of a container's /proc, with what the observing container
// may open of it. PIDs are those of the observer's PID namespace.
type Process struct {
	PID       int      `json:"pid"`
	PPID      int      `json:"ppid"`
	Comm      string   `json:"comm"`
	State     string   `json:"state"`
	StartTime uint64   `json:"startTime"` // clock ticks since boot: stat's field 22
	UID       int      `json:"uid"`       // real user ID
	CapEff    string   `json:"capEff,omitempty"`
	CapPrm    string   `json:"capPrm,omitempty"`
	SigCgt    string   `json:"sigCgt,omitempty"`
	Seccomp   string   `json:"seccomp,omitempty"` // mode: "1" strict, "2" a filter; empty: none
	Argv      []string `json:"argv"`
	// Observer marks our own observation script and its children.
	Observer bool `json:"observer,omitempty"`
	// Foreign marks a process that is not the suite's own: see Redact.
	Foreign bool `json:"foreign,omitempty"`

	Cmdline Access            `json:"cmdline"` // Text is empty: see Argv
	Environ Access            `json:"environ"` // entries are NUL-separated
	Root    Access            `json:"root"`
	Cwd     Access            `json:"cwd"`
	Exe     Access            `json:"exe"`
	NSPID   Access            `json:"nsPid"`
	FD      Access            `json:"fd"`
	Files   map[string]Access `json:"files,omitempty"` // by path below /proc/PID/root
}

// Identity distinguishes a process from another one that was given the same
// PID later: PIDs are recycled, start times are not.
type Identity struct {
	PID       int
	StartTime uint64
}

// Identity returns the process's PID together with its start time.
func (p Process) Identity() Identity { return Identity{p.PID, p.StartTime} }

func (i Identity) String() string { return fmt.Sprintf("%d (started at tick %d)", i.PID, i.StartTime) }

// Command is the command line in one line, as ps prints it: with a question
// mark for each control character, so that no argument can forge a row.
func (p Process) Command() string {
	command := strings.TrimSpace(strings.Join(p.Argv, " "))
	if len(p.Argv) == 0 {
		command = "[" + p.Comm + "]"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, command)
}

// Shown is the command line as tables show it: of the observation itself, and of what is
// not the suite's own, no more than that.
func (p Process) Shown() string {
	command := p.Command()
	if p.Observer {
		command = "(procns observing)"
	}
	if p.Foreign && len(p.Argv) == 0 {
		command += " " + NotKept
	}
	return command
}

// Has tells whether marker is one of the process's arguments, or part of one.
// Markers are random for each run, so that a match is no coincidence.
func (p Process) Has(marker string) bool {
	return slices.ContainsFunc(p.Argv, func(arg string) bool { return strings.Contains(arg, marker) })
}

// Snapshot is all that one container could observe at one moment.
type Snapshot struct {
	Container   string            `json:"container"`
	Self        int               `json:"self"`                  // PID of the observing script
	Namespaces  map[string]uint64 `json:"namespaces,omitempty"`  // inode by kind: pid, net, ipc, uts, mnt, user; of one kernel
	Kernel      Kernel            `json:"kernel,omitzero"`       // the one that the container runs under
	Label       string            `json:"label,omitempty"`       // LSM label of an exec'd process
	LabelOfPID1 string            `json:"labelOfPid1,omitempty"` // LSM label of PID 1
	UIDMap      string            `json:"uidMap,omitempty"`
	ProcMount   string            `json:"procMount,omitempty"` // options /proc is mounted with
	Files       map[string]Access `json:"files,omitempty"`     // by path in the container's own root
	Processes   []Process         `json:"processes"`
	// Failure says why the container could not be observed; then all else is
	// empty. An image without a shell is observed through its siblings only.
	Failure string `json:"failure,omitempty"`
	// NoShell says that the failure is the image's: it holds no shell to run.
	NoShell bool `json:"noShell,omitempty"`
	// Cut says that the failure is the connection's, and not the container's.
	Cut bool `json:"cut,omitempty"`
	// Took is how long the exec was under way; 0 where nobody measured it.
	Took time.Duration `json:"-"`
}

// Process returns the process that had this PID.
func (s *Snapshot) Process(pid int) (Process, bool) {
	return s.Find(func(p Process) bool { return p.PID == pid })
}

// Find returns the first process, by PID, that satisfies the condition. The
// observation's own processes are passed over.
func (s *Snapshot) Find(is func(Process) bool) (Process, bool) {
	all := s.All(is)
	if len(all) == 0 {
		return Process{}, false
	}
	return all[0], true
}

// All returns the processes that satisfy the condition, ordered by PID,
// without the observation's own.
func (s *Snapshot) All(is func(Process) bool) []Process {
	var found []Process
	for _, p := range s.Processes {
		if !p.Observer && is(p) {
			found = append(found, p)
		}
	}
	return found
}

// Mains returns the processes whose parent is outside the PID namespace: the
// first process of each container and of each exec (pid_namespaces(7):
// getppid() returns 0), and the namespace's own PID 1.
func (s *Snapshot) Mains() []Process {
	return s.All(func(p Process) bool { return p.PPID == 0 })
}

// before puts a mark before a text that is there.
func before(mark, text string) string {
	if text == "" {
		return ""
	}
	return mark + text
}

// Table prints the process table as a reader of ps expects it, with the columns
// that the rules of visibility and signals turn on.
func (s *Snapshot) Table() string {
	if s == nil {
		return "(not observed)\n"
	}
	if s.Failure != "" {
		return "(could not be observed: " + s.Failure + ")\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "seen from container %q, pid namespace %d%s:\n", s.Container, s.Namespaces["pid"], before(" of kernel ", s.Kernel.String())+before(", ", s.Confinement())+before(", /proc with ", s.HidePID()))
	fmt.Fprintf(&b, "  %5s %5s %5s %s %10s  %-7s %-7s %s\n", "PID", "PPID", "UID", "S", "START", "ENVIRON", "ROOT", "COMMAND")
	for _, p := range s.Processes {
		command := p.Shown()
		if runes := []rune(command); len(runes) > 90 {
			command = string(runes[:87]) + "..."
		}
		fmt.Fprintf(&b, "  %5d %5d %5d %s %10d  %-7s %-7s %s\n", p.PID, p.PPID, p.UID, p.State, p.StartTime, p.Environ, p.Root, command)
	}
	return b.String()
}
