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
// which nothing is said, it knows nothing.
func group(results []suite.Result, say func(suite.Result) string) []alike {
	var groups []alike
	add := func(to []string, name string) []string {
		if slices.Contains(to, name) {
			return to
		}
		return append(to, name)
	}
	for _, result := range results {
		text := say(result)
		if text == "" {
			continue
		}
		i := slices.IndexFunc(groups, func(a alike) bool { return a.text == text })
		if i < 0 {
			i, groups = len(groups), append(groups, alike{text: text})
		}
		groups[i].cases = add(groups[i].cases, result.Case.ID)
		groups[i].targets = add(groups[i].targets, result.Target.Name())
	}
	return groups
}

func (a alike) String() string {
	return fmt.Sprintf("%s on %s: %s", strings.Join(a.cases, ", "), strings.Join(a.targets, ", "), a.text)
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

// toBeKnown prints what must be known of conformant results.
func (p *printer) toBeKnown() {
	for i, remark := range p.run.toBeKnown() {
		if i == 0 {
			fmt.Fprintln(p, "\n"+p.paint(bold, "Conformant, and to be known"))
		}
		fmt.Fprintln(p, "  "+clean(remark.String(), oneLine))
	}
}

// markdownAlike lists what is said of several results below a heading.
func markdownAlike(out io.Writer, heading string, groups []alike) {
	for i, a := range groups {
		if i == 0 {
			fmt.Fprintf(out, "\n## %s\n\n", heading)
		}
		fmt.Fprintf(out, "- %s\n", inline(a.String()))
	}
}
