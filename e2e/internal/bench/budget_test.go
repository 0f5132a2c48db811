package bench

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gotest.tools/v3/golden"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// catalogue has three cases, two of them Core.
var catalogue = []suite.Case{{ID: "a/one", Level: suite.Core}, {ID: "a/two", Level: suite.Core}, {ID: "b/three", Level: suite.Extended}}

func runOf(selected, core, targets, pods, execs int) report.Document {
	var d report.Document
	d.ID = "r"
	d.Suite = report.Suite{CaseCount: len(catalogue), Selected: selected, SelectedByLevel: map[suite.Level]int{suite.Core: core, suite.Extended: selected - core}}
	d.Targets = make([]report.Target, targets)
	d.Stats.Pods, d.Stats.Execs = pods, execs
	return d
}

func TestCheck(t *testing.T) {
	budgets := []Budget{
		{Selection: Whole, Targets: 2, Limit: &Footprint{Pods: 100, Execs: 1000}, Goal: Footprint{Pods: 50, Execs: 500}},
		{Selection: Core, Targets: 2, Goal: Footprint{Pods: 20, Execs: 200}},
	}
	interrupted := runOf(3, 2, 2, 1, 1)
	interrupted.Interrupted = true
	problem := runOf(3, 2, 2, 1, 1)
	problem.Problem = "no cluster"
	missing := runOf(3, 2, 2, 1, 1)
	missing.Verdict.NotRun = 1
	for name, c := range map[string]struct {
		run                   report.Document
		line, exceeded, fails string
	}{
		"within":             {run: runOf(3, 2, 2, 100, 1000), line: "whole catalogue, 2 targets: 100 pods (limit 100, goal 50), 1000 execs (limit 1000, goal 500)"},
		"too many pods":      {run: runOf(3, 2, 2, 101, 1000), line: "whole catalogue, 2 targets: 101 pods (limit 100, goal 50), 1000 execs (limit 1000, goal 500)", exceeded: "101 pods are more than 100"},
		"too many execs":     {run: runOf(3, 2, 2, 1, 1001), line: "whole catalogue, 2 targets: 1 pods (limit 100, goal 50), 1001 execs (limit 1000, goal 500)", exceeded: "1001 execs are more than 1000"},
		"both":               {run: runOf(3, 2, 2, 101, 1001), line: "whole catalogue, 2 targets: 101 pods (limit 100, goal 50), 1001 execs (limit 1000, goal 500)", exceeded: "101 pods are more than 100, 1001 execs are more than 1000"},
		"no limit":           {run: runOf(2, 2, 2, 900, 9000), line: "Core, 2 targets: 900 pods (limit none, goal 20), 9000 execs (limit none, goal 200)"},
		"other targets":      {run: runOf(3, 2, 1, 1, 1), fails: "on 1 targets: there is no budget for that"},
		"some cases":         {run: runOf(1, 1, 2, 1, 1), fails: "was of 1 cases: only the whole catalogue (3) and its Core cases (2)"},
		"as many, not Core":  {run: runOf(2, 1, 2, 1, 1), fails: "was of 2 cases"},
		"interrupted":        {run: interrupted, fails: "did not come to its end"},
		"with a problem":     {run: problem, fails: "did not come to its end"},
		"results are missed": {run: missing, fails: "did not come to its end"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Check(c.run, catalogue, budgets)
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.line, got.String())
			require.Equal(t, c.exceeded, got.Exceeded())
		})
	}
}

func TestReadBudgets(t *testing.T) {
	for name, c := range map[string]struct{ raw, fails string }{
		"right":         {raw: "- {selection: Core, targets: 1, goal: {pods: 1, execs: 1}}"},
		"unknown field": {raw: "- {selection: Core, targets: 1, goals: {}}", fails: "unknown field"},
		"unknown name":  {raw: "- {selection: core, targets: 1, goal: {pods: 1, execs: 1}}", fails: "the selection is"},
		"no goal":       {raw: "- {selection: Core, targets: 1}", fails: "positive"},
		"goal beyond":   {raw: "- {selection: Core, targets: 1, limit: {pods: 1, execs: 1}, goal: {pods: 2, execs: 1}}", fails: "beyond the limit"},
		"twice":         {raw: "- {selection: Core, targets: 1, goal: {pods: 1, execs: 1}}\n- {selection: Core, targets: 1, goal: {pods: 1, execs: 1}}", fails: "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readBudgets([]byte(c.raw))
			if c.fails == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.fails)
			}
		})
	}
}

// TestBudgetPage: docs/BENCHMARKS.md says what budget.yaml says. -update writes it.
func TestBudgetPage(t *testing.T) {
	const file = "../../../docs/BENCHMARKS.md"
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	budgets, err := Budgets()
	require.NoError(t, err)
	right, err := WithSection(string(page), "budget", BudgetTable(budgets))
	require.NoError(t, err)
	golden.Assert(t, right, "../"+file)
	_, err = WithSection(right, "figures", "") // which make bench writes
	require.NoError(t, err)
}

func TestWithSection(t *testing.T) {
	const page = "above\n<!-- x: begin, by a program -->\nold\n<!-- x: end -->\nbelow\n"
	const want = "above\n<!-- x: begin, by a program -->\n\nnew\n\n<!-- x: end -->\nbelow\n"
	got, err := WithSection(page, "x", "\nnew\n")
	require.NoError(t, err)
	require.Equal(t, want, got)
	again, err := WithSection(got, "x", "new")
	require.NoError(t, err)
	require.Equal(t, want, again)
	for name, broken := range map[string]string{
		"no marker":      "above\n",
		"no end":         "<!-- x: begin -->\nold\n",
		"twice":          page + page,
		"end first":      "<!-- x: end -->\n<!-- x: begin -->\n",
		"not closed":     "<!-- x: begin\nold <!-- x: end -->\n",
		"another's name": strings.ReplaceAll(page, " x:", " y:"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := WithSection(broken, "x", "new")
			require.Error(t, err)
		})
	}
}
