package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// Observed is what was seen in one pod, for those who read a report: its process
// tables, and what commands and the API server answered. The evidence holds all of it.
type Observed struct {
	// Folder is where the evidence lies, below the report's own folder. Results name it.
	Folder string `json:"folder"`
	Pod    string `json:"pod,omitempty"`
	// State is the pod's at first, and StateAfter that after the act, in a line each.
	State      string    `json:"state,omitempty"`
	StateAfter string    `json:"stateAfter,omitempty"`
	Tables     []Table   `json:"tables,omitempty"`
	Answers    []Answers `json:"answers,omitempty"`
	// More counts the tables and answers that are in the evidence alone.
	More int `json:"more,omitempty"`
}

// Table is the processes that one container saw at one moment.
type Table struct {
	// Pod is set where it is another than the observed one: a copy of it, say.
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container"`
	When      string `json:"when"` // "before" or "after" the act
	// PIDNamespace is the inode of the container's PID namespace.
	PIDNamespace uint64 `json:"pidNamespace,omitempty"`
	// About is what a reader must know of who looked: a kernel of its own, a label of a
	// security module, options of /proc.
	About string `json:"about,omitempty"`
	// Failure says why nothing was seen.
	Failure   string    `json:"failure,omitempty"`
	Processes []Process `json:"processes,omitempty"`
	// More counts the processes that are in the evidence alone.
	More int `json:"more,omitempty"`
}

// Process is one row of a table. PIDs are those of the observer's PID namespace.
type Process struct {
	PID   int    `json:"pid"`
	PPID  int    `json:"ppid"`
	UID   int    `json:"uid"`
	State string `json:"state"`
	Start uint64 `json:"start"` // clock ticks since boot
	// Environ and Root say whether /proc/PID/environ could be read and /proc/PID/root
	// followed: "ok", or the errno.
	Environ string `json:"environ"`
	Root    string `json:"root"`
	Command string `json:"command"`
	// Observer marks the suite's own script, which looked.
	Observer bool `json:"observer,omitempty"`
}

// Answers is what was answered to one command, or to one request.
type Answers struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// How much of one pod a report holds.
const (
	mostTables    = 12
	mostProcesses = 40 // of a table
	mostAnswers   = 24
	longestAnswer = 600 // in characters
	longestLine   = 120
)

// How much of what findings were made of a report holds: of how many results of a case,
// and how many characters of each.
const (
	mostSeen    = 8
	longestSeen = 16_000
)

// ReadObserved reads what was seen in a pod from its evidence, observation.json.
func ReadObserved(folder string, from io.Reader) (Observed, error) {
	var o suite.Observation
	if err := json.NewDecoder(from).Decode(&o); err != nil {
		return Observed{}, fmt.Errorf("%s: not an observation: %w", folder, err)
	}
	return observedIn(folder, o), nil
}

func observedIn(folder string, o suite.Observation) Observed {
	seen := Observed{Folder: folder, Pod: o.Pod.Name, State: stateLine(&o.Pod), StateAfter: stateLine(o.AfterPod)}
	seen.tables("", o)
	seen.answers("", o)
	for _, name := range slices.Sorted(maps.Keys(o.Copies)) {
		copied := o.Copies[name]
		seen.tables(firstOf(copied.Pod.Name, name), copied)
		seen.answers(name+": ", copied)
	}
	if more := len(seen.Tables) - mostTables; more > 0 {
		seen.Tables, seen.More = seen.Tables[:mostTables], more
	}
	if more := len(seen.Answers) - mostAnswers; more > 0 {
		seen.Answers, seen.More = seen.Answers[:mostAnswers], seen.More+more
	}
	return seen
}

func (seen *Observed) tables(pod string, o suite.Observation) {
	for _, round := range []struct {
		when string
		by   map[string]*probe.Snapshot
	}{{"before", o.Before}, {"after", o.After}} {
		for _, name := range slices.Sorted(maps.Keys(round.by)) {
			if s := round.by[name]; s != nil {
				seen.Tables = append(seen.Tables, tableOf(pod, name, round.when, s))
			}
		}
	}
}

func tableOf(pod, container, when string, s *probe.Snapshot) Table {
	t := Table{Pod: pod, Container: container, When: when, PIDNamespace: s.Namespaces["pid"], Failure: shortened(s.Failure, longestAnswer)}
	if t.Failure != "" {
		return t
	}
	var about []string
	for _, part := range []string{s.Confinement(), s.HidePID()} {
		if part != "" {
			about = append(about, part)
		}
	}
	t.About = shortened(strings.Join(about, "; "), longestAnswer)
	for i, p := range s.Processes {
		if i == mostProcesses {
			t.More = len(s.Processes) - i
			break
		}
		t.Processes = append(t.Processes, Process{
			PID: p.PID, PPID: p.PPID, UID: p.UID, State: p.State, Start: p.StartTime,
			Environ: p.Environ.String(), Root: p.Root.String(), Command: shortened(p.Shown(), longestLine), Observer: p.Observer,
		})
	}
	return t
}

