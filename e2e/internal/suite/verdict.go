package suite

// Counts is how many results ended in each way.
type Counts struct {
	Conformant, NonConformant, Inconclusive, Skipped, Planned, Exempted int
}

// Verdict is the answer about the whole cluster, level by level. Of the
// Informational cases, Conformant counts those that found what is described,
// NonConformant those that found something else, and Inconclusive those that
// could not be measured: they have no verdict.
type Verdict struct{ Core, Extended, Informational Counts }

// Requirement says which levels decide the exit code. The zero value is
// RequireExtended.
type Requirement string

const (
	// RequireCore has the Core cases alone decide.
	RequireCore Requirement = "core"
	// RequireExtended has Core and Extended cases decide.
	RequireExtended Requirement = "extended"
)

// Requirements are all there are, the narrowest first.
var Requirements = []Requirement{RequireCore, RequireExtended}

// Decides tells whether the cases of a level decide the exit code. Informational
// cases never do.
func (r Requirement) Decides(level Level) bool {
	switch level {
	case Informational:
		return false
	case Extended:
		return r != RequireCore
	}
	return true
}

// FailedBy tells whether a result keeps the exit code from being 0.
func (r Requirement) FailedBy(result Result) bool {
	return r.Decides(result.Case.Level) && result.Outcome.Failed()
}

// CountLevels counts the cases of each level.
func CountLevels(cases []Case) map[Level]int {
	counts := map[Level]int{}
	for _, c := range cases {
		counts[c.Level]++
	}
	return counts
}

// Name is the requirement in the words of the flag -require.
func (r Requirement) Name() Requirement {
	if r == "" {
		return RequireExtended
	}
	return r
}

// Sum counts the outcomes of each level.
func Sum(results []Result) Verdict {
	var v Verdict
	for _, r := range results {
		v.of(r.Case.Level).Add(r.Outcome)
	}
	return v
}

func (v *Verdict) of(level Level) *Counts {
	switch level {
	case Informational:
		return &v.Informational
	case Extended:
		return &v.Extended
	}
	return &v.Core
}

// Of is what was counted of one level.
func (v Verdict) Of(level Level) Counts { return *v.of(level) }

// Add counts one result.
func (c *Counts) Add(outcome Outcome) {
	switch outcome {
	case Conformant:
		c.Conformant++
	case NonConformant:
		c.NonConformant++
	case Inconclusive:
		c.Inconclusive++
	case Skipped:
		c.Skipped++
	case Planned:
		c.Planned++
	case Exempted:
		c.Exempted++
	}
}

// Plus adds up two counts.
func (c Counts) Plus(d Counts) Counts {
	return Counts{
		c.Conformant + d.Conformant, c.NonConformant + d.NonConformant, c.Inconclusive + d.Inconclusive,
		c.Skipped + d.Skipped, c.Planned + d.Planned, c.Exempted + d.Exempted,
	}
}

// Total is the number of results.
func (c Counts) Total() int {
	return c.Conformant + c.NonConformant + c.Inconclusive + c.Skipped + c.Planned + c.Exempted
}

// Judged counts the Core and the Extended results.
func (v Verdict) Judged() Counts { return v.Core.Plus(v.Extended) }

// Deciding counts the results that decide the exit code.
func (v Verdict) Deciding(r Requirement) Counts {
	if r == RequireCore {
		return v.Core
	}
	return v.Judged()
}

// Exit codes of the test binary.
const (
	ExitConformant    = 0
	ExitNonConformant = 1
	ExitInconclusive  = 2
	ExitUsage         = 3 // wrong usage, or the set-up failed
)

// ExitCode is the process's exit code for results that all decide. Where nothing
// was found conformant, that is inconclusive, whatever else is lacking.
func (c Counts) ExitCode() int {
	switch {
	case c.NonConformant > 0:
		return ExitNonConformant
	case c.Inconclusive > 0, c.Conformant == 0:
		return ExitInconclusive
	}
	return ExitConformant
}

// Outcome is the verdict on these results in one word.
func (c Counts) Outcome() Outcome {
	switch c.ExitCode() {
	case ExitConformant:
		return Conformant
	case ExitNonConformant:
		return NonConformant
	}
	return Inconclusive
}

// In is the outcome of a case of a level in a word. Informational cases have no
// verdict: theirs is said in words of its own.
func (o Outcome) In(level Level) string {
	if level == Informational {
		switch o {
		case Conformant:
			return "as described"
		case NonConformant:
			return "differs"
		case Inconclusive:
			return "not measured"
		}
	}
	return string(o)
}
