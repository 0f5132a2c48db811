package report

import (
	"fmt"
	"strings"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// Verdict is the answer about the whole run. It is the suite's verdict on the
// results, and takes in what results cannot say of themselves: that some are
// missing, or that the run left something behind.
type Verdict struct {
	Outcome  suite.Outcome `json:"outcome"`
	ExitCode int           `json:"exitCode"`
	// Require says which levels decide (-require).
	Require suite.Requirement `json:"require,omitempty"`
	// The counts are of Core and Extended results together.
	Conformant    int `json:"conformant"`
	NonConformant int `json:"nonConformant"`
	Inconclusive  int `json:"inconclusive"`
	Skipped       int `json:"skipped"`
	Planned       int `json:"planned,omitempty"`
	Exempted      int `json:"exempted,omitempty"`
	// NotRun counts the results, of any level, that were asked for and do not exist.
	NotRun int `json:"notRun"`
	// Levels are the verdicts of each level that the run was asked for.
	Levels []LevelVerdict `json:"levels,omitempty"`
	// Informational counts the records, which have no verdict.
	Informational *Records `json:"informational,omitempty"`
	// Line says it all in one line.
	Line string `json:"line"`
}

// Verdict judges the run as a whole. Its exit code is the test binary's.
func (r Run) Verdict() Verdict {
	sum := suite.Sum(r.Results)
	deciding, judged := sum.Deciding(r.Require), sum.Judged()
	v := Verdict{
		Outcome: deciding.Outcome(), ExitCode: deciding.ExitCode(), Require: r.Require.Name(),
		Conformant: judged.Conformant, NonConformant: judged.NonConformant,
		Inconclusive: judged.Inconclusive, Skipped: judged.Skipped, Planned: judged.Planned, Exempted: judged.Exempted,
		NotRun: r.notRun(), Levels: r.levels(), Informational: r.records(),
	}
	if v.ExitCode == suite.ExitConformant && (r.Interrupted || r.Problem != "" || v.NotRun > 0 || r.simulated() > 0) {
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

// simulated counts the targets behind which there is no machine: whatever was judged there, no runtime was.
func (r Run) simulated() int {
	n := 0
	for _, target := range r.targets() {
		if target.Simulated {
			n++
		}
	}
	return n
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
	wanted := r.Sweep.On(r.targets(), max(len(r.cases()), r.Suite.Selected), r.everywhere(""))
	pairs := map[[2]string]bool{}
	for _, result := range r.Results {
		pairs[[2]string{result.Case.ID, result.Target.Name()}] = true
	}
	return max(0, wanted-len(pairs))
}

// because gives the verdict's reasons: the levels that decide, what became of the
// run as a whole, and the levels that do not decide.
func (r Run) because(v Verdict) []string {
	var reasons []string
	say := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }
	planned := v.Planned
	if v.Informational != nil {
		planned += v.Informational.Planned
	}
	switch {
	case len(r.Results) == 0:
		say("nothing ran")
	case planned > 0:
		say("nothing ran: %s only planned", wording.Count(planned, "result is", "results are"))
	default:
		say("%s on %s: %s", wording.Count(len(r.cases()), "case", "cases"), wording.Count(len(r.targets()), "target", "targets"), r.decided(v))
	}
	if n := r.simulated(); n > 0 {
		say("simulated targets (%d of %d) say nothing about any runtime", n, len(r.targets()))
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
	missing := v.NotRun
	for _, level := range v.Levels {
		missing -= level.NotRun // which is said with the level
	}
	if missing > 0 && len(r.Results) > 0 {
		say("%s not run", wording.Count(missing, "result", "results"))
	}
	if n := len(r.Leftovers); n > 0 {
		say("%s could not be removed", wording.Count(n, "object", "objects"))
	}
	if n := len(r.Pending); n > 0 {
		say("%s still there", wording.Count(n, "deleted object is", "deleted objects are"))
	}
	if r.Require == suite.RequireCore && len(r.Results) > 0 && planned == 0 {
		text := "exit code by -require core"
		for _, level := range v.Levels {
			if !level.Decides {
				text += ": " + level.line(r)
				if level.Outcome != suite.Conformant {
					text += " does not count"
				}
			}
		}
		say("%s", text)
	}
	return reasons
}

// decided are the verdicts of the levels that decide.
func (r Run) decided(v Verdict) string {
	var levels []string
	for _, level := range v.Levels {
		if level.Decides {
			levels = append(levels, level.line(r))
		}
	}
	switch {
	case len(levels) > 0:
		return strings.Join(levels, ", ")
	case len(v.Levels) > 0:
		return "no Core case ran, and Core cases alone decide"
	}
	return "none is Core or Extended, and Informational cases are measured without a verdict"
}
