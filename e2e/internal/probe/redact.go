package probe

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What is kept of processes. A container may see processes that are not the
// suite's own: the node's, where its pod is in the node's PID namespace; those of a
// container that the cluster added to the pod; or anybody's, on a node that is
// broken. Their arguments, environments and files are nobody's business, so that
// only what the suite itself planted or started is kept:
//
//   - the observation itself, and what it started;
//   - a process with one of the suite's random texts in its arguments;
//   - the first process of a container (PPID 0) that runs exactly what a container
//     of the pod's manifest is told to run;
//   - and what descends from one of these.
//
// Of all others, arguments are kept only where they tell nothing that the manifest
// does not. PID, parent, state, times, user, capabilities and the name that
// the kernel has of the program (comm, 15 bytes at most) are kept, and whether
// something of them could have been read.

// NotKept stands for the arguments of a process that is not the suite's own.
const NotKept = "(arguments not kept)"

// planted is a random text of the suite's own, in an argument or an environment.
var planted = regexp.MustCompile(`(?:marker|session-)[0-9a-f]{20}`)

// nginx writes its role over its arguments.
const (
	masterTitle = "nginx: master process"
	workerTitle = "nginx: worker process"
)

// nameAlone is how ps prints a process without arguments: by its name.
var nameAlone = regexp.MustCompile(`^\[[^\]]{1,15}\]$`)

// harmless are arguments that tell nothing, whoever runs them: the page's sandbox,
// a bare shell, and nginx's workers.
var harmless = map[string]bool{"/pause": true, "sh": true, "/bin/sh": true, workerTitle: true, workerTitle + " is shutting down": true}

// Own is what the containers of a pod's manifest are told to run.
type Own struct {
	Commands [][]string
	// Nginx says that one runs nginx as its image comes, which overwrites its
	// arguments.
	Nginx bool
	// Variables are the names that the manifest gives an environment.
	Variables []string
}

// starts tells whether a process is one from which the suite's own descend.
func (o Own) starts(p Process) bool {
	if p.Observer || planted.MatchString(strings.Join(p.Argv, "\x00")) {
		return true
	}
	if p.PPID != 0 {
		return false
	}
	title := ""
	if len(p.Argv) == 1 {
		title = p.Argv[0]
	}
	told := func(command []string) bool {
		return slices.Equal(command, p.Argv) || title == masterTitle+" "+strings.Join(command, " ")
	}
	return slices.ContainsFunc(o.Commands, told) || o.Nginx && strings.HasPrefix(title, masterTitle)
}

// Redact forgets what is not the suite's own, in place.
func (s *Snapshot) Redact(own Own) {
	if s == nil {
		return
	}
	ours := map[int]bool{}
	for _, p := range s.Processes {
		if own.starts(p) {
			ours[p.PID] = true
		}
	}
	for changed := true; changed; {
		changed = false
		for _, p := range s.Processes {
			if !ours[p.PID] && ours[p.PPID] {
				ours[p.PID], changed = true, true
			}
		}
	}
	for i := range s.Processes {
		p := &s.Processes[i]
		if p.Foreign = p.Foreign || !ours[p.PID]; p.Foreign {
			p.forget(own)
		}
		p.Environ.Text = own.environment(p.Environ.Text)
	}
}

// forget drops what is not kept of another's process.
func (p *Process) forget(own Own) {
	if !harmless[strings.Join(p.Argv, "\x00")] && !own.holds(p.Argv) {
		p.Argv = nil
	}
	for _, a := range []*Access{&p.Cmdline, &p.Environ, &p.Root, &p.Cwd, &p.Exe, &p.FD} {
		a.Text, a.Digest = "", ""
	}
	for path, a := range p.Files {
		a.Text, a.Digest = "", ""
		p.Files[path] = a
	}
}

