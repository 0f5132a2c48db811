package cases

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

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
