package permission

import (
	"fmt"
	"strings"

	"procns/e2e/internal/probe"
)

// Row is what one caller was answered, and what the rules compute, about one target.
type Row struct {
	Caller, Target string
	Cells          map[Operation]Cell
}

// Cell is one operation of a row.
type Cell struct {
	Observed Answer
	Computed Decision
}

// Agrees tells whether the kernel answered as the rules compute.
func (c Cell) Agrees() bool { return c.Observed.Errno == c.Computed.Errno }

// String is the observed answer. Where the rules compute another, that follows
// behind an exclamation mark.
func (c Cell) String() string {
	if c.Agrees() {
		return word(c.Observed.Errno)
	}
	return word(c.Observed.Errno) + "!" + word(c.Computed.Errno)
}

// Compare computes a row beside what was observed.
func Compare(caller string, tried Tried, target string) Row {
	row := Row{Caller: caller, Target: target, Cells: map[Operation]Cell{}}
	for operation, answer := range tried.Answers[target] {
		row.Cells[operation] = Cell{answer, Decide(tried.Self, tried.Targets[target], operation, tried.Yama)}
	}
	return row
}

func word(errno probe.Errno) string {
	if errno == "" {
		return "ok"
	}
	return string(errno)
}

// Table prints rows with a column for each operation. A caller is named in the
// first of its rows.
func Table(rows []Row) string {
	heading := []string{"CALLER", "TARGET"}
	for _, operation := range Operations() {
		heading = append(heading, string(operation))
	}
	lines := [][]string{heading}
	last := ""
	for _, row := range rows {
		line := []string{row.Caller, row.Target}
		if row.Caller == last {
			line[0] = ""
		}
		last = row.Caller
		for _, operation := range Operations() {
			text := "-" // not tried
			if cell, ok := row.Cells[operation]; ok {
				text = cell.String()
			}
			line = append(line, text)
		}
		lines = append(lines, line)
	}
	widths := make([]int, len(heading))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], len(text))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		var columns []string
		for i, text := range line {
			columns = append(columns, fmt.Sprintf("%-*s", widths[i], text))
		}
		b.WriteString(strings.TrimRight(strings.Join(columns, "  "), " ") + "\n")
	}
	return b.String()
}

// String describes a process's credentials in one line.
func (p Process) String() string {
	text := fmt.Sprintf("uid %d, gid %d, capabilities %016x", p.UID.Effective, p.GID.Effective, p.Effective)
	if p.Permitted != p.Effective {
		text += fmt.Sprintf(" (permitted %016x)", p.Permitted)
	}
	if !p.Dumpable() {
		text += ", not dumpable"
	}
	return text
}

func (y Yama) String() string {
	if y == NoYama {
		return "absent"
	}
	return fmt.Sprintf("ptrace_scope %d", int(y))
}
