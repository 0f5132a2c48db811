package cases

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// stressBreakages are the faults that the cases of stress must find.
var stressBreakages = map[string][]breakage{
	"stress/execs-at-once": {
		came("an exec hangs, and is given up", execName(7), probe.CommandResult{}),
		came("an exec is cut", execName(3), probe.CommandResult{Failure: "stream closed"}),
		came("an exec ends with another's exit code", execName(0), probe.CommandResult{Code: 137}),
		{"an exec sees its own container's process only", func(o *suite.Observation) { o.Ran[execName(1)] = o.Ran[execName(0)] }},
	},
	"stress/sessions-end-at-once": {
		sawOtherwise("one session hangs", func(saw *suite.Saw) { *saw.Load.SessionsEnded = 41 }),
		sawOtherwise("all sessions hang", func(saw *suite.Saw) { *saw.Load.SessionsEnded = 0 }),
		came("a session reports success", sessionName(5), probe.CommandResult{}),
	},
	"stress/rapid-restarts": {
		stuckRunning("three"), notRestarted("one"), restartedTwice("two"), restartedToo("killer"), processReplaced("killer"), otherPID1,
		seesNoMore("killer", "five"),
		{"a container runs in a namespace of its own", func(o *suite.Observation) { o.After["four"].Namespaces["pid"]++ }},
	},
}

// TestExecsAtWhatIsSeen: where a container does not see the next one's first process, no exec looks at
// it, and the judge says that it does not see it.
func TestExecsAtWhatIsSeen(t *testing.T) {
	c := named(t, "stress/execs-at-once")
	for file, runs := range map[string]bool{c.Fixture: true, c.Control: false} {
		h := &cutHands{seen: recorded(t, c, file), undone: map[string]error{}}
		h.seen.Ran = nil
		err := execAtOnce(t.Context(), h)
		assert.Equal(t, runs, errors.Is(err, errCut), "%s: %v", file, err)
		assert.Equal(t, !runs, suite.IsViolation(c.Judge(h.seen)), file)
	}
}

// slowHands are a node's that serves the execs one after the other. Of those that are given up, the
// record says so, as the cluster's does.
type slowHands struct {
	cutHands
	mu     sync.Mutex
	takes  time.Duration // each
	never  string        // the exec that does not come back
	result func(name string) probe.CommandResult
	served int
}

func (h *slowHands) Exec(ctx context.Context, name, _ string, _ ...string) (probe.CommandResult, error) {
	var result probe.CommandResult
	var err error
	h.mu.Lock()
	turn := time.Duration(1<<62 - 1)
	if name != h.never {
		h.served++
		turn = time.Duration(h.served) * h.takes
	}
	h.mu.Unlock()
	select {
	case <-time.After(turn):
		result = h.result(name)
	case <-ctx.Done():
		err = context.Cause(ctx)
		result.Failure = err.Error()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen.Ran[name] = result
	return result, err
}

// TestSlowExecsAreNoHang: execs and sessions hang when none has come back for long, however long all of them take.
func TestSlowExecsAreNoHang(t *testing.T) {
	for _, row := range []struct {
		what, id string
		takes    time.Duration
		never    string
		hangs    bool
		within   time.Duration
	}{
		{"slow", "stress/execs-at-once", 5 * time.Second, "", false, 42 * 5 * time.Second},
		{"one never comes back", "stress/execs-at-once", 5 * time.Second, execName(7), true, 41*5*time.Second + comeback},
		{"the first never comes back", "stress/execs-at-once", 5 * time.Second, execName(0), true, 41*5*time.Second + comeback},
		{"each takes too long", "stress/execs-at-once", comeback + time.Second, "", true, comeback},
		{"slow", "stress/sessions-end-at-once", 5 * time.Second, "", false, 42 * 5 * time.Second},
		{"one never ends", "stress/sessions-end-at-once", 5 * time.Second, sessionName(7), true, 41*5*time.Second + comeback},
		{"each takes too long", "stress/sessions-end-at-once", comeback + time.Second, "", true, comeback},
	} {
		t.Run(row.id+"/"+row.what, func(t *testing.T) {
			c := named(t, row.id)
			o := recorded(t, c, c.Fixture)
			were := maps.Clone(o.Ran)
			h := &slowHands{cutHands: cutHands{seen: o, undone: map[string]error{}}, takes: row.takes, never: row.never,
				result: func(name string) probe.CommandResult { return were[name] }}
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				if row.id == "stress/execs-at-once" {
					require.NoError(t, execAtOnce(t.Context(), h))
				} else {
					var sessions []*session
					for i := range sessionsAtOnce {
						sessions = append(sessions, startSession(t.Context(), h, sessionName(i), "one"))
					}
					require.NoError(t, endSessions(h, sessions))
				}
				assert.LessOrEqual(t, time.Since(began), row.within)
			})
			err := c.Judge(h.seen)
			assert.Equal(t, row.hangs, suite.IsViolation(err), "%v", err)
			if !row.hangs {
				require.NoError(t, err)
			}
			assert.NotContains(t, fmt.Sprint(err), "exit code 0", "it was given up")
		})
	}
}

// TestInterruptedExecsAreNoHang: where the run comes to its end, no exec was given up because it hung.
func TestInterruptedExecsAreNoHang(t *testing.T) {
	c := named(t, "stress/execs-at-once")
	synctest.Test(t, func(t *testing.T) {
		over := errors.New("over")
		ctx, cancel := context.WithCancelCause(t.Context())
		h := &slowHands{cutHands: cutHands{seen: recorded(t, c, c.Fixture)}, takes: time.Minute,
			result: func(string) probe.CommandResult { return probe.CommandResult{} }}
		time.AfterFunc(90*time.Second, func() { cancel(over) })
		require.ErrorIs(t, execAtOnce(ctx, h), over)
	})
}
