package suite

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestExperimentsFailApart: an experiment that could not be carried out takes from the claims that turn on
// it, and from no others; and what comes after it in the act is done.
func TestExperimentsFailApart(t *testing.T) {
	for name, row := range map[string]struct {
		experiments []string
		want        Outcome
	}{
		"turns on the one that failed":  {[]string{"one"}, Inconclusive},
		"turns on the one that did not": {[]string{"two"}, Conformant},
		"turns on both":                 {[]string{"one", "two"}, Inconclusive},
		"turns on all":                  {nil, Inconclusive},
		"turns on none":                 {[]string{}, Conformant},
	} {
		t.Run(name, func(t *testing.T) {
			c := sampleCase()
			c.NoControl, c.Control = "the act is what is tried", ""
			c.Experiments = row.experiments
			came := false
			c.Act = &Act{Name: "try", Within: time.Second, Do: func(ctx context.Context, pod PodClient) error {
				err := pod.Apart(ctx, "one", func(context.Context) error { return errors.New("the connection was cut") })
				return errors.Join(err, pod.Apart(ctx, "two", func(context.Context) error { came = true; return nil }))
			}}
			c.Judge = JudgedApart(c.Experiments, func(Observation) error { return nil })
			results := runnerOn(t, newBench(), c).Run(t.Context())
			require.Len(t, results, 1)
			assert.True(t, came)
			assert.Equal(t, row.want, results[0].Outcome, results[0].Reason)
			if row.want == Inconclusive {
				assert.Contains(t, results[0].Reason, "experiment “one”")
				assert.Contains(t, results[0].Reason, "the connection was cut")
			}
		})
	}
}

// TestExperimentEndsWithTheRun: where the run has come to its end, nothing follows.
func TestExperimentEndsWithTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := sampleCase()
	c.NoControl, c.Control = "the act is what is tried", ""
	c.Act = &Act{Name: "try", Within: time.Second, Do: func(ctx context.Context, pod PodClient) error {
		err := pod.Apart(ctx, "one", func(ctx context.Context) error { cancel(); return ctx.Err() })
		require.Error(t, err)
		return err
	}}
	results := runnerOn(t, newBench(), c).Run(ctx)
	require.Len(t, results, 1)
	assert.Equal(t, Inconclusive, results[0].Outcome)
}

func TestJudgedApartOfNoJudge(t *testing.T) { assert.Nil(t, JudgedApart(nil, nil)) }