// holds tells whether the manifest's own scripts hold each of the arguments, so that
// these tell nothing that it does not: what is left of a container is nobody's child.
func (o Own) holds(arguments []string) bool {
	var scripts strings.Builder
	for _, command := range o.Commands {
		scripts.WriteString(strings.Join(command, "\n") + "\n")
	}
	text := scripts.String()
	return len(arguments) > 0 && !slices.ContainsFunc(arguments, func(a string) bool { return !strings.Contains(text, a) })
}

// environment keeps what the manifest put into an environment. A cluster adds
// others' addresses, and may add credentials.
func (o Own) environment(text string) string {
	var kept []string
	for _, entry := range splitNUL(text) {
		name, _, _ := strings.Cut(entry, "=")
		if planted.MatchString(entry) || slices.Contains(o.Variables, name) {
			kept = append(kept, entry)
		}
	}
	return strings.Join(kept, "\x00")
}

// RedactRaw is the text of an observation without what Redact took out of its
// snapshot. What cannot be read is not kept at all.
func RedactRaw(raw string, s *Snapshot) string {
	if s == nil || s.Failure != "" {
		return fmt.Sprintf("(%d bytes that could not be read as an observation: not kept)\n", len(raw))
	}
	boundary, _, _ := strings.Cut(strings.TrimPrefix(raw, "\n"), " ")
	processes := map[string]Process{}
	for _, p := range s.Processes {
		processes[strconv.Itoa(p.PID)] = p
	}
	mark := "\n" + boundary + " "
	parts := strings.Split(raw, mark)
	for i, part := range parts {
		head, content, ok := strings.Cut(part, "\n")
		subject, field, isFrame := strings.Cut(head, " ")
		if !ok || !isFrame || subject == "=" || subject == "self" {
			continue
		}
		p, seen := processes[subject]
		parts[i] = head + "\n" + keptOf(field, content, p, seen)
	}
	return strings.Join(parts, mark)
}

// keptOf is what is kept of one answer about a process; one that ended while it was
// being read is nobody's.
func keptOf(field, content string, p Process, seen bool) string {
	const nothing = "(not kept)"
	switch {
	case field == "process" || content == "":
		return content
	case field == "environ" && seen && !p.Foreign:
		return p.Environ.Text // as Redact left it
	case seen && (!p.Foreign || field == "cmdline" && len(p.Argv) > 0):
		return content
	}
	return nothing
}

// RedactPS is a text without the commands in its tables of ps (see ParsePS) that
// are not known to be the suite's own.
func (o Own) RedactPS(text string) string {
	lines := strings.Split(text, "\n")
	columns := 0 // of the table that the line stands in
	for i, line := range lines {
		plain := strings.TrimRight(line, "\r")
		if heading := psHeading(plain); heading > 0 {
			columns = heading
			continue
		}
		if columns == 0 {
			continue
		}
		row, ok := parsePSRow(plain, columns)
		if !ok {
			columns = 0
			continue
		}
		if !o.printedBy(row.Command) {
			lines[i] = strings.TrimSuffix(plain, row.Command) + NotKept + line[len(plain):]
		}
	}
	return strings.Join(lines, "\n")
}

// printedBy tells whether ps printed a command of the suite's own.
func (o Own) printedBy(printed string) bool {
	if at := strings.Index(printed, "} "); strings.HasPrefix(printed, "{") && at > 0 {
		printed = printed[at+2:] // busybox puts the name before it where the two differ
	}
	switch {
	case harmless[printed], nameAlone.MatchString(printed), printed == "ps ax", printed == NotKept, planted.MatchString(printed):
		return true
	case o.Nginx && (strings.HasPrefix(printed, masterTitle) || strings.HasPrefix(printed, workerTitle)):
		return true
	}
	return slices.ContainsFunc(o.Commands, func(command []string) bool {
		return PrintedAs(Process{Argv: command}.Command(), printed)
	})
}

// narrow is what a terminal of 80 columns shows of a command, at the least.
const narrow = 32

// PrintedAs tells whether ps printed the command: whole, or cut to the terminal's
// width.
func PrintedAs(command, printed string) bool {
	return printed == command || len(printed) >= narrow && strings.HasPrefix(command, printed)
}
