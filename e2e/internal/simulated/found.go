package simulated

import (
	"fmt"
	"maps"
	"slices"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// Unfound says in what a report is not what it must be of nodes with these faults: a line for each node
// on which something else was found than what is wrong with it, and one where something was not run.
// Empty: each faulty node was found, and no other one.
func Unfound(d report.Document, faults map[string]Fault) []string {
	found := map[string]map[suite.Outcome]int{} // by node
	node := map[string]string{}                 // by target
	for _, t := range d.Targets {
		node[t.Name] = t.Node
	}
	for _, r := range d.Results {
		on := r.Target
		if name := node[on]; name != "" {
			on = name
		}
		if found[on] == nil {
			found[on] = map[suite.Outcome]int{}
		}
		found[on][r.Outcome]++
	}
	names := slices.Collect(maps.Keys(found))
	for name := range faults {
		if found[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var wrong []string
	for _, name := range names {
		wrong = append(wrong, faults[name].unfoundIn(name, found[name])...)
	}
	if n := d.Verdict.NotRun; n > 0 {
		wrong = append(wrong, fmt.Sprintf("%d results are missing", n))
	}
	return wrong
}

// unfoundIn compares what was found on a node with its fault.
func (f Fault) unfoundIn(node string, found map[suite.Outcome]int) []string {
	wrong, unclear, right := found[suite.NonConformant], found[suite.Inconclusive], found[suite.Conformant]
	said := fmt.Sprintf("node %s: %d conformant, %d non-conformant, %d inconclusive", node, right, wrong, unclear)
	switch {
	case f == Sound && wrong+unclear > 0:
		return []string{said + ", and nothing is wrong with it"}
	case f == Isolated && wrong == 0:
		return []string{said + ", and it does not share"}
	case f == Silent && (unclear == 0 || wrong+right > 0):
		return []string{said + ", and its kubelet never answered"}
	}
	return nil
}
