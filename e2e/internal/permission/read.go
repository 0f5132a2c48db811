package permission

import (
	"regexp"
	"slices"
	"strings"

	"procns/e2e/internal/probe"
)

// ReadTable finds the rows in a text that begins with a Table, as reports keep it, and
// returns what stands behind the table. It is false where there is no such table: another
// heading, a row of another width, a cell that is no answer.
//
// Of an answer that is not as computed, the rows hold both; of one that is, the rule is
// not told.
func ReadTable(text string) (rows []Row, rest string, ok bool) {
	heading, rest, _ := strings.Cut(text, "\n")
	columns := strings.Fields(heading)
	if len(columns) < 3 || columns[0] != "CALLER" || columns[1] != "TARGET" {
		return nil, text, false
	}
	operations := columns[2:]
	for i, name := range operations {
		if !slices.Contains(Operations(), Operation(name)) || slices.Contains(operations[:i], name) {
			return nil, text, false
		}
	}
	caller := ""
	for rest != "" {
		line, behind, _ := strings.Cut(rest, "\n")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			break
		}
		if !strings.HasPrefix(line, " ") { // the caller is named in the first of its rows
			caller, fields = fields[0], fields[1:]
		}
		if caller == "" || len(fields) != 1+len(operations) {
			return nil, text, false
		}
		row := Row{Caller: caller, Target: fields[0], Cells: map[Operation]Cell{}}
		for i, name := range operations {
			cell, tried, ok := readCell(fields[1+i])
			if !ok {
				return nil, text, false
			}
			if tried {
				row.Cells[Operation(name)] = cell
			}
		}
		rows, rest = append(rows, row), behind
	}
	if len(rows) == 0 {
		return nil, text, false
	}
	return rows, strings.TrimLeft(rest, "\n"), true
}

// readCell reads what Cell.String says, or a dash where nothing was tried.
func readCell(text string) (cell Cell, tried, ok bool) {
	if text == "-" {
		return Cell{}, false, true
	}
	observed, computed, differs := strings.Cut(text, "!")
	if !differs {
		computed = observed
	}
	var known [2]bool
	cell.Observed.Errno, known[0] = errnoOf(observed)
	cell.Computed.Errno, known[1] = errnoOf(computed)
	return cell, true, known[0] && known[1] && differs != cell.Agrees()
}

// errnoOf reads what word says.
func errnoOf(text string) (probe.Errno, bool) {
	if text == "ok" {
		return "", true
	}
	return probe.Errno(text), errnoForm.MatchString(text)
}

// errnoForm is that of an errno's name.
var errnoForm = regexp.MustCompile(`^E[A-Z]{2,15}$`)
