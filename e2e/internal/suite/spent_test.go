package suite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestSpent: every exec of a run is counted once, by its purpose and its pod.
func TestSpent(t *testing.T) {
	c := sampleCase()
	c.Act = &Act{Name: "act", Within: time.Millisecond, Do: func(ctx context.Context, pod PodClient) error {
		if _, err := pod.Exec(ctx, "command", "app", "true"); err != nil {
			return err
		}
		if err := pod.ExecUnread(ctx, "app", "yes"); err != nil {
			return err
		}
		if err := pod.Attach(ctx, "app", nil); err != nil {
			return err
		}
		_, err := pod.Observe(ctx, "app")
		return err
	}}
	runner := runnerOn(t, newBench(), c)
	runner.Spent = &Spent{}
	runner.Run(t.Context())
	assert.Equal(t, map[string]int{"before": 2, "after": 1, forCommands: 2, forUnread: 2, forTerminals: 2, forLooks: 2}, runner.Spent.ByPurpose())
	assert.Equal(t, []string{
		"6 execs for fixture.act: after 1 before 1 commands of acts 1 looks of acts 1 terminals 1 unread sessions 1",
		"5 execs for control.act: before 1 commands of acts 1 looks of acts 1 terminals 1 unread sessions 1",
	}, runner.Spent.Lines())

	var nobody *Spent
	nobody.add("fixture", "before")
	assert.Empty(t, nobody.ByPurpose())
	assert.Empty(t, nobody.Lines())
}
