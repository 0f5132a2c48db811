package report

import (
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"procns/e2e/internal/suite"
)

// repeated makes reports of runs in which each case has the given outcomes.
func repeated(outcomes map[string][]suite.Outcome, runs int) []Document {
	var all []Document
	for i := range runs {
		d := Document{Run: Run{Started: time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC)}}
		d.Stats.ReadySeconds = map[string]float64{"worker": 1.5}
		d.Stats.CatalogueSeconds, d.Stats.Pods, d.Stats.APIRequests, d.Stats.Execs = 60, 4, 40, 20
		for id, each := range outcomes {
			if each[i] == "" {
				continue
			}
			r := Result{ID: id, Target: "worker", Outcome: each[i]}
			if each[i] != suite.Conformant {
				r.Reason = "expected a | b"
			}
			d.Results = append(d.Results, r)
		}
		d.Verdict.Outcome = suite.Conformant
		all = append(all, d)
	}
	return all
}

func TestStability(t *testing.T) {
	runs := repeated(map[string][]suite.Outcome{
		"pid1/steady":        {suite.Conformant, suite.Conformant, suite.Conformant},
		"pid1/always-wrong":  {suite.NonConformant, suite.NonConformant, suite.NonConformant},
		"signals/flickers":   {suite.Conformant, suite.Inconclusive, suite.Conformant},
		"signals/is-missing": {suite.Conformant, "", ""},
	}, 3)
	runs[0], runs[2] = runs[2], runs[0] // files come in any order
	s := CompareRuns(runs)
	assert.Equal(t, s.Stable, 2)
	assert.Equal(t, len(s.Unstable), 2)
	var text strings.Builder
	assert.NilError(t, s.Write(&text))
	golden.Assert(t, text.String(), "stability.md")
}

func TestStabilityOfEqualRuns(t *testing.T) {
	s := CompareRuns(repeated(map[string][]suite.Outcome{"pid1/steady": {suite.Conformant, suite.Conformant}}, 2))
	var text strings.Builder
	assert.NilError(t, s.Write(&text))
	assert.Assert(t, strings.Contains(text.String(), "1 result was the same in every run, and none was not."))
}
