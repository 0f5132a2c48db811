package cases

import (
	"fmt"
	"strings"

	"procns/e2e/internal/permission"
	"procns/e2e/internal/suite"
)

// The table of the answers, as a report keeps it.

// whoMayHangUp answers the question whether the page's example needs SYS_PTRACE.
func whoMayHangUp(o suite.Observation) string {
	var b strings.Builder
	for _, caller := range everyCaller {
		tried, err := triedBy(o, caller)
		if err != nil {
			continue // the judge said so
		}
		if answer, ok := tried.Answers["master"][permission.Hangup]; ok {
			fmt.Fprintf(&b, "kill -HUP on nginx's master as %s: %s\n", tried.Self, inWords(answer.Errno))
		}
	}
	return b.String()
}

// matrix is the whole table, with the credentials it is computed from. Rows in
// which a caller is allowed everything to its own process are left out.
func matrix(o suite.Observation) string {
	var rows []permission.Row
	var who strings.Builder
	described := map[string]bool{}
	describe := func(name string, p permission.Process) {
		if !described[name] {
			described[name] = true
			fmt.Fprintf(&who, "%-11s  %s\n", name, p)
		}
	}
	for _, caller := range everyCaller {
		tried, err := triedBy(o, caller)
		if err != nil {
			continue // the judges say so
		}
		describe(caller, tried.Self)
		for _, target := range everyTarget {
			row, err := rowOf(o, caller, target)
			if err != nil || target == "own" && allAllowed(row) {
				continue
			}
			rows = append(rows, row)
		}
	}
	for _, target := range everyTarget {
		if tried, err := triedBy(o, everyCaller[0]); err == nil && target != "own" {
			if p, ok := tried.Targets[target]; ok {
				describe(target, p)
			}
		}
	}
	if len(rows) == 0 {
		return ""
	}
	if confinement := o.Container(everyCaller[0]).Confinement(); confinement != "" {
		fmt.Fprintf(&who, "%-11s  %s\n", "module", confinement)
	}
	return permission.Table(rows) + "\n" + who.String() + fmt.Sprintf("%-11s  %s\n", "Yama", yamaOf(o)) +
		"Each caller may do everything to its own first process, unless a row says otherwise.\n" +
		"A!B: observed A, computed B. mem: opened, which takes the access mode of PTRACE_ATTACH.\n"
}

func allAllowed(row permission.Row) bool {
	for _, cell := range row.Cells {
		if cell.Observed.Errno != "" || cell.Computed.Errno != "" {
			return false
		}
	}
	return true
}
