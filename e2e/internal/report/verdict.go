package report

import (
	"fmt"
	"strings"

	"procns/e2e/internal/suite"
)

// Verdict is the answer about the whole run. It is the suite's verdict on the
// results, and takes in what results cannot say of themselves: that some are
// missing, or that the run left something behind.
type Verdict struct {
	Outcome       suite.Outcome `json:"outcome"`
	ExitCode      int           `json:"exitCode"`
	Conformant    int           `json:"conformant"`
	NonConformant int           `json:"nonConformant"`
	Inconclusive  int           `json:"inconclusive"`
	Skipped       int           `json:"skipped"`
	Planned       int           `json:"planned,omitempty"`
	Exempted      int           `json:"exempted,omitempty"`
	// NotRun counts the results that were asked for and do not exist.
	NotRun int `json:"notRun"`
	// Line says it all in one line.
	Line string `json:"line"`
}

// Verdict judges the run as a whole. Its exit code is the test binary's.
func (r Run) Verdict() Verdict {
	sum := suite.Sum(r.Results)
	v := Verdict{
		Outcome: sum.Outcome(), ExitCode: sum.ExitCode(),
		Conformant: sum.Conformant, NonConformant: sum.NonConformant,
		Inconclusive: sum.Inconclusive, Skipped: sum.Skipped, Planned: sum.Planned, Exempted: sum.Exempted,
		NotRun: r.notRun(),
	}
	if v.ExitCode == suite.ExitConformant && (r.Interrupted || r.Problem != "" || v.NotRun > 0) {
		v.Outcome, v.ExitCode = suite.Inconclusive, suite.ExitInconclusive
	}
	// A non-conformance that was found stays found, whatever else went wrong.
	if v.ExitCode != suite.ExitNonConformant && r.Problem != "" && !r.CannotTell {
		v.ExitCode = suite.ExitUsage
	}
	if v.ExitCode == suite.ExitConformant && len(r.Leftovers) > 0 {
		v.ExitCode = suite.ExitUsage
	}
	v.compare(r.Comparison)
	v.Line = clean("procns: "+string(v.Outcome)+": "+strings.Join(r.because(v), "; "), oneLine)
	return v
}

// compare takes in what changed since an earlier run: what conformed there and
// does not here is wrong even where it is only recorded, and what could not be
// told is no pass.
func (v *Verdict) compare(c Comparison) {
	if c == nil {
		return
	}
	switch code := c.ExitCode(); {
	case code == suite.ExitNonConformant:
		v.Outcome, v.ExitCode = suite.NonConformant, code
	case code == suite.ExitInconclusive && v.ExitCode == suite.ExitConformant:
		v.Outcome, v.ExitCode = suite.Inconclusive, code
	}
}

// notRun counts the pairs of case and target that have no result.
func (r Run) notRun() int {
	wanted := max(len(r.cases()), r.Suite.Selected) * len(r.targets())
	pairs := map[[2]string]bool{}
	for _, result := range r.Results {
		pairs[[2]string{result.Case.ID, result.Target.Name()}] = true
	}
	return max(0, wanted-len(pairs))
}

// because gives the verdict's reasons.
func (r Run) because(v Verdict) []string {
	var reasons []string
	say := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }
	cases, targets := len(r.cases()), len(r.targets())

	switch {
	case len(r.Results) == 0:
		say("nothing ran")
	case v.NonConformant > 0:
		say("%s", named(v.NonConformant, len(r.Results), "is wrong", "are wrong", r.ids(suite.NonConformant)))
	case v.Inconclusive > 0:
		say("%s", named(v.Inconclusive, len(r.Results), "could not be judged", "could not be judged", r.ids(suite.Inconclusive)))
	case v.Conformant == 0 && v.Planned > 0:
		say("nothing ran: %s only planned", plural(v.Planned, "result is", "results are"))
	case v.Conformant == 0:
		say("nothing was judged: none of the %s was conformant", plural(len(r.Results), "result", "results"))
	case v.Outcome == suite.Conformant:
		say("%s on %s", plural(cases, "case", "cases"), plural(targets, "target", "targets"))
	}
	if r.Comparison != nil {
		say("%s", r.Comparison.Line())
	}
	if r.Problem != "" {
		say("%s", r.Problem)
	}
	if r.Interrupted {
		say("%s", firstOf(r.InterruptedBy, "interrupted"))
	}
	if v.NotRun > 0 && len(r.Results) > 0 {
		say("%s not run", plural(v.NotRun, "result", "results"))
	}
	if v.Outcome == suite.Conformant && v.Skipped > 0 {
		say("%s skipped", plural(v.Skipped, "result", "results"))
	}
	if v.Exempted > 0 {
		say("%s exempted", plural(v.Exempted, "result", "results"))
	}
	if n := len(r.Leftovers); n > 0 {
		say("%s could not be removed", plural(n, "object", "objects"))
	}
	return reasons
}

// ids lists the cases that have this outcome somewhere and count.
func (r Run) ids(outcome suite.Outcome) []string {
	var ids []string
	seen := map[string]bool{}
	for _, result := range r.Results {
		nonConformant, inconclusive := counts(result)
		if (outcome == suite.NonConformant && nonConformant || outcome == suite.Inconclusive && inconclusive) && !seen[result.Case.ID] {
			seen[result.Case.ID] = true
			ids = append(ids, result.Case.ID)
		}
	}
	return ids
}

// named reads "2 of 50 results are wrong (a/b, c/d)", naming three at most.
func named(n, of int, one, many string, ids []string) string {
	const most = 3
	list := strings.Join(ids[:min(most, len(ids))], ", ")
	if more := len(ids) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	verb := many
	if n == 1 {
		verb = one
	}
	return fmt.Sprintf("%d of %s %s (%s)", n, plural(of, "result", "results"), verb, list)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %s", n, many)
}
