package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// areaRow is what became of one area on all targets.
type areaRow struct {
	name string
	// results is how many were asked for, as far as the results tell.
	results  int
	seconds  float64 // of all its cases together
	judged   suite.Counts
	informed suite.Counts // the Informational results
	notRun   int
	targets  []string // on which something is no pass, where that is not all of them
}

// areaRows are the areas in the order of their first results.
func (r Run) areaRows() []areaRow {
	var rows []areaRow
	at := map[string]int{}
	targets := r.targets()
	cases := map[string]int{}
	for _, c := range r.cases() {
		cases[c.Area()] += r.asked(c.ID)
	}
	failing := map[string]map[string]bool{}
	for _, result := range r.Results {
		area := result.Case.Area()
		i, known := at[area]
		if !known {
			i = len(rows)
			at[area] = i
			rows = append(rows, areaRow{name: area, results: cases[area]})
			failing[area] = map[string]bool{}
		}
		row := &rows[i]
		row.seconds += result.Duration.Seconds()
		row.notRun--
		if informational(result) {
			row.informed.Add(result.Outcome)
			continue
		}
		row.judged.Add(result.Outcome)
		if result.Outcome.Failed() {
			failing[area][result.Target.Name()] = true
		}
	}
	for i := range rows {
		row := &rows[i]
		row.notRun += row.results
		if on := failing[row.name]; len(on) > 0 && len(on) < len(targets) {
			for _, t := range targets {
				if on[t.Name()] {
					row.targets = append(row.targets, t.Name())
				}
			}
		}
	}
	return rows
}

// areas shows a line an area.
func (p *printer) areas() {
	rows := p.run.areaRows()
	if len(rows) == 0 {
		return
	}
	name, number := len("AREA"), len("RESULTS")
	for _, row := range rows {
		name = max(name, utf8.RuneCountInString(clean(row.name, oneLine)))
	}
	fmt.Fprintln(p, "\n"+p.paint(bold, pad("AREA", name)+"  RESULTS    TIME"))
	for _, row := range rows {
		said, colour := row.outcomes()
		if len(row.targets) > 0 {
			said += "; on " + fewNames(row.targets)
		}
		fmt.Fprintf(p, "%s  %*d  %6s  %s\n", pad(clean(row.name, oneLine), name), number, row.results, wording.Seconds(row.seconds), p.paint(colour, clean(said, oneLine)))
	}
}

// outcomes tells how many results ended how, the worst first.
func (row areaRow) outcomes() (text, colour string) {
	differ := "differ"
	if row.informed.NonConformant == 1 {
		differ = "differs"
	}
	j, i := row.judged, row.informed
	text = strings.Join(told([]count{
		{j.NonConformant, "NON-CONFORMANT", nil}, {j.Inconclusive, "INCONCLUSIVE", nil}, {row.notRun, "not run", nil},
		{j.Conformant, "conformant", nil}, {i.NonConformant, differ, nil}, {i.Inconclusive, "not measured", nil},
		{i.Conformant, "as described", nil}, {j.Exempted + i.Exempted, "exempted", nil}, {j.Skipped + i.Skipped, "skipped", nil},
		{j.Planned + i.Planned, "only planned", nil},
	}), ", ")
	switch {
	case j.NonConformant > 0:
		return text, red
	case j.Inconclusive+row.notRun+j.Exempted > 0:
		return text, yellow
	case j.Conformant > 0:
		return text, green
	}
	return text, ""
}