// answers are what commands, the API server and the act's own notes said.
func (seen *Observed) answers(prefix string, o suite.Observation) {
	add := func(kind, name, text string) {
		seen.Answers = append(seen.Answers, Answers{prefix + kind + shortened(name, longestLine), shortened(strings.TrimSpace(text), longestAnswer)})
	}
	for _, name := range slices.Sorted(maps.Keys(o.Answers)) {
		add("API server, ", name, o.Answers[name].String())
	}
	for _, name := range slices.Sorted(maps.Keys(o.Ran)) {
		add("command, ", name, o.Ran[name].String())
	}
	notes := o.Saw.Notes()
	for _, name := range slices.Sorted(maps.Keys(notes)) {
		add("", name, notes[name])
	}
	if d := o.Deletion; d != nil {
		what := fmt.Sprintf("still there after %.1f s", d.Seconds)
		if d.Gone {
			what = fmt.Sprintf("gone after %.1f s", d.Seconds)
		}
		add("", "deletion", fmt.Sprintf("%s (grace period %d s)", what, d.GraceSeconds))
	}
}

// stateLine is a pod's state in a line.
func stateLine(p *suite.PodState) string {
	if p == nil || p.Name == "" && p.Phase == "" {
		return ""
	}
	text := firstOf(p.Phase, "no phase")
	if p.Reason != "" {
		text += " (" + p.Reason + ")"
	}
	if p.Ready {
		text += ", Ready"
	}
	for _, name := range slices.Sorted(maps.Keys(p.Containers)) {
		text += "; " + name + " " + containerLine(p.Containers[name])
	}
	return shortened(text, longestAnswer)
}

func containerLine(c suite.ContainerState) string {
	text := "has not started"
	switch {
	case c.Running:
		text = "runs"
	case c.Waiting != "":
		text = "waits: " + c.Waiting
	case c.ExitCode != nil:
		text = "ended"
	}
	if c.ExitCode != nil {
		text += fmt.Sprintf(", exit code %d", *c.ExitCode)
		if c.Running || c.Waiting != "" {
			text += " before"
		}
	}
	if c.Restarts > 0 {
		text += ", " + wording.Count(c.Restarts, "restart", "restarts")
	}
	return text
}

// shortened cuts a text behind so many characters, and says so.
func shortened(text string, longest int) string {
	if len(text) <= longest || utf8.RuneCountInString(text) <= longest {
		return text
	}
	runes := []rune(text)
	return fmt.Sprintf("%s… (%d characters more)", string(runes[:longest]), len(runes)-longest)
}

// Which pods of a case a report shows: of how many results that did not pass, by outcome,
// and of how many kinds of targets on which it passed.
const (
	mostFailed = 4
	mostKinds  = 3
)

// Wanted names the folders of evidence that a reader of the report is to see: of each case,
// those of a few results that did not pass, and of one pass on each kind of target. What
// comes first matters most.
func (d Document) Wanted() []string {
	kinds := map[string]suite.Kind{}
	for _, t := range d.Targets {
		kinds[t.Name] = t.Kind()
	}
	type key struct {
		id      string
		outcome suite.Outcome
		kind    suite.Kind
	}
	var failed, passed []string
	count := map[key]int{}
	for _, r := range d.Results {
		of, most, into := key{id: r.ID, outcome: r.Outcome}, mostFailed, &failed
		if r.Outcome == suite.Conformant {
			of.kind, into = kinds[r.Target], &passed
			if count[of] > 0 {
				continue // its kind has been seen
			}
			most = mostKinds
		}
		all := key{id: r.ID, outcome: r.Outcome}
		if r.Evidence == "" || count[all] >= most {
			continue
		}
		count[all]++
		if of != all {
			count[of]++
		}
		*into = append(*into, r.Evidence)
		if r.ControlEvidence != "" {
			*into = append(*into, r.ControlEvidence)
		}
	}
	var wanted []string
	known := map[string]bool{}
	for _, folder := range append(failed, passed...) {
		if !known[folder] {
			known[folder] = true
			wanted = append(wanted, folder)
		}
	}
	return wanted
}

// mostObserved is how large the observations of a report become together, in bytes.
const mostObserved = 8 << 20

// Collect reads the observations that Wanted names, as far as there are any, and as far as
// a report has room for them.
func (d Document) Collect(read func(folder string) (Observed, error)) []Observed {
	var all []Observed
	size := 0
	for _, folder := range d.Wanted() {
		one, err := read(folder)
		if err != nil {
			continue // the evidence was not kept, or is not beside the report
		}
		size += one.size()
		if size > mostObserved {
			break
		}
		all = append(all, one)
	}
	return all
}

// size is about how long an observation is as JSON.
func (seen Observed) size() int {
	const row, rest = 130, 200
	size := rest
	for _, t := range seen.Tables {
		size += rest + row*len(t.Processes)
	}
	for _, a := range seen.Answers {
		size += len(a.Name) + len(a.Text)
	}
	return size
}
