package matrix

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"procns/e2e/internal/sabotage/mutants"
	"procns/e2e/internal/suite"
)

// WriteDocument writes docs/SABOTAGE.md: what was broken, who noticed, and what is not as
// it must be.
func (m Matrix) WriteDocument(w io.Writer, c Catalogue, all []mutants.Mutant) error {
	defects, err := m.Check(c, all)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	p := func(format string, args ...any) { fmt.Fprintf(out, format, args...) }
	p("# Sabotage\n\n")
	p("Can each case fail? `make sabotage` breaks a real cluster on purpose, in one way after another, and runs the suite\n")
	p("against each. This page is written from what it found, and from the list of mutants in\n")
	p("`e2e/internal/sabotage/mutants/mutants.go`. How to add one: [ADDING_A_MUTANT.md](ADDING_A_MUTANT.md).\n\n")
	p("A mutant is **killed** by a case that is non-conformant under it, and **survives** one that is conformant. Where a\n")
	p("case is **inconclusive**, the suite could not tell, and said so: that is right only for the reasons given here.\n")
	p("Some mutants must be **noticed** so, and neither be killed nor survive: what they change is not the doing of what is\n")
	p("judged. Others are **harmless**: what they change is allowed, and no case may say anything else than without them.\n")
	p("Informational cases have no verdict and kill nothing: where one *differs* is told, and is not counted.\n\n")
	var on []string
	for _, name := range slices.Sorted(maps.Keys(m.On)) {
		on = append(on, name+" "+m.On[name])
	}
	if len(on) > 0 {
		p("Made on: %s.\n\n", strings.Join(on, " · "))
	}
	p("%s\n\n", m.summary(c, all))
	for _, one := range c.Cases {
		if m.inapplicable(one.ID) {
			p("%s was skipped under every mutant: this cluster lacks what it is about, and another has to show that it can fail.\n\n", one.ID)
		}
	}
	if len(defects) > 0 {
		p("## Not as it must be\n\n")
		for _, d := range defects {
			p("- %s\n", markdown(d.String()))
		}
		p("\n")
	}
	p("## Mutants\n\n| Mutant | What is broken | Killed by | Survives | Inconclusive |\n|---|---|--:|--:|--:|\n")
	for _, mutant := range all {
		name := mutant.Name
		if m.Mutants[name] == nil {
			p("| [%s](#%s) | %s | not tried | | |\n", name, name, mutant.Breaks)
			continue
		}
		p("| [%s](#%s) | %s | %d | %d | %d |\n", name, name, mutant.Breaks,
			len(m.judged(c, name, Killed)), len(m.judged(c, name, Survived)), len(m.judged(c, name, Inconclusive)))
	}
	p("\n## Cases\n\n| Case | Level | Killed | Inconclusive | Survived |\n|---|---|---|---|--:|\n")
	for _, one := range c.Cases {
		killed := strings.Join(m.of(one.ID, Killed), ", ")
		if one.Level == suite.Informational && killed != "" {
			killed = "*differs:* " + killed
		}
		p("| %s | %s | %s | %s | %d |\n", one.ID, one.Level, killed,
			strings.Join(m.of(one.ID, Inconclusive), ", "), len(m.of(one.ID, Survived)))
	}
	for _, mutant := range all {
		if err := m.writeMutant(out, c, mutant); err != nil {
			return err
		}
	}
	return out.Flush()
}

