package suite

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"procns/e2e/internal/probe"
)

// TestControlsDecidedBefore: no second look is taken into a control that has its answer without one.
func TestControlsDecidedBefore(t *testing.T) {
	asks := func(o Observation) error {
		if o.AfterIn("app").Self == 0 {
			return Violation("the effect", "none")
		}
		return fixtureOnly(o)
	}
	asksStatus := func(o Observation) error {
		if o.AfterPod == nil {
			return CannotTell("the pod's status after the act", "none")
		}
		return fixtureOnly(o)
	}
	for name, row := range map[string]struct {
		judges   []func(Observation) error
		noEffect bool
		after    int // second looks into the control
	}{
		"one that asks for nothing afterwards": {judges: []func(Observation) error{fixtureOnly}},
		"one that asks for a second look":      {judges: []func(Observation) error{asks}, after: 1},
		"as a whole":                           {judges: []func(Observation) error{fixtureOnly, asks}, after: 1},
		"one that asks for the status":         {judges: []func(Observation) error{asksStatus}, after: 1},
		"one that shows how long it takes":     {judges: []func(Observation) error{fixtureOnly}, noEffect: true, after: 1},
	} {
		t.Run(name, func(t *testing.T) {
			act := &Act{Name: "act", Within: time.Minute, NoEffect: row.noEffect, Do: func(context.Context, PodClient) error { return nil }}
			var cases []Case
			for i, judge := range row.judges {
				c := sampleCase()
				c.ID += string(rune('a' + i))
				c.Act, c.Judge = act, JudgedBySight(judge)
				cases = append(cases, c)
			}
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				b.observe = func(_ string, round int) *probe.Snapshot { return &probe.Snapshot{Self: round} }
				runner := runnerOn(t, b, cases...)
				runner.Timeout, runner.Spent = time.Minute, &Spent{}
				for _, r := range runner.Run(t.Context()) {
					assert.Equal(t, Conformant, r.Outcome, r.Reason)
				}
				assert.Equal(t, row.after, runner.Spent.stage["control.act"]["after"])
			})
		})
	}
}
