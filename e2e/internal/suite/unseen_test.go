package suite

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"procns/e2e/internal/probe"
)

// TestJudgedBySight: a violation found in the view of a container that was not looked into is none.
func TestJudgedBySight(t *testing.T) {
	seen := map[string]*probe.Snapshot{
		"one":  {Container: "one"},
		"hung": {Container: "hung", Failure: "exec did not end within 1m0s"},
		"bare": {Container: "bare", Failure: "no such file", NoShell: true},
	}
	o := Observation{
		Before: seen, Neighbour: &Observation{Before: seen},
		Copies: map[string]Observation{"copy": {Before: seen}},
	}
	violation := func(look func(Observation)) func(Observation) error {
		return func(o Observation) error {
			look(o)
			return Violation("the claim", "another thing")
		}
	}
	for name, row := range map[string]struct {
		judge func(Observation) error
		want  string // empty: it stays a violation
	}{
		"seen":                       {violation(func(o Observation) { o.Container("one") }), ""},
		"without a shell, by design": {violation(func(o Observation) { o.Container("bare") }), ""},
		"nobody asked":               {violation(func(Observation) {}), ""},
		"never started": {violation(func(o Observation) { o.Container("two") }),
			"expected the claim; observed another thing; but nothing was seen from container two (no snapshot was taken)"},
		"not after the act": {violation(func(o Observation) { o.Container("one"); o.AfterIn("one") }),
			"expected the claim; observed another thing; but nothing was seen from container one after the act (no snapshot was taken)"},
		"its exec failed": {violation(func(o Observation) { o.Container("hung") }),
			"expected the claim; observed another thing; but nothing was seen from container hung (exec did not end within 1m0s)"},
		"in the neighbour": {violation(func(o Observation) { o.Neighbour.Container("two") }),
			"expected the claim; observed another thing; but nothing was seen from container two (no snapshot was taken)"},
		"in a copy": {violation(func(o Observation) { o.Copies["copy"].Container("two") }),
			"expected the claim; observed another thing; but nothing was seen from container two (no snapshot was taken)"},
	} {
		t.Run(name, func(t *testing.T) {
			err := JudgedBySight(row.judge)(o)
			assert.Equal(t, row.want == "", IsViolation(err))
			if row.want != "" {
				assert.EqualError(t, err, row.want)
			}
		})
	}
	assert.NoError(t, JudgedBySight(func(o Observation) error { o.Container("two"); return nil })(o))
}
