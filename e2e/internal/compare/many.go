package compare

import (
	"fmt"
	"strings"

	"procns/e2e/internal/report"
)

// pairLine is what is said of a pair of targets, or of several together.
type pairLine struct{ names, what string }

// pairLines say what became of each target; where there are many, those of which the same is to be
// said share a line.
func (c Comparison) pairLines() []pairLine {
	var order []string
	names := map[string][]string{}
	var all []pairLine
	for _, pair := range c.Targets {
		name, what, _ := strings.Cut(pair.describe(), ": ")
		all = append(all, pairLine{name, what})
		if names[what] == nil {
			order = append(order, what)
		}
		names[what] = append(names[what], name)
	}
	if len(all) <= report.MostTargets {
		return all
	}
	var lines []pairLine
	told := 0
	for _, what := range order[:min(len(order), report.MostTargets)] {
		told += len(names[what])
		lines = append(lines, pairLine{fewNames(names[what], 3), what})
	}
	if more := len(all) - told; more > 0 {
		lines = append(lines, pairLine{fmt.Sprintf("… and %d more", more), order[report.MostTargets] + ", for one"})
	}
	return lines
}

// fewNames lists so many names, and counts the others.
func fewNames(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// toldGroups are the changes that people are told of, and how many others there are.
func (c Comparison) toldGroups() (some []group, more int) {
	all := c.groups()
	if len(c.Targets) <= report.MostTargets || len(all) <= report.MostTargets {
		return all, 0
	}
	return all[:report.MostTargets], len(all) - report.MostTargets
}

// on are the targets of a group, or a few of many.
func (g group) on() string {
	if len(g.targets) <= report.MostTargets {
		return strings.Join(g.targets, ", ")
	}
	return fewNames(g.targets, 3)
}
