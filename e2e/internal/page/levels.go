package page

import (
	"fmt"
	"strings"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// levelRow is one level's verdict, with what it is made of.
type levelRow struct {
	Level   suite.Level
	Mark    mark
	Results int
	Counts  []count
	// Bar is the same as a picture, which Said describes.
	Bar  []piece
	Said string
	// Role says what the verdict does to the exit code.
	Role string
}

// count is how many results ended in one way.
type count struct {
	N    int
	Mark mark
}

// piece is one part of a bar, in percent of its width.
type piece struct {
	Class    string
	At, Wide string
}

func levelRows(v report.Verdict) []levelRow {
	var rows []levelRow
	for _, l := range v.Levels {
		role := "decides the exit code"
		if !l.Decides {
			role = "does not decide the exit code (-require " + string(v.Require) + ")"
		}
		rows = append(rows, row(l.Level, markOf(l.Outcome, l.Level), role, l.Results, []count{
			{l.Conformant, marks[suite.Conformant]}, {l.NonConformant, marks[suite.NonConformant]}, {l.Inconclusive, marks[suite.Inconclusive]},
			{l.NotRun, notRun}, {l.Skipped, marks[suite.Skipped]}, {l.Exempted, marks[suite.Exempted]}, {l.Planned, marks[suite.Planned]},
		}))
	}
	if r := v.Informational; r != nil {
		info := func(outcome suite.Outcome) mark { return markOf(outcome, suite.Informational) }
		rows = append(rows, row(suite.Informational, mark{"info", "i", "no verdict"}, "never decides the exit code", r.Results, []count{
			{r.AsDescribed, info(suite.Conformant)}, {r.Differs, info(suite.NonConformant)}, {r.NotMeasured, info(suite.Inconclusive)},
			{r.NotRun, notRun}, {r.Skipped, marks[suite.Skipped]}, {r.Exempted, marks[suite.Exempted]}, {r.Planned, marks[suite.Planned]},
		}))
	}
	return rows
}

func row(level suite.Level, m mark, role string, results int, counts []count) levelRow {
	r := levelRow{Level: level, Mark: m, Role: role, Results: results}
	total, at := 0, 0
	var said []string
	for _, c := range counts {
		if c.N > 0 {
			r.Counts = append(r.Counts, c)
			said = append(said, fmt.Sprintf("%d %s", c.N, c.Mark.Word))
			total += c.N
		}
	}
	for _, c := range r.Counts {
		r.Bar = append(r.Bar, piece{c.Mark.Class, percent(at, total), percent(c.N, total)})
		at += c.N
	}
	r.Said = strings.Join(said, ", ")
	return r
}

func percent(n, of int) string {
	if of <= 0 {
		return "0%"
	}
	return fmt.Sprintf("%.2f%%", 100*float64(n)/float64(of))
}
