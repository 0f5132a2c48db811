package probe

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

//go:embed observe.sh
var observeScript string

// observerName is the script's argv[0], by which its processes are told from
// the workload's.
const observerName = "procns-observe"

// ObserveCommand is the command that observes from inside a container. The
// boundary must be random; paths are read in the container's own root and below
// every process's /proc/PID/root.
func ObserveCommand(boundary string, paths []string) []string {
	// The script is handed on in the environment: it asks for its own arguments again and again, and
	// these are short so.
	const begin = `S=$0; export S; exec sh -c 'eval "$S"' "$@"`
	return append([]string{"sh", "-c", begin, observeScript, observerName, boundary}, paths...)
}

// errnoTexts are strerror's texts; glibc, musl and uClibc agree on them.
var errnoTexts = map[string]Errno{
	"Permission denied":                EACCES,
	"Operation not permitted":          EPERM,
	"No such file or directory":        ENOENT,
	"No such process":                  ESRCH,
	"Resource temporarily unavailable": EAGAIN,
}

// ErrnoOf names the errno that a command's error message ends with.
func ErrnoOf(message string) Errno {
	message = strings.TrimSpace(message)
	for text, errno := range errnoTexts {
		if strings.HasSuffix(message, text) {
			return errno
		}
	}
	return Unknown
}

// Snapshot is what the answers say of the container. Its error says what is missing or malformed.
// Processes that ended while they were being read are left out.
func (a Answers) Snapshot(container string) (*Snapshot, error) {
	s := &Snapshot{Container: container, Namespaces: map[string]uint64{}}
	byPID := map[string]*Process{}
	var order []string
	for _, f := range a.frames {
		if f.subject == "self" {
			if err := s.readSelf(f); err != nil {
				return nil, err
			}
			continue
		}
		p := byPID[f.subject]
		if p == nil {
			p = &Process{}
			byPID[f.subject] = p
			order = append(order, f.subject)
		}
		if err := p.read(f); err != nil {
			return nil, fmt.Errorf("process %s: %s: %w", f.subject, f.field, err)
		}
	}
	for _, pid := range order {
		if p := byPID[pid]; p.PID != 0 {
			s.Processes = append(s.Processes, *p)
		}
	}
	if s.Self == 0 || s.Namespaces["pid"] == 0 {
		return nil, errors.New("the observation does not say who observed: no own PID or no PID namespace")
	}
	if !slices.ContainsFunc(s.Processes, func(p Process) bool { return p.PID == s.Self }) {
		return nil, fmt.Errorf("the observer (PID %d) does not see itself in /proc", s.Self)
	}
	slices.SortFunc(s.Processes, func(a, b Process) int { return cmp.Compare(a.PID, b.PID) })
	s.markObservers()
	return s, nil
}

func (s *Snapshot) readSelf(f frame) error {
	text := string(f.stdout)
	switch f.field {
	case "pid":
		pid, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("own PID: %w", err)
		}
		s.Self = pid
	case "namespaces":
		for name, target := range links(text, fmt.Sprintf("/proc/%d/ns/", s.Self)) {
			inode, err := namespaceInode(target)
			if err != nil {
				return err
			}
			s.Namespaces[name] = inode
		}
	case "label":
		s.Label = strings.TrimRight(text, "\n\x00")
	case "label_of_pid1":
		s.LabelOfPID1 = strings.TrimRight(text, "\n\x00")
	case "uid_map":
		s.UIDMap = strings.Join(strings.Fields(text), " ")
	case "kernel":
		s.Kernel.read(text)
	case "boot_time":
		s.Kernel.BootTime = bootTime(text)
	case "mounts":
		for line := range strings.Lines(text) {
			if fields := strings.Fields(line); len(fields) >= 4 && fields[1] == "/proc" && fields[2] == "proc" {
				s.ProcMount = fields[3]
			}
		}
	default:
		if path, ok := strings.CutPrefix(f.field, "file "); ok {
			if s.Files == nil {
				s.Files = map[string]Access{}
			}
			s.Files[path] = f.fileAccess()
		}
	}
	return nil
}

func (p *Process) read(f frame) error {
	switch f.field {
	case "process":
		if f.code != 0 {
			return nil // ended meanwhile: no stat, no process
		}
		if err := p.readStatus(f.stdout); err != nil {
			return err
		}
		if strconv.Itoa(p.PID) != f.subject {
			return fmt.Errorf("stat is that of process %d", p.PID)
		}
	case "cmdline":
		p.Cmdline = f.access()
		p.Argv = splitNUL(p.Cmdline.Text)
		p.Cmdline.Text = ""
	case "environ":
		p.Environ = f.access()
	case "links":
		targets := links(string(f.stdout), "/proc/"+f.subject+"/")
		refusals := string(f.stderr)
		for name, field := range map[string]*Access{"root": &p.Root, "cwd": &p.Cwd, "exe": &p.Exe, "ns/pid": &p.NSPID} {
			*field = linkAccess("/proc/"+f.subject+"/"+name, name, targets, refusals)
		}
	case "fd":
		p.FD = f.access()
	default:
		if path, ok := strings.CutPrefix(f.field, "file "); ok {
			if p.Files == nil {
				p.Files = map[string]Access{}
			}
			p.Files[path] = f.fileAccess()
		}
	}
	return nil
}

