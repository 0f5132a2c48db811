package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"procns/e2e/internal/suite"
)

// kindPart is the part of a run that is about one kind of target: where there are many
// targets, JUnit and Sonobuoy are told of these.
type kindPart struct {
	Run
	kind suite.Kind
	name string // of the kind, without a version
}

// perKind are the parts of the run, in the order of the kinds' first targets.
func (r Run) perKind() []kindPart {
	var parts []kindPart
	places := map[string]int{}
	place := func(t suite.Target) *kindPart {
		kind := t.Kind()
		name := kind.ID()
		i, known := places[name]
		if !known {
			i = len(parts)
			places[name] = i
			part := kindPart{r, kind, name}
			part.Targets, part.Results = nil, nil
			parts = append(parts, part)
		}
		return &parts[i]
	}
	at := map[string]*kindPart{}
	targets := r.targets()
	for _, t := range targets {
		place(t)
	}
	for _, t := range targets { // the list does not grow any more
		part := place(t)
		part.Targets = append(part.Targets, t)
		at[t.Name()] = part
	}
	for _, result := range r.Results {
		part := at[result.Target.Name()]
		part.Results = append(part.Results, result)
	}
	return parts
}

// together is what became of one case on all targets of a kind.
type together struct {
	// first is a result that says most of it: where one decides, the worst.
	first   suite.Result
	alike   []suite.Result // those that ended like the first one, and it
	said    string         // how many ended how
	targets int
	took    time.Duration
}

// joined are the cases of a level, in their order, each with all its results.
func (k kindPart) joined(level suite.Level) []together {
	var order []string
	results := map[string][]suite.Result{}
	for _, result := range k.Results {
		if levelOf(result.Case) != level {
			continue
		}
		id := result.Case.ID
		if results[id] == nil {
			order = append(order, id)
		}
		results[id] = append(results[id], result)
	}
	said := k.outcomesOf()
	var all []together
	for _, id := range order {
		t := together{said: said[id], targets: len(k.Targets)}
		t.first = slices.MinFunc(results[id], func(a, b suite.Result) int { return cmp.Compare(k.weight(a), k.weight(b)) })
		for _, result := range results[id] {
			t.took += result.Duration
			if k.weight(result) == k.weight(t.first) {
				t.alike = append(t.alike, result)
			}
		}
		all = append(all, t)
	}
	return all
}

// weight orders results by what they mean for one that stands for all. One that is no pass and
// was run outweighs every pass, and a pass what did not apply.
func (r Run) weight(result suite.Result) int {
	nonConformant, inconclusive := r.counts(result)
	switch {
	case nonConformant:
		return 0
	case inconclusive:
		return 1
	case r.notDeciding(result) != "":
		return 2
	case result.Outcome == suite.Exempted:
		return 3
	case result.Outcome == suite.Planned:
		return 4
	case isRecord(result) && result.Outcome == suite.Inconclusive:
		return 7
	case result.Outcome == suite.Skipped:
		return 6
	}
	return 5
}

// where says on how many targets, and on which.
func (t together) where() string {
	if len(t.alike) == t.targets {
		return fmt.Sprintf("on all %d targets", t.targets)
	}
	var names []string
	for _, result := range t.alike {
		names = append(names, result.Target.Name())
	}
	return fmt.Sprintf("on %d of %d targets (%s)", len(t.alike), t.targets, shortNames(names))
}

// junitSuiteOfKind is the suite of one level on all targets of a kind: a case is one of the
// catalogue's, and fails if it fails on any of them.
func (k kindPart) junitSuiteOfKind(id int, level suite.Level) junitSuite {
	s := k.emptySuite(id, "procns."+strings.ToLower(string(level))+"."+k.name)
	properties := []field{{"level", string(level)}}
	for _, row := range k.levelRows() {
		if row.level == level {
			properties = append(properties, field{"verdict", row.verdict}, field{"results", row.text})
		}
	}
	for _, p := range append(properties, []field{
		{"targets", fmt.Sprint(len(k.Targets))}, {"runtimeClass", k.kind.RuntimeClass}, {"system", k.kind.System},
		{"architecture", k.kind.Architecture}, {"runtime", k.kind.Runtime},
	}...) {
		if p.text != "" {
			s.AddProperty(p.name, clean(p.text, oneLine))
		}
	}
	var total time.Duration
	for _, t := range k.joined(level) {
		c := k.junitCase(t.first, "procns."+k.name)
		c.Time = junitSeconds(t.took.Seconds())
		total += t.took
		k.tellWhere(&c, t)
		s.add(c)
	}
	s.Time = junitSeconds(total.Seconds())
	return s
}

// tellWhere has a case that stands for many tell on which targets it ended so.
func (k kindPart) tellWhere(c *junitCase, t together) {
	var more strings.Builder
	for _, result := range t.alike[1:min(len(t.alike), mostNames)] {
		more.WriteString("\n")
		writeFields(&more, "", k.ofResult(result))
	}
	if n := len(t.alike) - mostNames; n > 0 {
		fmt.Fprintf(&more, "\n%s: report.json has them\n", andMore(n))
	}
	for _, said := range []*junit.Result{c.Failure, c.Skipped} {
		if said != nil {
			said.Message += clean("; "+t.where()+": "+t.said, oneLine)
			said.Data += more.String()
		}
	}
	if c.Failure == nil && c.Skipped == nil {
		text := clean(t.said, oneLine)
		if c.SystemOut != nil {
			text += "\non " + clean(t.first.Target.Name(), oneLine) + ":\n" + c.SystemOut.Data
		}
		c.SystemOut = &junit.Output{Data: text}
	}
}

// sonobuoyByKind are Sonobuoy's entries where there are many targets: by kind, and in it by case.
func (r Run) sonobuoyByKind() []SonobuoyItem {
	var all []SonobuoyItem
	for _, k := range r.perKind() {
		if len(k.Results) == 0 {
			continue
		}
		item := SonobuoyItem{Name: clean(k.name, oneLine), Meta: filledMap([]field{{"targets", fmt.Sprint(len(k.Targets))}})}
		for _, level := range allLevels {
			for _, t := range k.joined(level) {
				leaf := r.sonobuoyLeaf(t.first)
				leaf.Name = clean(t.first.Case.ID+" "+t.where(), oneLine)
				if leaf.Details == nil {
					leaf.Details = map[string]string{}
				}
				leaf.Details["outcomes"] = clean(t.said, oneLine)
				item.Items = append(item.Items, leaf)
			}
		}
		item.Status = worst(item.Items)
		all = append(all, item)
	}
	return all
}

// allLevels are in the order of JUnit's suites.
var allLevels = []suite.Level{suite.Core, suite.Extended, suite.Informational}
