package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"procns/e2e/internal/suite"
)

// alike is something that is said of several results.
type alike struct {
	text    string
	cases   []string
	targets []string
}

// group collects the results of which the same is said, in their order; of those of
// which nothing is said, it knows nothing. Each case of a group is meant on each of its
// targets.
func group(results []suite.Result, say func(suite.Result) string) []alike {
	type key struct{ text, more string }
	var byCase, groups []alike
	places := map[key]int{}
	join := func(all *[]alike, k key) *alike {
		i, ok := places[k]
		if !ok {
			i = len(*all)
			places[k] = i
			*all = append(*all, alike{text: k.text})
		}
		return &(*all)[i]
	}
	for _, result := range results {
		if text := say(result); text != "" {
			a := join(&byCase, key{text, result.Case.ID})
			a.cases, a.targets = []string{result.Case.ID}, append(a.targets, result.Target.Name())
		}
	}
	clear(places)
	for _, one := range byCase {
		a := join(&groups, key{one.text, strings.Join(one.targets, "\x00")})
		a.cases, a.targets = append(a.cases, one.cases...), one.targets
	}
	return groups
}

func (a alike) String() string {
	return fmt.Sprintf("%s on %s: %s", strings.Join(a.cases, ", "), fewNames(a.targets), a.text)
}

// toBeKnown is what a reader must know of conformant results besides.
func (r Run) toBeKnown() []alike {
	return group(r.Results, func(result suite.Result) string { return result.Remark })
}

// skipped are the results that do not apply, with the proved reason.
func (r Run) skipped() []alike {
	return group(r.Results, func(result suite.Result) string {
		if result.Outcome != suite.Skipped {
			return ""
		}
		return firstOf(result.Reason, "no reason given")
	})
}

// exempted are the results that did not pass and do not count, with the reason why.
func (r Run) exempted() []alike {
	return group(r.Results, func(result suite.Result) string {
		if result.Outcome != suite.Exempted {
			return ""
		}
		return exemption(result) + before(": ", result.Reason)
	})
}

// aside prints in a line what is skipped, and what is exempted.
func (p *printer) aside() {
	var lines []string
	for _, a := range p.run.skipped() {
		lines = append(lines, "skipped "+a.String())
	}
	for _, a := range p.run.exempted() {
		lines = append(lines, "exempted "+a.String())
	}
	lines, more := beginningOf(p.run, lines)
	if more > 0 {
		lines = append(slices.Clip(lines), andMore(more)+": report.json has them")
	}
	for i, line := range lines {
		if i == 0 {
			fmt.Fprintln(p)
		}
		fmt.Fprintln(p, p.paint(dim, clean(line, oneLine)))
	}
}

// toBeKnown prints what must be known of conformant results.
func (p *printer) toBeKnown() {
	remarks, more := beginningOf(p.run, p.run.toBeKnown())
	for i, remark := range remarks {
		if i == 0 {
			fmt.Fprintln(p, "\n"+p.paint(bold, "Conformant, and to be known"))
		}
		fmt.Fprintln(p, "  "+clean(remark.String(), oneLine))
	}
	if more > 0 {
		fmt.Fprintln(p, "  "+andMore(more)+": report.json has them")
	}
}

// markdownAlike lists what is said of several results below a heading.
func markdownAlike(out io.Writer, run Run, heading string, groups []alike) {
	groups, more := beginningOf(run, groups)
	for i, a := range groups {
		if i == 0 {
			fmt.Fprintf(out, "\n## %s\n\n", heading)
		}
		fmt.Fprintf(out, "- %s\n", inline(a.String()))
	}
	if more > 0 {
		fmt.Fprintf(out, "- %s\n", andMore(more))
	}
}
