// Package bench measures what a run of the suite costs, beside a client that makes the same pods and
// does nothing else, and says whether it is within its budget.
package bench

import (
	_ "embed"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// Footprint is what a run makes on a cluster.
type Footprint struct {
	Pods  int `json:"pods"`
	Execs int `json:"execs"`
}

// Budget is what a run of a selection on so many targets may make.
type Budget struct {
	// Selection is Whole or Core.
	Selection string `json:"selection"`
	Targets   int    `json:"targets"`
	// Limit must not be exceeded; nil: nothing is enforced as yet.
	Limit *Footprint `json:"limit,omitempty"`
	// Goal is what is wanted.
	Goal Footprint `json:"goal"`
}

// What can be selected, of what has a budget.
const (
	Whole = "whole catalogue"
	Core  = "Core"
)

//go:embed budget.yaml
var budgetYAML []byte

// Budgets are all that there are. The error says what is wrong with the file.
func Budgets() ([]Budget, error) { return readBudgets(budgetYAML) }

func readBudgets(raw []byte) ([]Budget, error) {
	var all []Budget
	if err := yaml.UnmarshalStrict(raw, &all); err != nil {
		return nil, fmt.Errorf("budget.yaml: %w", err)
	}
	seen := map[string]bool{}
	for _, b := range all {
		name := b.name()
		switch {
		case b.Selection != Whole && b.Selection != Core:
			return nil, fmt.Errorf("budget.yaml: %s: the selection is %q or %q", name, Whole, Core)
		case b.Targets < 1, b.Goal.Pods < 1, b.Goal.Execs < 1:
			return nil, fmt.Errorf("budget.yaml: %s: targets and goals are positive", name)
		case b.Limit != nil && (b.Limit.Pods < b.Goal.Pods || b.Limit.Execs < b.Goal.Execs):
			return nil, fmt.Errorf("budget.yaml: %s: the goal is beyond the limit", name)
		case seen[name]:
			return nil, fmt.Errorf("budget.yaml: %s is there twice", name)
		}
		seen[name] = true
	}
	return all, nil
}

func (b Budget) name() string { return fmt.Sprintf("%s, %d targets", b.Selection, b.Targets) }

// Checked is a run beside its budget.
type Checked struct {
	Budget
	Made Footprint
}

// Check finds a run's budget. catalogue is what the suite has today. Its error says why the run
// cannot be compared: it did not come to its end, was of other cases, or has no budget.
func Check(d report.Document, catalogue []suite.Case, budgets []Budget) (Checked, error) {
	if d.Interrupted || d.Problem != "" || d.Verdict.NotRun > 0 {
		return Checked{}, fmt.Errorf("run %s did not come to its end: its pods and execs tell nothing", d.ID)
	}
	selection := selectionOf(d.Suite, catalogue)
	if selection == "" {
		return Checked{}, fmt.Errorf("run %s was of %d cases: only the whole catalogue (%d) and its Core cases (%d) have a budget",
			d.ID, d.Suite.Selected, len(catalogue), suite.CountLevels(catalogue)[suite.Core])
	}
	for _, b := range budgets {
		if b.Selection == selection && b.Targets == len(d.Targets) {
			return Checked{Budget: b, Made: Footprint{Pods: d.Stats.Pods, Execs: d.Stats.Execs}}, nil
		}
	}
	return Checked{}, fmt.Errorf("run %s was of the %s on %d targets: there is no budget for that", d.ID, selection, len(d.Targets))
}

func selectionOf(s report.Suite, catalogue []suite.Case) string {
	core := suite.CountLevels(catalogue)[suite.Core]
	switch {
	case s.Selected == len(catalogue):
		return Whole
	case s.Selected == core && s.SelectedByLevel[suite.Core] == core:
		return Core
	}
	return ""
}

// Exceeded says what is over the limit, or "".
func (c Checked) Exceeded() string {
	if c.Limit == nil {
		return ""
	}
	var over []string
	if c.Made.Pods > c.Limit.Pods {
		over = append(over, fmt.Sprintf("%d pods are more than %d", c.Made.Pods, c.Limit.Pods))
	}
	if c.Made.Execs > c.Limit.Execs {
		over = append(over, fmt.Sprintf("%d execs are more than %d", c.Made.Execs, c.Limit.Execs))
	}
	return strings.Join(over, ", ")
}

// String is one line: what was made, the limit and the goal.
func (c Checked) String() string {
	limits := [2]string{"none", "none"}
	if c.Limit != nil {
		limits = [2]string{fmt.Sprint(c.Limit.Pods), fmt.Sprint(c.Limit.Execs)}
	}
	return fmt.Sprintf("%s: %d pods (limit %s, goal %d), %d execs (limit %s, goal %d)", c.name(),
		c.Made.Pods, limits[0], c.Goal.Pods, c.Made.Execs, limits[1], c.Goal.Execs)
}

// BudgetTable is the budgets as a table of Markdown.
func BudgetTable(all []Budget) string {
	var b strings.Builder
	b.WriteString("| | targets | pods: limit | goal | execs: limit | goal |\n|---|--:|--:|--:|--:|--:|\n")
	for _, one := range all {
		pods, execs := "none", "none"
		if one.Limit != nil {
			pods, execs = fmt.Sprint(one.Limit.Pods), fmt.Sprint(one.Limit.Execs)
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %d | %s | %d |\n", one.Selection, one.Targets, pods, one.Goal.Pods, execs, one.Goal.Execs)
	}
	return b.String()
}
