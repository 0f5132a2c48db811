package runtimes

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"procns/e2e/internal/suite"
)

// Defects are what does not fit: a result that is not conformant and that nobody explains, and an
// explanation of what is not so. Of a part, explanations of what was not run are left alone.
func (f Found) Defects(all []Difference) []string {
	var defects []string
	for _, c := range f.Cases {
		if c.everywhere(f.Runtimes) {
			continue
		}
		for _, name := range f.Runtimes {
			outcome, ran := c.Outcomes[name]
			switch d := explanation(all, name, c.ID); {
			case !ran:
				defects = append(defects, fmt.Sprintf("%s has no result on %s", c.ID, name))
			case outcome == suite.Conformant && d >= 0:
				defects = append(defects, fmt.Sprintf("%s on %s is conformant, and explained as %s", c.ID, name, all[d].Outcome))
			case outcome != suite.Conformant && d < 0:
				defects = append(defects, fmt.Sprintf("%s on %s is %s, and not explained: %s", c.ID, name, outcome, c.Reasons[name]))
			case outcome != suite.Conformant && all[d].Outcome != outcome:
				defects = append(defects, fmt.Sprintf("%s on %s is %s, and explained as %s: %s", c.ID, name, outcome, all[d].Outcome, c.Reasons[name]))
			case d >= 0 && (all[d].Class == Differs) != (c.Level == suite.Informational) && outcome == suite.NonConformant && all[d].Class != SetUp:
				defects = append(defects, fmt.Sprintf("%s is %s: on %s it cannot be of the class %s", c.ID, c.Level, name, all[d].Class))
			}
		}
	}
	if f.Part {
		return defects
	}
	for _, d := range all {
		for _, id := range d.Cases {
			at := slices.IndexFunc(f.Cases, func(c Case) bool { return c.ID == id })
			switch {
			case at < 0 || !slices.Contains(f.Runtimes, d.Runtime):
				defects = append(defects, fmt.Sprintf("%s on %s is explained, and was not run", id, d.Runtime))
			case f.Cases[at].everywhere(f.Runtimes):
				defects = append(defects, fmt.Sprintf("%s on %s is explained, and was skipped on every runtime", id, d.Runtime))
			}
		}
	}
	return defects
}

// ran tells whether a case has a result on a runtime.
func (f Found) ran(id, runtime string) bool {
	return slices.ContainsFunc(f.Cases, func(c Case) bool { return c.ID == id && c.Outcomes[runtime] != "" })
}

// explanation is the place of the one for a case on a runtime, or -1.
func explanation(all []Difference, runtime, id string) int {
	return slices.IndexFunc(all, func(d Difference) bool { return d.Runtime == runtime && slices.Contains(d.Cases, id) })
}

// WritePage writes the page: how much is conformant, the cases that are not so everywhere, and why.
func (f Found) WritePage(w io.Writer, all []Difference) error {
	out := bufio.NewWriter(w)
	p := func(format string, args ...any) { fmt.Fprintf(out, format, args...) }
	p("# Container runtimes\n\n")
	p("What do container runtimes make of the claims? `make runtimes-e2e` makes a kind cluster of which one worker has several,\n")
	p("runs the whole catalogue on each, and writes this page from the report and from the explanations in\n")
	p("`e2e/internal/runtimes/differences.yaml`. A result that is not conformant and not explained makes it fail, and so does\n")
	p("an explanation that is not needed. Each runtime is a RuntimeClass; `default` is the node's own.\n\n")
	if f.Part {
		p("**Only a part was run**: %d of the catalogue's cases, on these runtimes. The others are not on this page.\n\n", len(f.Cases))
	}
	p("Made on: %s.\n\n", strings.Join(f.Made, " · "))
	f.writeCounts(p)
	if defects := f.Defects(all); len(defects) > 0 {
		p("\n## Not as it must be\n\n")
		for _, d := range defects {
			p("- %s\n", markdown(d))
		}
	}
	f.writeDifferences(p, all)
	for _, part := range titles {
		var of []Difference
		for _, d := range all {
			if d.Class == part.class && slices.ContainsFunc(d.Cases, func(id string) bool { return f.ran(id, d.Runtime) }) {
				of = append(of, d)
			}
		}
		if len(of) == 0 {
			continue
		}
		p("\n## %s\n\n%s\n\n", part.title, part.about)
		for _, d := range of {
			p("- **%s**: %s", d.Runtime, markdown(strings.TrimSpace(d.Why)))
			if d.Link != "" {
				p(" <%s>", d.Link)
			}
			p("\n  (%s)\n", strings.Join(slices.DeleteFunc(slices.Clone(d.Cases), func(id string) bool { return !f.ran(id, d.Runtime) }), ", "))
		}
	}
	f.writeSkipped(p)
	return out.Flush()
}

