package page

import (
	"fmt"
	"strings"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// matrix is a table of targets by areas.
type matrix struct {
	// Levels are the columns of verdicts, before those of the areas.
	Levels []suite.Level
	Areas  []column
	Rows   []matrixRow
	// More counts the targets that have no row.
	More int
}

type column struct{ Name, Anchor string }

// matrixRow is one target, or several of which the same is to be said.
type matrixRow struct {
	Names    listed[string]
	Verdicts []mark
	Cells    []cell
}

// cell is what became of an area's cases on a target.
type cell struct {
	Mark mark
	Text string // beside the sign: "12", or "2 of 12"
	Said string // for those who do not see it
}

// mostRows is how many targets have a row each. Where there are more, those of which the
// same is to be said share one.
const mostRows = 12

// tally counts the results of an area on a target.
type tally struct {
	judged, recorded map[suite.Outcome]int
	results          int
}

func (t *tally) add(r report.Result) {
	t.results++
	into := &t.judged
	if r.Level == suite.Informational {
		into = &t.recorded
	}
	if *into == nil {
		*into = map[suite.Outcome]int{}
	}
	outcome := r.Outcome
	if _, known := marks[outcome]; !known {
		outcome = suite.Inconclusive // whatever it means, it is no pass
	}
	(*into)[outcome]++
}

func matrixOf(d report.Document, areas []area, names names) matrix {
	var m matrix
	places := map[string]int{}
	for i, a := range areas {
		places[a.Name] = i
		m.Areas = append(m.Areas, column{a.Name, a.Anchor})
	}
	if len(areas) == 0 {
		return m
	}
	tallies := make([][]tally, len(names.all))
	for i := range tallies {
		tallies[i] = make([]tally, len(areas))
	}
	for _, r := range d.Results {
		tallies[names.place[r.Target]][places[areaOf(r.ID)]].add(r)
	}
	verdicts := make([][]mark, len(names.all))
	for _, level := range d.Verdict.Levels {
		m.Levels = append(m.Levels, level.Level)
		for i := range verdicts {
			verdicts[i] = append(verdicts[i], mark{"skip", "–", "nothing of it"})
		}
		for _, on := range level.Targets {
			if i, known := names.place[on.Target]; known {
				verdicts[i][len(m.Levels)-1] = markOf(on.Outcome, level.Level)
			}
		}
	}
	alike := map[string]int{} // the row, by what it says
	all := make([][]string, 0, mostRows)
	for i, name := range names.all {
		one := matrixRow{Verdicts: verdicts[i]}
		for j, a := range areas {
			cases := 0
			for _, c := range a.Cases {
				if names.asks(c.ID, name) {
					cases++
				}
			}
			one.Cells = append(one.Cells, tallies[i][j].cell(cases))
		}
		key := fmt.Sprint(one.Verdicts, one.Cells)
		if len(names.all) <= mostRows {
			key = name
		}
		at, known := alike[key]
		if !known {
			at = len(m.Rows)
			alike[key] = at
			m.Rows, all = append(m.Rows, one), append(all, nil)
		}
		all[at] = append(all[at], name)
	}
	for i := range m.Rows {
		m.Rows[i].Names = first(all[i], mostTargets)
	}
	if rows := first(m.Rows, mostTargets); rows.More > 0 {
		for _, names := range all[mostTargets:] {
			m.More += len(names)
		}
		m.Rows = rows.Some
	}
	return m
}

// cell is the tally of an area that has so many cases.
func (t tally) cell(cases int) cell {
	missing := cases - t.results
	if cases == 0 {
		return cell{mark{"skip", "·", "not asked"}, "", "not asked"} // by a sweep
	}
	if t.results == 0 {
		return cell{notRun, "", fmt.Sprintf("none of %d run", cases)}
	}
	var said []string
	say := func(n int, word string) {
		if n > 0 {
			said = append(said, fmt.Sprintf("%d %s", n, word))
		}
	}
	order := []suite.Outcome{suite.Conformant, suite.NonConformant, suite.Inconclusive, suite.Skipped, suite.Exempted, suite.Planned}
	judged := 0
	for _, outcome := range order {
		say(t.judged[outcome], marks[outcome].Word)
		judged += t.judged[outcome]
	}
	for _, outcome := range order {
		say(t.recorded[outcome], "recorded "+markOf(outcome, suite.Informational).Word)
	}
	say(missing, notRun.Word)
	c := cell{Said: strings.Join(said, ", ")}
	part := func(m mark, n, of int) {
		c.Mark, c.Text = m, fmt.Sprint(n)
		if n < of {
			c.Text += fmt.Sprintf(" of %d", of)
		}
	}
	all := judged + max(0, missing)
	switch {
	case t.judged[suite.NonConformant] > 0:
		part(marks[suite.NonConformant], t.judged[suite.NonConformant], all)
	case t.judged[suite.Inconclusive] > 0:
		part(marks[suite.Inconclusive], t.judged[suite.Inconclusive], all)
	case missing > 0:
		part(notRun, missing, all)
	case t.judged[suite.Conformant] > 0:
		part(marks[suite.Conformant], t.judged[suite.Conformant], all)
	case judged > 0:
		part(marks[suite.Skipped], judged, all)
	default:
		part(mark{"info", "i", "recorded"}, t.results, t.results)
	}
	return c
}
