package preflight

import (
	"fmt"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
	"procns/e2e/internal/wording"
)

// mostLines is how many lines the table has of nodes, one each. Where there are more nodes,
// those of which the same is to be said share a line.
const mostLines = 40

// line is what is said of one name, or of several.
type line struct{ names, text string }

// together joins the lines of which the same is said, if there are more than mostLines; of
// what there is then, it tells so many, and how many names are behind the others.
func together(all []line) []line {
	if len(all) <= mostLines {
		return all
	}
	var order []string
	names := map[string][]string{}
	for _, l := range all {
		if names[l.text] == nil {
			order = append(order, l.text)
		}
		names[l.text] = append(names[l.text], l.names)
	}
	var joined []line
	told := 0
	for _, text := range order[:min(mostLines, len(order))] {
		told += len(names[text])
		joined = append(joined, line{wording.Names(names[text], wording.Few), text})
	}
	if more := len(all) - told; more > 0 {
		joined = append(joined, line{fmt.Sprintf("… and %d more", more), order[mostLines] + ", for one"})
	}
	return joined
}

// ofManyTargets has a line for each kind of node, and for each reason to leave nodes out.
func ofManyTargets(name string, selection targets.Selection) []Check {
	type key struct {
		suite.Model
		tolerated bool
	}
	var order []key
	nodes := map[key][]string{}
	for _, t := range selection.Targets {
		k := key{t.Model(), len(selection.Tolerations[t.Node]) > 0}
		if nodes[k] == nil {
			order = append(order, k)
		}
		nodes[k] = append(nodes[k], t.Name())
	}
	var checks []Check
	for i, k := range order {
		if i == mostLines {
			checks = append(checks, Check{name, OK, fmt.Sprintf("… and %d more kinds of nodes", len(order)-i)})
			break
		}
		said := fmt.Sprintf("%s: %s, kernel %s %s, %s, kubelet %s", wording.Names(nodes[k], wording.Few), k.OSImage, k.Kernel, k.Architecture, k.Runtime, k.Kubelet)
		if k.tolerated {
			said += ", tainted and tolerated"
		}
		checks = append(checks, Check{name, OK, said})
	}
	var out []line
	for _, l := range selection.LeftOut {
		out = append(out, line{l.Node, l.Reason})
	}
	verb := " is left out: "
	if len(out) > mostLines {
		verb = " are left out: "
	}
	for _, l := range together(out) {
		checks = append(checks, Check{name, Note, l.names + verb + l.text})
	}
	return checks
}