// readStatus reads stat's one line and the lines of status behind it.
func (p *Process) readStatus(text []byte) error {
	// comm may hold spaces, parentheses and newlines: it ends at the last ')'
	// before the first line of status, which escapes newlines in the name it
	// repeats.
	end := bytes.LastIndex(text, []byte("\nName:"))
	if end < 0 {
		return errors.New("status does not follow stat")
	}
	stat, err := ParseStat(string(text[:end]))
	if err != nil {
		return err
	}
	p.UID = -1
	for line := range strings.Lines(string(text[end:])) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		values := strings.Fields(value)
		if len(values) == 0 {
			continue
		}
		switch name {
		case "Uid":
			if p.UID, err = strconv.Atoi(values[0]); err != nil {
				return fmt.Errorf("status: Uid: %w", err)
			}
		case "CapEff":
			p.CapEff = values[0]
		case "CapPrm":
			p.CapPrm = values[0]
		case "SigCgt":
			p.SigCgt = values[0]
		case "Seccomp":
			if values[0] != "0" {
				p.Seccomp = values[0]
			}
		}
	}
	if p.UID < 0 {
		return errors.New("status names no Uid")
	}
	p.PID, p.PPID, p.StartTime = stat.PID, stat.PPID, stat.StartTime
	p.Comm, p.State = stat.Comm, stat.State
	return nil
}

// ParseStat reads a process's PID, name, state, parent and start time out of its
// /proc/PID/stat (proc(5)). The name stands in parentheses and may hold anything,
// parentheses and line breaks too: it ends at the last one.
func ParseStat(stat string) (Process, error) {
	pid, rest, ok := strings.Cut(strings.TrimSpace(stat), " (")
	end := strings.LastIndex(rest, ") ")
	if !ok || end < 0 {
		return Process{}, errors.New("stat holds no command name")
	}
	fields := strings.Fields(rest[end+1:])
	const afterComm = 3 // proc(5) counts stat's fields from 1; state is the third
	if len(fields) <= 22-afterComm {
		return Process{}, fmt.Errorf("stat has %d fields behind the name, expected at least %d", len(fields), 23-afterComm)
	}
	p := Process{Comm: rest[:end], State: fields[0]}
	var err error
	if p.PID, err = strconv.Atoi(pid); err != nil || p.PID <= 0 {
		return Process{}, fmt.Errorf("stat: PID %q", pid)
	}
	if p.PPID, err = strconv.Atoi(fields[4-afterComm]); err != nil {
		return Process{}, fmt.Errorf("stat: parent: %w", err)
	}
	if p.StartTime, err = strconv.ParseUint(fields[22-afterComm], 10, 64); err != nil {
		return Process{}, fmt.Errorf("stat: start time: %w", err)
	}
	return p, nil
}

func (f frame) access() Access {
	if f.code == 0 {
		return Access{Text: string(f.stdout)}
	}
	message := strings.TrimSpace(string(f.stderr))
	return Access{Errno: ErrnoOf(message), Message: message}
}

// FileLimit is how much of a file is read, in bytes: observe.sh's head has the same.
const FileLimit = 1 << 20

// binaryHead is how much is kept of what is no text: enough for a file's magic.
const binaryHead = 64

// fileAccess is access to a file, which may be a program.
func (f frame) fileAccess() Access {
	a := f.access()
	a.Cut = len(a.Text) >= FileLimit
	if !utf8.ValidString(a.Text) {
		a.Digest = a.SHA256()
		a.Text = strings.ToValidUTF8(a.Text[:min(len(a.Text), binaryHead)], "?")
	}
	return a
}

// links reads `ls -l` lines of the form "… PREFIXname -> target".
func links(listing, prefix string) map[string]string {
	targets := map[string]string{}
	for line := range strings.Lines(listing) {
		_, link, ok := strings.Cut(strings.TrimRight(line, "\n"), " "+prefix)
		if !ok {
			continue
		}
		if name, target, ok := strings.Cut(link, " -> "); ok {
			targets[name] = target
		}
	}
	return targets
}

// pathGoesOn matches what follows on a path that is only the beginning of another.
var pathGoesOn = regexp.MustCompile(`^\w`)

// linkAccess decides one link: read, or refused with the errno in ls's message
// about exactly this path. A refusal outweighs a target: a working directory
// with a line break in its name can put any line into ls's listing, but none
// among its messages.
func linkAccess(path, name string, targets map[string]string, messages string) Access {
	for line := range strings.Lines(messages) {
		if _, rest, named := strings.Cut(line, path); named && !pathGoesOn.MatchString(rest) {
			message := strings.TrimSpace(line)
			return Access{Errno: ErrnoOf(message), Message: message}
		}
	}
	if target, ok := targets[name]; ok {
		return Access{Text: target}
	}
	return Access{Errno: Unknown, Message: "ls said nothing about " + path}
}

var namespaceLink = regexp.MustCompile(`^[a-z_]+:\[([0-9]+)\]$`)

// namespaceInode reads the inode out of a namespace link such as
// "pid:[4026531836]" (namespaces(7)).
func namespaceInode(target string) (uint64, error) {
	m := namespaceLink.FindStringSubmatch(target)
	if m == nil {
		return 0, fmt.Errorf("%q is not a namespace link", target)
	}
	return strconv.ParseUint(m[1], 10, 64)
}

// splitNUL splits the NUL-terminated list that cmdline and environ are.
func splitNUL(text string) []string {
	text = strings.TrimRight(text, "\x00")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}

// markObservers marks the observation scripts, and everything below them, as
// no part of the workload.
func (s *Snapshot) markObservers() {
	observers := map[int]bool{s.Self: true}
	for changed := true; changed; {
		changed = false
		for i := range s.Processes {
			p := &s.Processes[i]
			if p.Observer {
				continue
			}
			// Its name is the fourth argument, and the fifth before the shell has started itself anew.
			script := len(p.Argv) > 3 && slices.Contains(p.Argv[3:min(len(p.Argv), 5)], observerName)
			if script || observers[p.PID] || (p.PPID != 0 && observers[p.PPID]) {
				p.Observer, observers[p.PID], changed = true, true, true
			}
		}
	}
}