// summary is the figures in one sentence.
func (m Matrix) summary(c Catalogue, all []mutants.Mutant) string {
	tried, killed, noticed, harmless, must, can := 0, 0, 0, 0, 0, 0
	for _, mutant := range all {
		if m.Mutants[mutant.Name] == nil || mutant.Name == mutants.Control {
			continue
		}
		tried++
		switch {
		case mutant.Harmless != "":
			harmless++
		case len(m.judged(c, mutant.Name, Killed)) > 0:
			killed++
		case len(mutant.Notices) > 0 && len(m.judged(c, mutant.Name, Inconclusive)) > 0:
			noticed++
		}
	}
	for _, one := range c.Cases {
		if one.Level == suite.Informational {
			continue
		}
		must++
		if len(m.of(one.ID, Killed)) > 0 {
			can++
		}
	}
	also := ""
	if noticed > 0 {
		also += fmt.Sprintf(", %d noticed without a verdict", noticed)
	}
	if harmless > 0 {
		also += fmt.Sprintf(", %d harmless", harmless)
	}
	return fmt.Sprintf("%d of %d mutants were tried, besides the control, and %d were killed%s; %d of the %d Core and Extended cases kill at least one.",
		tried, len(all)-1, killed, also, can, must)
}

// writeMutant tells of one mutant what fell, and why.
func (m Matrix) writeMutant(out io.Writer, c Catalogue, mutant mutants.Mutant) error {
	p := func(format string, args ...any) { fmt.Fprintf(out, format, args...) }
	p("\n## %s\n\n%s\n\n- imitates: %s\n- broken by: %s\n", mutant.Name, mutant.Breaks, mutant.Imitates, how(mutant))
	run := "all cases but the disruptions"
	if len(mutant.Run) > 0 {
		run = strings.Join(mutant.Run, ", ")
	}
	if len(mutant.Disruptions) > 0 {
		run += "; then " + strings.Join(mutant.Disruptions, ", ")
	}
	p("- runs: %s\n", markdown(run))
	if mutant.Confined != "" {
		p("- confined to these: %s\n", mutant.Confined)
	}
	if mutant.Harmless != "" {
		p("- harmless, because %s\n", mutant.Harmless)
	}
	for _, group := range []struct {
		cell     Cell
		title    string
		expected []mutants.Expected
	}{{Killed, "killed by", slices.Concat(mutant.Falls, mutant.Chance)}, {Inconclusive, "inconclusive", slices.Concat(mutant.Notices, mutant.Blurs)}} {
		why, err := c.Expand(group.expected)
		if err != nil {
			return fmt.Errorf("the mutant %s: %w", mutant.Name, err)
		}
		for _, reason := range reasons(m.judged(c, mutant.Name, group.cell), why) {
			p("- %s%s: %s\n", group.title, reason.text, strings.Join(reason.ids, ", "))
		}
	}
	if differ := slices.DeleteFunc(m.Of(mutant.Name, Killed), func(id string) bool { return !c.informational(id) }); len(differ) > 0 {
		p("- differs, of the Informational cases: %s\n", strings.Join(differ, ", "))
	}
	return nil
}

type reason struct {
	text string
	ids  []string
}

// reasons groups cases by why they ended as they did; those without a reason come first.
func reasons(ids []string, why map[string]string) []reason {
	grouped := map[string][]string{}
	for _, id := range ids {
		grouped[why[id]] = append(grouped[why[id]], id)
	}
	var all []reason
	for _, text := range slices.Sorted(maps.Keys(grouped)) {
		one := reason{ids: grouped[text]}
		if text != "" {
			one.text = ", because " + text
		}
		all = append(all, one)
	}
	return all
}

func how(m mutants.Mutant) string {
	switch {
	case m.Runtime != nil:
		return "a wrapper in front of runc, as a runtime handler of the node"
	case m.Admission != nil:
		return "a mutating admission webhook"
	case m.Policy != nil:
		return "a validating admission policy"
	case m.Gateway != nil:
		return "a gateway in front of the API server"
	}
	return "a setting of the node"
}

// markdown keeps text on one line, and from being taken for marks.
func markdown(text string) string {
	return strings.NewReplacer("*", `\*`, "|", `\|`, "<", `\<`, "\n", " ", "@shares", "those whose control is the pod without the field",
		"@isolated", "those whose control is the pod with the field").Replace(text)
}
