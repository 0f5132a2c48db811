package suite

import (
	"testing"

	"gotest.tools/v3/assert"
)

// of makes results of one level.
func of(level Level, outcomes ...Outcome) []Result {
	var results []Result
	for _, o := range outcomes {
		results = append(results, Result{Outcome: o, Case: Case{Level: level}})
	}
	return results
}

// TestVerdict: what decides under each requirement, and what never does.
func TestVerdict(t *testing.T) {
	both := func(core, extended []Result) []Result { return append(core, extended...) }
	type answer struct {
		outcome Outcome
		exit    int
	}
	yes, no, unknown := answer{Conformant, ExitConformant}, answer{NonConformant, ExitNonConformant}, answer{Inconclusive, ExitInconclusive}
	for name, row := range map[string]struct {
		results        []Result
		want           Verdict
		core, extended answer // by -require
	}{
		"nothing ran":               {nil, Verdict{}, unknown, unknown},
		"all conform":               {of(Core, Conformant, Conformant), Verdict{Core: Counts{Conformant: 2}}, yes, yes},
		"one is wrong":              {of(Core, Conformant, NonConformant), Verdict{Core: Counts{Conformant: 1, NonConformant: 1}}, no, no},
		"wrong outweighs unknown":   {of(Core, Inconclusive, NonConformant), Verdict{Core: Counts{NonConformant: 1, Inconclusive: 1}}, no, no},
		"one is unknown":            {of(Core, Conformant, Inconclusive), Verdict{Core: Counts{Conformant: 1, Inconclusive: 1}}, unknown, unknown},
		"some skipped":              {of(Core, Conformant, Skipped), Verdict{Core: Counts{Conformant: 1, Skipped: 1}}, yes, yes},
		"all skipped":               {of(Core, Skipped, Skipped), Verdict{Core: Counts{Skipped: 2}}, unknown, unknown},
		"no outcome":                {of(Core, ""), Verdict{}, unknown, unknown},
		"only planned":              {of(Core, Planned), Verdict{Core: Counts{Planned: 1}}, unknown, unknown},
		"only wrong":                {of(Core, NonConformant), Verdict{Core: Counts{NonConformant: 1}}, no, no},
		"a case without a level":    {of("", NonConformant), Verdict{Core: Counts{NonConformant: 1}}, no, no},
		"Extended is unknown":       {both(of(Core, Conformant), of(Extended, Inconclusive)), Verdict{Core: Counts{Conformant: 1}, Extended: Counts{Inconclusive: 1}}, yes, unknown},
		"Extended is wrong":         {both(of(Core, Conformant), of(Extended, NonConformant)), Verdict{Core: Counts{Conformant: 1}, Extended: Counts{NonConformant: 1}}, yes, no},
		"Core is wrong":             {both(of(Core, NonConformant), of(Extended, Conformant)), Verdict{Core: Counts{NonConformant: 1}, Extended: Counts{Conformant: 1}}, no, no},
		"Extended alone":            {of(Extended, Conformant), Verdict{Extended: Counts{Conformant: 1}}, unknown, yes},
		"a record differs":          {both(of(Core, Conformant), of(Informational, NonConformant)), Verdict{Core: Counts{Conformant: 1}, Informational: Counts{NonConformant: 1}}, yes, yes},
		"a record is missing":       {both(of(Core, Conformant), of(Informational, Inconclusive)), Verdict{Core: Counts{Conformant: 1}, Informational: Counts{Inconclusive: 1}}, yes, yes},
		"records alone":             {of(Informational, Conformant), Verdict{Informational: Counts{Conformant: 1}}, unknown, unknown},
		"records alone that differ": {of(Informational, NonConformant, Conformant), Verdict{Informational: Counts{Conformant: 1, NonConformant: 1}}, unknown, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			got := Sum(row.results)
			assert.Equal(t, got, row.want)
			for require, want := range map[Requirement]answer{RequireCore: row.core, RequireExtended: row.extended, "": row.extended} {
				deciding := got.Deciding(require)
				assert.Equal(t, answer{deciding.Outcome(), deciding.ExitCode()}, want, "-require %s", require)
			}
		})
	}
}

func TestRequirementDecides(t *testing.T) {
	for require, want := range map[Requirement][3]bool{"": {true, true, false}, RequireExtended: {true, true, false}, RequireCore: {true, false, false}} {
		assert.Equal(t, [3]bool{require.Decides(Core), require.Decides(Extended), require.Decides(Informational)}, want, "-require %s", require)
	}
	assert.Equal(t, Requirement("").Name(), RequireExtended)
	assert.Equal(t, RequireCore.Name(), RequireCore)
}

func TestOutcomeIn(t *testing.T) {
	for outcome, want := range map[Outcome][2]string{
		Conformant: {"conformant", "as described"}, NonConformant: {"non-conformant", "differs"},
		Inconclusive: {"inconclusive", "not measured"}, Skipped: {"skipped", "skipped"}, Planned: {"planned", "planned"},
	} {
		assert.Equal(t, [2]string{outcome.In(Core), outcome.In(Informational)}, want)
	}
}
