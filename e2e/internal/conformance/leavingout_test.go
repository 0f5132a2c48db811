package conformance

import (
	"testing"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

func TestLeftOutTargetsAreNoTargets(t *testing.T) {
	var l leftOut
	targets := []suite.Target{{Node: "a"}, {Node: "b", RuntimeClass: "gvisor"}, {Node: "c"}}
	rest, out := l.apart(targets)
	assert.DeepEqual(t, rest, targets)
	assert.Equal(t, len(out), 0)
	l.note(targets[1], "deleted during the run")
	rest, out = l.apart(targets)
	assert.DeepEqual(t, rest, []suite.Target{{Node: "a"}, {Node: "c"}})
	assert.DeepEqual(t, out, []report.LeftOut{{Node: "b/gvisor", Reason: "deleted during the run"}})
}
