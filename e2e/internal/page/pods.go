package page

import (
	"fmt"

	"procns/e2e/internal/report"
)

// pod is what was seen in one pod: the fixture's, or the control's.
type pod struct {
	Role     string // "fixture" or "control"
	Manifest string
	Name     string
	States   []field
	Tables   []table
	Answers  []report.Answers
	More     int
	// Missing says that the report holds nothing of it.
	Missing string
}

// table is a table of processes.
type table struct {
	Caption string
	About   string
	Failure string
	Rows    []process
	More    int
}

// process is a row: what stood in one of the two tables only is marked.
type process struct {
	report.Process
	Note string // "new" after the act, or "ends" before it
}

// roomForRows is how many rows of processes the page has room for: each takes about 150 bytes.
const roomForRows = 40_000

// pods are those of the group's first result of which the report holds something.
func (g *group) pods(observed map[string]report.Observed, room *int) {
	r := g.shown
	fixture, known := observed[r.Evidence]
	if !known {
		return
	}
	pods := []pod{podOf("fixture", r.Fixture, fixture)}
	if control, known := observed[r.ControlEvidence]; known && r.Control != "" {
		pods = append(pods, podOf("control", r.Control, control))
	} else if r.Control != "" {
		pods = append(pods, pod{Role: "control", Manifest: r.Control, Missing: "This report holds nothing of it."})
	}
	rows := 0
	for _, p := range pods {
		for _, t := range p.Tables {
			rows += len(t.Rows)
		}
	}
	if rows > *room {
		g.LeftOut = "What was seen in the pods is left out: the page has no room for more. The report and the evidence hold it."
		return
	}
	*room -= rows
	g.Pods = pods
}

func podOf(role, manifest string, o report.Observed) pod {
	p := pod{Role: role, Manifest: manifest, Name: o.Pod, Answers: o.Answers, More: o.More}
	if o.StateAfter == "" {
		p.States = filled(field{"pod", o.State})
	} else {
		p.States = filled(field{"pod before", o.State}, field{"pod after", o.StateAfter})
	}
	type looker struct{ pod, container, when string }
	type identity struct {
		pid   int
		start uint64
	}
	seen := map[looker]map[identity]bool{}
	for _, t := range o.Tables {
		ids := map[identity]bool{}
		for _, row := range t.Processes {
			ids[identity{row.PID, row.Start}] = true
		}
		if t.Failure == "" && t.More == 0 {
			seen[looker{t.Pod, t.Container, t.When}] = ids
		}
	}
	for _, t := range o.Tables {
		one := table{About: t.About, Failure: t.Failure, More: t.More, Caption: caption(t)}
		other, note := looker{t.Pod, t.Container, "after"}, "ends"
		if t.When == "after" {
			other.when, note = "before", "new"
		}
		beside, both := seen[other]
		for _, row := range t.Processes {
			shown := process{Process: row}
			if both && !row.Observer && !beside[identity{row.PID, row.Start}] {
				shown.Note = note
			}
			one.Rows = append(one.Rows, shown)
		}
		p.Tables = append(p.Tables, one)
	}
	return p
}

// caption says who looked when.
func caption(t report.Table) string {
	text := "seen from container " + t.Container
	if t.Pod != "" {
		text += " of pod " + t.Pod
	}
	if t.When == "after" {
		text += " after the act"
	}
	if t.PIDNamespace != 0 {
		text += fmt.Sprintf(", PID namespace %d", t.PIDNamespace)
	}
	return text
}
