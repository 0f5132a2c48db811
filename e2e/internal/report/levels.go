package report

import (
	"fmt"
	"strings"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// Tally is how many results ended in each way.
type Tally struct {
	// Results is how many were asked for.
	Results       int `json:"results"`
	Conformant    int `json:"conformant"`
	NonConformant int `json:"nonConformant"`
	Inconclusive  int `json:"inconclusive"`
	Skipped       int `json:"skipped"`
	Planned       int `json:"planned,omitempty"`
	Exempted      int `json:"exempted,omitempty"`
	// NotRun counts the results that were asked for and do not exist.
	NotRun int `json:"notRun"`
}

// LevelVerdict is the answer of one level that has a verdict: Core or Extended.
type LevelVerdict struct {
	Level   suite.Level   `json:"level"`
	Outcome suite.Outcome `json:"outcome"`
	// Decides says that the exit code depends on it (-require).
	Decides bool `json:"decides"`
	Tally
	// Targets are the outcomes on each target, in the order of the targets.
	Targets []TargetVerdict `json:"targets"`
	// ConformantOn are, in a compact report.json, the conformant ones, which Targets lacks
	// there. Read, Targets has them.
	ConformantOn Ranges `json:"conformantOn,omitempty"`
}

// TargetVerdict is the answer of one level on one target.
type TargetVerdict struct {
	Target  string        `json:"target"`
	Outcome suite.Outcome `json:"outcome"`
}

// Records is what became of the Informational cases, which have no verdict.
type Records struct {
	Results     int `json:"results"`
	AsDescribed int `json:"asDescribed"`
	Differs     int `json:"differs"`
	NotMeasured int `json:"notMeasured"`
	Skipped     int `json:"skipped"`
	Planned     int `json:"planned,omitempty"`
	Exempted    int `json:"exempted,omitempty"`
	NotRun      int `json:"notRun"`
}

// judgedLevels are the levels that have a verdict.
var judgedLevels = []suite.Level{suite.Core, suite.Extended}

// tally counts the results of one level.
func (r Run) tally(level suite.Level) Tally {
	counts := suite.Sum(r.Results).Of(level)
	missing := r.notRunOf(level)
	return Tally{
		Results: counts.Total() + missing, Conformant: counts.Conformant, NonConformant: counts.NonConformant,
		Inconclusive: counts.Inconclusive, Skipped: counts.Skipped, Planned: counts.Planned, Exempted: counts.Exempted,
		NotRun: missing,
	}
}

// levels are the verdicts of the levels that the run was asked for.
func (r Run) levels() []LevelVerdict {
	all := []LevelVerdict{}
	each := r.perTarget()
	for _, level := range judgedLevels {
		v := LevelVerdict{Level: level, Decides: r.Require.Decides(level), Tally: r.tally(level), Targets: []TargetVerdict{}}
		if v.Results == 0 {
			continue
		}
		v.Outcome = r.concludes(suite.Sum(r.Results).Of(level).Outcome(), v.NotRun)
		for _, on := range each {
			missing := on.notRunOf(level)
			if counts := suite.Sum(on.Results).Of(level); counts.Total()+missing > 0 {
				v.Targets = append(v.Targets, TargetVerdict{on.Targets[0].Name(), on.concludes(counts.Outcome(), missing)})
			}
		}
		all = append(all, v)
	}
	return all
}

// perTarget are the parts of the run, each as far as one target is concerned.
func (r Run) perTarget() []Run {
	results := map[string][]suite.Result{}
	for _, result := range r.Results {
		name := result.Target.Name()
		results[name] = append(results[name], result)
	}
	var all []Run
	for _, target := range r.targets() {
		r.Targets, r.Results = []suite.Target{target}, results[target.Name()]
		all = append(all, r)
	}
	return all
}

// concludes is an outcome, where all that was asked for was run, on targets that are not simulated: otherwise
// nothing is found to conform.
func (r Run) concludes(outcome suite.Outcome, missing int) suite.Outcome {
	if outcome == suite.Conformant && (missing > 0 || r.simulated() > 0) {
		return suite.Inconclusive
	}
	return outcome
}

// records counts the Informational results; nil where none was asked for.
func (r Run) records() *Records {
	t := r.tally(suite.Informational)
	if t.Results == 0 {
		return nil
	}
	return &Records{
		Results: t.Results, AsDescribed: t.Conformant, Differs: t.NonConformant, NotMeasured: t.Inconclusive,
		Skipped: t.Skipped, Planned: t.Planned, Exempted: t.Exempted, NotRun: t.NotRun,
	}
}

// notRunOf counts the pairs of case and target of one level that have no result.
func (r Run) notRunOf(level suite.Level) int {
	cases := 0
	for _, c := range r.cases() {
		if levelOf(c) == level {
			cases++
		}
	}
	wanted := r.Sweep.On(r.targets(), max(cases, r.Suite.SelectedByLevel[level]), r.everywhere(level))
	pairs := map[[2]string]bool{}
	for _, result := range r.Results {
		if levelOf(result.Case) == level {
			pairs[[2]string{result.Case.ID, result.Target.Name()}] = true
		}
	}
	return max(0, wanted-len(pairs))
}

// levelOf is the level of a case; one without counts as Core.
func levelOf(c suite.Case) suite.Level {
	if c.Level == "" {
		return suite.Core
	}
	return c.Level
}

// count is a number of results, what they are, and of which cases where that matters.
type count struct {
	n     int
	what  string
	cases []string
}

// told tells those that there are, with three cases at most of each.
func told(counts []count) []string {
	var parts []string
	for _, c := range counts {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what)+named(c.cases))
		}
	}
	return parts
}

