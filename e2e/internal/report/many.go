package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// MostTargets is how many targets are told of one by one. Where there are more, people are
// told of kinds of nodes, with a name for an example, and report.json is compact.
const MostTargets = 40

// mostNames is how many names stand in one line, where there are more than MostTargets.
const mostNames = 3

// many tells whether there are too many targets to tell of each.
func (r Run) many() bool { return len(r.targets()) > MostTargets }

// fewNames names them all, or a few and the number of the others.
func fewNames(all []string) string {
	if len(all) <= MostTargets {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:mostNames], ", "), len(all)-mostNames)
}

// beginning is the list as far as it is told, and how many more there are.
func beginning[T any](all []T) (some []T, more int) {
	if len(all) <= MostTargets {
		return all, 0
	}
	return all[:MostTargets], len(all) - MostTargets
}

// beginningOf is the same for a list that is not one of targets: it is told of as a whole
// where there are not many targets.
func beginningOf[T any](r Run, all []T) (some []T, more int) {
	if !r.many() {
		return all, 0
	}
	return beginning(all)
}

// andMore says how many are not told of.
func andMore(n int) string { return fmt.Sprintf("… and %d more", n) }

// modelOf are the targets of one model, in their order.
type modelOf struct {
	suite.Model
	targets []suite.Target
}

// models groups the targets, the most numerous first.
func (r Run) models() []modelOf {
	var all []modelOf
	places := map[suite.Model]int{}
	for _, t := range r.targets() {
		m := t.Model()
		i, known := places[m]
		if !known {
			i = len(all)
			places[m] = i
			all = append(all, modelOf{Model: m})
		}
		all[i].targets = append(all[i].targets, t)
	}
	slices.SortStableFunc(all, func(a, b modelOf) int { return cmp.Compare(len(b.targets), len(a.targets)) })
	return all
}

// targetLines says what the targets are: a line each, or a line a kind.
func (r Run) targetLines() []string {
	var lines []string
	if !r.many() {
		for _, t := range r.targets() {
			lines = append(lines, describe(t))
		}
		return lines
	}
	models, more := beginning(r.models())
	for _, m := range models {
		example := m.targets[0]
		about := example
		about.Node = ""
		lines = append(lines, fmt.Sprintf("%s such as %s: %s", wording.Count(len(m.targets), "node", "nodes"), example.Node, describe(about)))
	}
	if more > 0 {
		lines = append(lines, andMore(more)+" kinds of nodes")
	}
	return lines
}

// leftOut are the nodes on which nothing ran, with the reason: where there are many, those of
// one reason together.
func (r Run) leftOut() []LeftOut {
	if len(r.LeftOut) <= MostTargets {
		return r.LeftOut
	}
	var order []string
	names := map[string][]string{}
	for _, l := range r.LeftOut {
		if names[l.Reason] == nil {
			order = append(order, l.Reason)
		}
		names[l.Reason] = append(names[l.Reason], l.Node)
	}
	var all []LeftOut
	some, more := beginning(order)
	for _, reason := range some {
		all = append(all, LeftOut{shortNames(names[reason]), reason})
	}
	if more > 0 {
		all = append(all, LeftOut{andMore(more), "for other reasons"})
	}
	return all
}

// shortNames names a few, however many.
func shortNames(all []string) string {
	if len(all) <= mostNames {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:mostNames], ", "), len(all)-mostNames)
}

// outcomesOf says of each case how many of its results ended how, the worst first, and
// where those did that are no pass.
func (r Run) outcomesOf() map[string]string {
	type counted struct {
		suite.Counts
		failed []string
	}
	all := map[string]*counted{}
	level := map[string]suite.Level{}
	for _, result := range r.Results {
		id := result.Case.ID
		if all[id] == nil {
			all[id] = &counted{}
			level[id] = result.Case.Level
		}
		all[id].Add(result.Outcome)
		if result.Outcome.Failed() {
			all[id].failed = append(all[id].failed, result.Target.Name())
		}
	}
	said := map[string]string{}
	for id, c := range all {
		row := areaRow{judged: c.Counts, notRun: r.asked(id) - c.Total()}
		if level[id] == suite.Informational {
			row.judged, row.informed = suite.Counts{}, c.Counts
		}
		said[id], _ = row.outcomes()
		if len(c.failed) > 0 {
			said[id] += "; on " + shortNames(c.failed)
		}
	}
	return said
}