// writeCounts tells how many cases ended in each way on each runtime.
func (f Found) writeCounts(p func(string, ...any)) {
	outcomes := []suite.Outcome{suite.Conformant, suite.NonConformant, suite.Inconclusive, suite.Skipped}
	p("| Runtime | Version | Conformant | Non-conformant | Differs | Inconclusive | Skipped |\n|---|---|--:|--:|--:|--:|--:|\n")
	for _, name := range f.Runtimes {
		count, differs := map[suite.Outcome]int{}, 0
		for _, c := range f.Cases {
			if c.Level == suite.Informational && c.Outcomes[name] == suite.NonConformant {
				differs++
				continue
			}
			count[c.Outcomes[name]]++
		}
		p("| %s | %s | %d | %d | %d | %d | %d |\n", name, markdown(f.Versions[name]),
			count[outcomes[0]], count[outcomes[1]], differs, count[outcomes[2]], count[outcomes[3]])
	}
}

// writeDifferences is the table of what is not conformant on every runtime.
func (f Found) writeDifferences(p func(string, ...any), all []Difference) {
	var rows []Case
	for _, c := range f.Cases {
		differs := slices.ContainsFunc(f.Runtimes, func(name string) bool { return c.Outcomes[name] != suite.Conformant })
		if differs && !c.everywhere(f.Runtimes) {
			rows = append(rows, c)
		}
	}
	p("\n## Where they differ\n\n")
	if len(rows) == 0 {
		p("Nowhere: every case is conformant on each of them, or was skipped on all.\n")
		return
	}
	p("What is conformant is left empty; of a claim that is not in the table every runtime is conformant.\n\n")
	p("| Claim | Level | %s |\n|---|---|%s\n", strings.Join(f.Runtimes, " | "), strings.Repeat("---|", len(f.Runtimes)))
	for _, c := range rows {
		p("| %s | %s |", c.ID, c.Level)
		for _, name := range f.Runtimes {
			p(" %s |", f.cell(c, name, all))
		}
		p("\n")
	}
}

// cell is an outcome, with its class where the outcome alone does not tell.
func (f Found) cell(c Case, runtime string, all []Difference) string {
	outcome, ran := c.Outcomes[runtime]
	if !ran {
		return "not run"
	}
	if outcome == suite.Conformant {
		return ""
	}
	text := outcome.In(c.Level)
	if outcome == suite.NonConformant && c.Level != suite.Informational {
		text = "**" + text + "**"
	}
	switch d := explanation(all, runtime, c.ID); {
	case d < 0:
		text += " (not explained)"
	case all[d].Class == SetUp:
		text += " (this cluster)"
	}
	return text
}

// writeSkipped lists what was skipped on every runtime, with the suite's reason.
func (f Found) writeSkipped(p func(string, ...any)) {
	said := false
	for _, c := range f.Cases {
		if !c.everywhere(f.Runtimes) {
			continue
		}
		if !said {
			p("\n## Skipped on every runtime\n\nThis cluster lacks what they are about.\n\n")
			said = true
		}
		p("- %s: %s\n", c.ID, markdown(c.Reasons[f.Runtimes[0]]))
	}
}

// markdown keeps text on one line, and from being taken for marks.
func markdown(text string) string {
	return strings.NewReplacer("*", `\*`, "|", `\|`, "<", `\<`, "\n", " ").Replace(text)
}