// others are the results of a level that are not conformant, the worst first.
func (v LevelVerdict) others(r Run) []count {
	return []count{
		{v.NonConformant, "wrong", r.ids(v.Level, suite.NonConformant)},
		{v.Inconclusive, "could not be judged", r.ids(v.Level, suite.Inconclusive)},
		{v.NotRun, "not run", nil}, {v.Skipped, "skipped", nil}, {v.Exempted, "exempted", nil}, {v.Planned, "only planned", nil},
	}
}

// line is the level's verdict in a few words, such as "Core conformant (66 of 67; 1 skipped)"
// or "Core non-conformant (2 of 67 wrong: a/b, c/d)".
func (v LevelVerdict) line(r Run) string {
	parts := told(v.others(r))
	switch {
	case v.Outcome == suite.Conformant:
		parts = append([]string{fmt.Sprintf("%d of %d", v.Conformant, v.Results)}, parts...)
	case v.onlySimulated(r):
		parts = append([]string{fmt.Sprintf("%d of %d conformant", v.Conformant, v.Results), simulatedAmongThem}, parts...)
	case len(parts) > 0:
		n, rest, _ := strings.Cut(parts[0], " ")
		parts[0] = fmt.Sprintf("%s of %d %s", n, v.Results, rest)
	}
	return fmt.Sprintf("%s %s (%s)", v.Level, v.Outcome, strings.Join(parts, "; "))
}

// simulatedAmongThem is why results that conform are no verdict about any runtime.
const simulatedAmongThem = "simulated targets among them"

// onlySimulated tells whether the level would be conformant if no target were simulated.
func (v LevelVerdict) onlySimulated(r Run) bool {
	return r.simulated() > 0 && v.Conformant > 0 && v.NonConformant+v.Inconclusive+v.NotRun == 0
}

// summary is what the level's row says beside its verdict.
func (v LevelVerdict) summary(r Run) string {
	text := strings.Join(append([]string{fmt.Sprintf("%d of %d conformant", v.Conformant, v.Results)}, told(v.others(r))...), "; ")
	if r.simulated() > 0 {
		text += "; " + simulatedAmongThem
	}
	if by := v.byTarget(); by != "" {
		text += "; " + by
	}
	if !v.Decides {
		text += "; does not decide the exit code (-require " + string(r.Require.Name()) + ")"
	}
	return text
}

// byTarget says which target has which outcome, where they are not all the same.
func (v LevelVerdict) byTarget() string {
	var parts []string
	for _, outcome := range []suite.Outcome{suite.Conformant, suite.NonConformant, suite.Inconclusive} {
		var names []string
		for _, t := range v.Targets {
			if t.Outcome == outcome {
				names = append(names, t.Target)
			}
		}
		if len(names) > 0 && len(names) < len(v.Targets) {
			parts = append(parts, string(outcome)+" on "+fewNames(names))
		}
	}
	return strings.Join(parts, "; ")
}

// summary is what the row of the Informational cases says.
func (c Records) summary(r Run) string {
	differ := "differ"
	if c.Differs == 1 {
		differ = "differs"
	}
	parts := told([]count{
		{c.AsDescribed, "as described", nil},
		{c.Differs, differ, r.ids(suite.Informational, suite.NonConformant)},
		{c.NotMeasured, "not measured", r.ids(suite.Informational, suite.Inconclusive)},
		{c.NotRun, "not run", nil}, {c.Skipped, "skipped", nil}, {c.Exempted, "exempted", nil}, {c.Planned, "only planned", nil},
	})
	return strings.Join(append(parts, "never decides the exit code"), "; ")
}

// levelRow is one line of the table of levels.
type levelRow struct {
	level   suite.Level
	verdict string
	outcome suite.Outcome // empty for the Informational cases
	text    string
}

// levelRows are the table of levels; empty where there is no result.
func (r Run) levelRows() []levelRow {
	if len(r.Results) == 0 {
		return nil
	}
	var rows []levelRow
	for _, v := range r.levels() {
		rows = append(rows, levelRow{v.Level, string(v.Outcome), v.Outcome, v.summary(r)})
	}
	if c := r.records(); c != nil {
		rows = append(rows, levelRow{level: suite.Informational, verdict: "no verdict", text: c.summary(r)})
	}
	return rows
}

// ids lists the cases of a level that have an outcome somewhere.
func (r Run) ids(level suite.Level, outcome suite.Outcome) []string {
	var ids []string
	seen := map[string]bool{}
	for _, result := range r.Results {
		if levelOf(result.Case) == level && result.Outcome == outcome && !seen[result.Case.ID] {
			seen[result.Case.ID] = true
			ids = append(ids, result.Case.ID)
		}
	}
	return ids
}

// named names some cases behind a colon.
func named(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return ": " + wording.Names(ids, wording.Few)
}
