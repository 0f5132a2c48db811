package suite

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"procns/e2e/internal/probe"
)

// How Saw is kept: as a text for each fact, by name, which evidence and reports show as they are.

// The names that differ by what stands in them.
const (
	toldSize      = "told "
	seenFrom      = " seen from "
	fromOther     = " from "
	endedOfItself = " ended"
	heldUp        = " held up"
	daemonIn      = "daemon in "
	pid1After     = "PID 1 after "
	identityOf    = "identity "
	namespaceOf   = "namespace of "
	notDone       = "not done: "
)

// notes are facts as texts, by their names.
type notes map[string]string

func (n notes) text(name, text string) {
	if text != "" {
		n[name] = text
	}
}

func (n notes) truth(name string, is *bool) {
	if is != nil {
		n[name] = strconv.FormatBool(*is)
	}
}

func (n notes) count(name string, number *int) {
	if number != nil {
		n[name] = strconv.Itoa(*number)
	}
}

func (n notes) inode(name string, inode uint64) {
	if inode != 0 {
		n[name] = strconv.FormatUint(inode, 10)
	}
}

func (n notes) identity(name string, i probe.Identity) {
	if i != (probe.Identity{}) {
		n[name] = i.String()
	}
}

func (n notes) process(name string, p *probe.Process) {
	if p != nil {
		n.data(name, p)
	}
}

func (n notes) data(name string, data any) {
	if text, err := json.Marshal(data); err == nil { // plain data can be encoded
		n[name] = string(text)
	}
}

// Notes are the facts as texts, by their names.
func (s Saw) Notes() map[string]string {
	n := notes{}
	for name, text := range s.Other {
		n.text(name, text)
	}
	for name, text := range map[string]string{
		"prompt": s.Page.Prompt, "screen": s.Page.Screen, "ps-before": s.Page.PSBefore, "hangup": s.Page.Hangup, "ps-after": s.Page.PSAfter,
		"head": s.Page.Head, "no answer": s.Unanswered, "written": s.Written, "late": s.Late, "processes": s.Disrupted.Table,
	} {
		n.text(name, text)
	}
	n.identity("first", s.Shell.First)
	n.identity("second", s.Shell.Second)
	for size, says := range s.Shell.Sizes {
		n[toldSize+size] = says // also where it says nothing
	}
	n.truth("ready", s.Ready)
	n.truth("terminal"+endedOfItself, s.TerminalEnded)
	for name, session := range s.Sessions {
		for container, p := range session.From {
			n.process(name+seenFrom+container, &p)
		}
		n.truth(name+endedOfItself, session.Ended)
		n.truth(name+heldUp, session.HeldUp)
	}
	sights := map[string]Sight{"orphan": s.Orphan, "session": s.Command}
	for container, sight := range s.Daemons {
		sights[daemonIn+container] = sight
	}
	for name, sight := range sights {
		n.process(name, sight.Own)
		for container, p := range sight.From {
			n.process(name+fromOther+container, &p)
		}
	}
	n.process("stopped", s.Stopped)
	for sender, p := range s.PID1After {
		n.process(pid1After+sender, &p)
	}
	if s.Zombies != nil {
		n.data("zombies", *s.Zombies)
	}
	if s.Left != nil {
		n["left over"] = leftText(*s.Left)
	}
	n.inode("namespace", s.Disrupted.Namespace)
	for container, inode := range s.Disrupted.Joined {
		n[namespaceOf+container] = strconv.FormatUint(inode, 10)
	}
	for _, i := range s.Disrupted.Processes {
		n.identity(identityOf+strconv.Itoa(i.PID), i)
	}
	if s.Load.ExecsTook != 0 {
		n["execs took"] = s.Load.ExecsTook.String()
	}
	n.count("sessions seen", s.Load.SessionsSeen)
	n.count("sessions ended", s.Load.SessionsEnded)
	for name, why := range s.Undone {
		n.text(notDone+name, why)
	}
	return n
}

// IsZero says that nothing was seen.
func (s Saw) IsZero() bool { return len(s.Notes()) == 0 }

// MarshalJSON writes the notes.
func (s Saw) MarshalJSON() ([]byte, error) { return json.Marshal(s.Notes()) }

// UnmarshalJSON reads the notes. It is an error where the text of one is not what its name says.
func (s *Saw) UnmarshalJSON(raw []byte) error {
	var texts map[string]string
	if err := json.Unmarshal(raw, &texts); err != nil {
		return err
	}
	*s = Saw{}
	for _, name := range slices.Sorted(maps.Keys(texts)) { // PIDs in one order
		if err := s.read(name, texts[name]); err != nil {
			return fmt.Errorf("note %q: %w", name, err)
		}
	}
	return nil
}

// read takes in one note. An empty one says nothing.
func (s *Saw) read(name, text string) error {
	if size, ok := strings.CutPrefix(name, toldSize); ok {
		put(&s.Shell.Sizes, size, text)
		return nil
	}
	if text == "" {
		return nil
	}
	known, err := s.readNamed(name, text)
	if !known {
		known, err = s.readOf(name, text)
	}
	if !known {
		put(&s.Other, name, text)
	}
	return err
}

