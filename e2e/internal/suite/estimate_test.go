package suite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCostOf(t *testing.T) {
	act := &Act{Name: "act"}
	reads := sampleCase()
	again := sampleCase() // of the same pods
	again.ID = "area/again"
	acts := sampleCase()
	acts.Act = act
	dry := sampleCase()
	dry.Submit = DryRun
	stored := sampleCase()
	stored.Submit = Stored
	for name, row := range map[string]struct {
		cases []Case
		want  Cost
	}{
		"none":          {nil, Cost{}},
		"reads":         {[]Case{reads}, Cost{Pods: 2, Execs: 2, Requests: 6}},
		"shared":        {[]Case{reads, again}, Cost{Pods: 2, Execs: 2, Requests: 6}},
		"acts":          {[]Case{acts}, Cost{Pods: 2, Execs: 6, Requests: 16}},
		"only admitted": {[]Case{dry}, Cost{Requests: 2}},
		"only stored":   {[]Case{stored}, Cost{Pods: 2, Requests: 4}},
		"all":           {[]Case{reads, acts, dry, stored}, Cost{Pods: 2, Execs: 6, Requests: 18}},
	} {
		cost, err := CostOf(row.cases, manifestFor)
		require.NoError(t, err, name)
		assert.Equal(t, row.want, cost, name)
	}
	_, err := CostOf([]Case{{Fixture: "missing.yaml"}}, manifestFor)
	assert.ErrorContains(t, err, "missing.yaml")
}

func TestCostTakes(t *testing.T) {
	limits := Limits{QPS: 100, Parallel: 16, Starting: 64}
	for name, row := range map[string]struct {
		cost Cost
		want time.Duration
	}{
		"nothing":             {Cost{}, 0},
		"the rate":            {Cost{Requests: 60_000}, 10 * time.Minute},
		"execs":               {Cost{Execs: 64_000, Requests: 64_000}, 10 * time.Minute},
		"pods, by scheduling": {Cost{Pods: 30_000}.Times(1), 30_000 * 3 * time.Second / 64},
	} {
		assert.Equal(t, row.want+aNamespace, row.cost.Takes(limits).Round(time.Microsecond), name)
	}
	assert.Equal(t, 2, Minutes(61*time.Second))
	assert.Equal(t, Cost{2, 6, 9}, Cost{2, 6, 10}.Together(1))
	assert.Equal(t, Cost{22, 66, 90}, Cost{2, 6, 10}.Together(11))
	assert.Equal(t, Cost{}, Cost{}.Together(7))
	assert.Equal(t, Cost{2, 4, 6}, Cost{1, 2, 3}.Plus(Cost{1, 2, 3}))
	assert.Equal(t, "about 2 pods and 6 requests, 2 of them execs", Cost{2, 2, 6}.String())
}
