package compare

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

var _ report.Comparison = Comparison{}

// ExitCode is 1 where something regressed, 2 where that could not be told, and else 0.
func (c Comparison) ExitCode() int { return c.Verdict.ExitCode }

// Line says it all in one line.
func (c Comparison) Line() string { return c.Verdict.Line }

// WriteJSON writes the comparison as a document of its own.
func (c Comparison) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(c)
}

// WriteText writes the comparison for a terminal, without its last line.
func (c Comparison) WriteText(w io.Writer) error {
	out := bufio.NewWriter(w)
	line := func(label, text string) {
		fmt.Fprintf(out, "%-11s%s\n", label, probe.Visible(text, false))
	}
	line("baseline", c.Baseline.describe())
	line("now", c.Now.describe())
	for _, pair := range c.pairLines() {
		line("target", pair.names+": "+pair.what)
	}
	for _, note := range c.Notes {
		line("note", note)
	}
	groups, more := c.toldGroups()
	for _, g := range groups {
		line(g.label(), g.describe())
	}
	if more > 0 {
		line("…", fmt.Sprintf("and %d more: -compare -o json has them", more))
	}
	if n := c.notSelected(); n > 0 {
		line(string(Gone), fmt.Sprintf("%d results: %s", n, notSelected))
	}
	line("unchanged", fmt.Sprint(c.Counts[Unchanged]))
	return out.Flush()
}

// WriteLine writes the verdict of a comparison that stands alone.
func (c Comparison) WriteLine(w io.Writer) error {
	_, err := fmt.Fprintf(w, "procns: %s\n", probe.Visible(c.Verdict.Line, false))
	return err
}

// WriteMarkdown writes the comparison below a heading of the second level.
func (c Comparison) WriteMarkdown(w io.Writer) error {
	out := bufio.NewWriter(w)
	p := func(format string, args ...any) {
		for i, a := range args {
			args[i] = report.MarkdownText(fmt.Sprint(a))
		}
		fmt.Fprintf(out, format, args...)
	}
	p("## Compared with an earlier run\n\n**%s**\n\n", c.Verdict.Line)
	p("- baseline: %s\n- now: %s\n", c.Baseline.describe(), c.Now.describe())
	for _, note := range c.Notes {
		p("- note: %s\n", note)
	}
	p("\n| target | before → now |\n|---|---|\n")
	for _, pair := range c.pairLines() {
		p("| %s | %s |\n", pair.names, pair.what)
	}
	p("\n|")
	for _, word := range Words {
		p(" %s |", word)
	}
	fmt.Fprintf(out, "\n|%s\n|", strings.Repeat("--:|", len(Words)))
	for _, word := range Words {
		p(" %s |", fmt.Sprint(c.Counts[word]))
	}
	p("\n")
	if groups, more := c.toldGroups(); len(groups) > 0 {
		p("\n| | case | level | on | before | now | why |\n|---|---|---|---|---|---|---|\n")
		for _, g := range groups {
			p("| %s | %s | %s | %s | %s | %s | %s |\n", g.Word, g.ID, g.Level, g.on(),
				told(g.Before, g.Level), told(g.Now, g.Level), g.why())
		}
		if more > 0 {
			p("\n… and %s more\n", fmt.Sprint(more))
		}
	}
	return out.Flush()
}

func (s Side) describe() string {
	text := s.name() + ", judged by procns " + cmp.Or(s.Suite, "unknown")
	if !s.Started.IsZero() {
		text += " at " + s.Started.UTC().Format(time.DateTime) + " UTC"
	}
	return text + ": " + cmp.Or(string(s.Verdict), "no verdict")
}

func (p Pair) describe() string {
	switch {
	case p.Now == nil && p.Covered != "":
		return p.Name() + ": vanished; " + p.Covered + " is of the same kind (runtime class, system, runtime, architecture)"
	case p.Now == nil:
		return p.Name() + ": vanished, and no target is of its kind: whether it still behaves is not known"
	case p.Before == nil:
		return fmt.Sprintf("%s: new (kubelet %s, %s)", p.Name(), p.Now.Kubelet, p.Now.Runtime)
	case p.How == ByKind:
		return fmt.Sprintf("%s: in the place of %s, which vanished and was of the same kind: %s", p.Name(), p.Before.Name(), p.changed())
	case p.Before.Name() != p.Now.Name():
		return fmt.Sprintf("%s: was %s: %s", p.Name(), p.Before.Name(), p.changed())
	}
	return p.Name() + ": " + p.changed()
}

// group is one change on several targets: it is told once.
type group struct {
	Change
	targets []string
}

// groups joins the changes that differ in nothing but the target. Those of a
// target that vanished, or is new as a whole, are told with the target, and those
// that were not selected in a number.
func (c Comparison) groups() []group {
	half := map[string]bool{}
	for _, pair := range c.Targets {
		half[pair.Name()] = pair.Before == nil || pair.Now == nil
	}
	var all []group
	places := map[Change]int{}
	for _, change := range c.Changes {
		if half[change.Target] || change.Reason == notSelected {
			continue
		}
		target := change.Target
		change.Target = ""
		if i, known := places[change]; known {
			all[i].targets = append(all[i].targets, target)
			continue
		}
		places[change] = len(all)
		all = append(all, group{change, []string{target}})
	}
	return all
}

func (c Comparison) notSelected() int {
	n := 0
	for _, change := range c.Changes {
		if change.Reason == notSelected {
			n++
		}
	}
	return n
}

// label is the word, in large letters where it counts.
func (g group) label() string {
	if g.counts() && (g.Word == Regressed || g.Word == Unclear) {
		return strings.ToUpper(string(g.Word))
	}
	return string(g.Word)
}

func (g group) describe() string {
	text := fmt.Sprintf("%s on %s [%s]: %s → %s", g.ID, g.on(), g.Level, told(g.Before, g.Level), told(g.Now, g.Level))
	if why := g.why(); why != "" {
		text += ": " + why
	}
	return text
}

func (g group) why() string {
	var all []string
	switch {
	case g.Exempted:
		all = append(all, "exempted, it does not count")
	case g.NotRequired && (g.Word == Regressed || g.Word == Unclear):
		all = append(all, "its level does not count by -require core")
	}
	if g.Reworded {
		all = append(all, "the two reports claim not quite the same")
	}
	if g.Reason != "" {
		all = append(all, g.Reason)
	}
	return strings.Join(all, "; ")
}

// told is an outcome as a word, also where there is none.
func told(o suite.Outcome, in suite.Level) string { return cmp.Or(o.In(in), "none") }
