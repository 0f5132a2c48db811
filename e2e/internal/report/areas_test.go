package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"procns/e2e/internal/suite"
)

// TestBrief: a terminal is told a line an area, and every result that is no pass in full.
func TestBrief(t *testing.T) {
	wanted := map[string]bool{"conformant": true, "failures": true, "exempted": true, "missing": true, "planned": true, "records-alone": true, "foreign-text": true, "set-up-failed": true}
	for _, e := range examples() {
		brief := asTerminal(t, e.run, Style{Brief: true})
		if wanted[e.name] {
			golden.Assert(t, brief, "brief-"+e.name+".txt")
			delete(wanted, e.name)
		}
		whole := asTerminal(t, e.run, Style{})
		_, explained, _ := strings.Cut(whole, "\nNON-CONFORMANT ")
		explained, _, _ = strings.Cut(explained, "\n\n")
		assert.Assert(t, strings.Contains(brief, explained), e.name)
		lines := strings.Split(strings.TrimSpace(brief), "\n")
		assert.Equal(t, lines[len(lines)-1], e.run.Verdict().Line, e.name)
	}
	assert.Equal(t, len(wanted), 0, "there is no example %v", wanted)
}

func TestAreaRows(t *testing.T) {
	c := func(id string, level suite.Level) suite.Case { return suite.Case{ID: id, Level: level} }
	one := func(c suite.Case, on suite.Target, outcome suite.Outcome) suite.Result {
		return suite.Result{Case: c, Target: on, Outcome: outcome, Duration: time.Second}
	}
	a, b, r := c("a/1", suite.Core), c("a/2", suite.Extended), c("b/1", suite.Informational)
	for name, row := range map[string]struct {
		results []suite.Result
		said    []string
	}{
		"all pass":          {[]suite.Result{one(a, workerA, suite.Conformant), one(a, workerB, suite.Conformant)}, []string{"a 2: 2 conformant"}},
		"the worst first":   {[]suite.Result{one(a, workerA, suite.Inconclusive), one(a, workerB, suite.NonConformant), one(b, workerA, suite.Skipped), one(b, workerB, suite.Exempted)}, []string{"a 4: 1 NON-CONFORMANT, 1 INCONCLUSIVE, 1 exempted, 1 skipped"}},
		"on one of them":    {[]suite.Result{one(a, workerA, suite.Conformant), one(a, workerB, suite.NonConformant)}, []string{"a 2: 1 NON-CONFORMANT, 1 conformant on " + workerB.Name()}},
		"one is missing":    {[]suite.Result{one(a, workerA, suite.Conformant), one(a, workerB, suite.Conformant), one(b, workerA, suite.Conformant)}, []string{"a 4: 1 not run, 3 conformant"}},
		"records":           {[]suite.Result{one(r, workerA, suite.NonConformant), one(r, workerB, suite.NonConformant)}, []string{"b 2: 2 differ"}},
		"in their order":    {[]suite.Result{one(r, workerA, suite.Conformant), one(a, workerA, suite.Planned)}, []string{"b 1: 1 as described", "a 1: 1 only planned"}},
		"nothing":           {nil, nil},
		"a record is apart": {[]suite.Result{one(r, workerA, suite.Inconclusive)}, []string{"b 1: 1 not measured"}},
	} {
		var run Run
		run.Results = row.results
		var said []string
		for _, area := range run.areaRows() {
			text, _ := area.outcomes()
			if len(area.targets) > 0 {
				text += " on " + strings.Join(area.targets, ", ")
			}
			said = append(said, fmt.Sprintf("%s %d: %s", area.name, area.results, text))
		}
		assert.Equal(t, strings.Join(said, "\n"), strings.Join(row.said, "\n"), name)
	}
}