// readNamed takes in a note whose name is one of a few; known is false for all others.
func (s *Saw) readNamed(name, text string) (known bool, err error) {
	if into := map[string]*string{
		"prompt": &s.Page.Prompt, "screen": &s.Page.Screen, "ps-before": &s.Page.PSBefore, "hangup": &s.Page.Hangup, "ps-after": &s.Page.PSAfter,
		"head": &s.Page.Head, "no answer": &s.Unanswered, "written": &s.Written, "late": &s.Late, "processes": &s.Disrupted.Table,
	}[name]; into != nil {
		*into = text
		return true, nil
	}
	switch name {
	case "first":
		s.Shell.First, err = parseIdentity(text)
	case "second":
		s.Shell.Second, err = parseIdentity(text)
	case "ready":
		s.Ready, err = pointer(strconv.ParseBool(text))
	case "terminal" + endedOfItself:
		s.TerminalEnded, err = pointer(strconv.ParseBool(text))
	case "orphan":
		s.Orphan.Own, err = pointer(parseProcess(text))
	case "session":
		s.Command.Own, err = pointer(parseProcess(text))
	case "stopped":
		s.Stopped, err = pointer(parseProcess(text))
	case "zombies":
		var zombies []probe.Identity
		err = json.Unmarshal([]byte(text), &zombies)
		s.Zombies = &zombies
	case "left over":
		s.Left, err = pointer(parseLeft(text))
	case "namespace":
		s.Disrupted.Namespace, err = strconv.ParseUint(text, 10, 64)
	case "execs took":
		s.Load.ExecsTook, err = time.ParseDuration(text)
	case "sessions seen":
		s.Load.SessionsSeen, err = pointer(strconv.Atoi(text))
	case "sessions ended":
		s.Load.SessionsEnded, err = pointer(strconv.Atoi(text))
	default:
		return false, nil
	}
	return true, err
}

// readOf takes in a note whose name says what it is of; known is false for all others.
func (s *Saw) readOf(name, text string) (known bool, err error) {
	if experiment, ok := strings.CutPrefix(name, notDone); ok {
		put(&s.Undone, experiment, text)
		return true, nil
	}
	if _, ok := strings.CutPrefix(name, identityOf); ok {
		i, err := parseIdentity(text)
		s.Disrupted.Processes = append(s.Disrupted.Processes, i)
		return true, err
	}
	if container, ok := strings.CutPrefix(name, namespaceOf); ok {
		inode, err := strconv.ParseUint(text, 10, 64)
		put(&s.Disrupted.Joined, container, inode)
		return true, err
	}
	if session, ok := strings.CutSuffix(name, endedOfItself); ok {
		ended, err := pointer(strconv.ParseBool(text))
		s.InSession(session, func(of *Session) { of.Ended = ended })
		return true, err
	}
	if session, ok := strings.CutSuffix(name, heldUp); ok {
		held, err := pointer(strconv.ParseBool(text))
		s.InSession(session, func(of *Session) { of.HeldUp = held })
		return true, err
	}
	if container, ok := strings.CutPrefix(name, daemonIn); ok {
		p, err := parseProcess(text)
		container, other, from := strings.Cut(container, fromOther)
		s.OfDaemon(container, func(of *Sight) {
			if from {
				of.SeenBy(other, p)
			} else {
				of.Own = &p
			}
		})
		return true, err
	}
	sender, after := strings.CutPrefix(name, pid1After)
	session, container, seen := strings.Cut(name, seenFrom)
	what, other, from := strings.Cut(name, fromOther)
	from = from && (what == "orphan" || what == "session")
	if !after && !seen && !from {
		return false, nil
	}
	p, err := parseProcess(text)
	switch {
	case after:
		put(&s.PID1After, sender, p)
	case seen:
		s.InSession(session, func(of *Session) { of.SeenBy(container, p) })
	case what == "orphan":
		s.Orphan.SeenBy(other, p)
	default:
		s.Command.SeenBy(other, p)
	}
	return true, err
}

func pointer[T any](value T, err error) (*T, error) { return &value, err }

func parseProcess(text string) (probe.Process, error) {
	var p probe.Process
	err := json.Unmarshal([]byte(text), &p)
	return p, err
}

var identityText = regexp.MustCompile(`^(\d+) \(started at tick (\d+)\)$`)

// parseIdentity reads what probe.Identity.String writes.
func parseIdentity(text string) (probe.Identity, error) {
	found := identityText.FindStringSubmatch(text)
	if found == nil {
		return probe.Identity{}, fmt.Errorf("%q is not a PID with a start time", text)
	}
	pid, err := strconv.Atoi(found[1])
	if err != nil {
		return probe.Identity{}, err
	}
	start, err := strconv.ParseUint(found[2], 10, 64)
	return probe.Identity{PID: pid, StartTime: start}, err
}

// String is the leftover as findings name it.
func (l Leftover) String() string { return fmt.Sprintf("PID %s (%s)", l.Identity, l.Command) }

// leftText counts the leftovers, and names them.
func leftText(left []Leftover) string {
	var each []string
	for _, l := range left {
		each = append(each, l.String())
	}
	return fmt.Sprintf("%d: %s", len(left), strings.Join(each, ", "))
}

// leftoverText begins a leftover. What it ran may hold anything.
var leftoverText = regexp.MustCompile(`(?:^|\), )PID (\d+ \(started at tick \d+\)) \(`)

// parseLeft reads what leftText writes. It is an error where it does not name as many as it counts.
func parseLeft(text string) ([]Leftover, error) {
	count, rest, ok := strings.Cut(text, ": ")
	number, err := strconv.Atoi(count)
	if !ok || err != nil {
		return nil, fmt.Errorf("%q does not begin with a number of leftovers", text)
	}
	var left []Leftover
	found := leftoverText.FindAllStringSubmatchIndex(rest, -1)
	for i, at := range found {
		end := len(rest) - 1
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		identity, err := parseIdentity(rest[at[2]:at[3]])
		if err != nil {
			return nil, err
		}
		left = append(left, Leftover{identity, rest[at[1]:max(at[1], end)]})
	}
	if len(left) != number {
		return nil, fmt.Errorf("%q names %d leftovers, and says that there are %d", text, len(left), number)
	}
	return left, nil
}
