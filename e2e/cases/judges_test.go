package cases

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// TestJudgesOnRecordedPods: each judge says yes to the conformant pod, and no to
// the control.
func TestJudgesOnRecordedPods(t *testing.T) {
	for _, c := range every() {
		t.Run(c.ID, func(t *testing.T) {
			fixture := recorded(t, c, c.Fixture)
			if c.Precondition != nil {
				require.NoError(t, c.Precondition(fixture))
			}
			require.NoError(t, c.Judge(fixture))
			if c.Record != nil {
				assert.NotEmpty(t, c.Record(fixture))
			}
			if c.Control != "" {
				err := c.Judge(recorded(t, c, c.Control))
				require.Error(t, err, "the control does not bite")
				assert.True(t, suite.IsViolation(err), "%v", err)
			}
		})
	}
}

// TestJudgesNeverAcceptNothing: an observation in which nothing was seen is
// never conformant, and no proof of the contrary either where a case can tell.
func TestJudgesNeverAcceptNothing(t *testing.T) {
	for _, c := range every() {
		t.Run(c.ID, func(t *testing.T) {
			assert.Error(t, c.Judge(suite.Observation{}))
			blind := recorded(t, c, c.Fixture)
			for _, snapshots := range []map[string]*probe.Snapshot{blind.Before, blind.After} {
				for name := range snapshots {
					snapshots[name] = &probe.Snapshot{Container: name, Failure: "exec was refused"}
				}
			}
			blind.Saw, blind.Ran, blind.Answers, blind.Logs, blind.Events = suite.Saw{}, nil, nil, nil, nil
			blind.AfterPod, blind.Deletion, blind.Copies = nil, nil, nil
			blind.Pod.Sharing = "absent"
			blind.Pod.Containers = nil
			assert.Error(t, c.Judge(blind))
		})
	}
}

// breakagesByArea has at least one fault for each case, which its judge must find.
// Each area keeps its own beside its cases, in AREA_test.go.
var breakagesByArea = []map[string][]breakage{
	pageBreakages,
	admissionBreakages,
	controllersBreakages,
	permissionsBreakages,
	lifecycleBreakages,
	execsBreakages,
	reapingBreakages,
	initBreakages,
	sidecarBreakages,
	ephemeralBreakages,
	debugBreakages,
	neighboursBreakages,
	securityBreakages,
	stressBreakages,
	disruptionBreakages,
	upgradeBreakages,
}

// allBreakages are the faults of all areas.
func allBreakages(t *testing.T) map[string][]breakage {
	t.Helper()
	all := map[string][]breakage{}
	for _, area := range breakagesByArea {
		for id, faults := range area {
			require.Empty(t, all[id], "%s has its faults in two places", id)
			all[id] = faults
		}
	}
	return all
}

// TestJudgesFindBreakages proves of each case that it can fail, for each fault
// that is listed for it.
func TestJudgesFindBreakages(t *testing.T) {
	breakages := allBreakages(t)
	all := every()
	for _, c := range all {
		faults := breakages[c.ID]
		if assert.NotEmpty(t, faults, "%s: no fault is known that this case finds", c.ID) {
			for _, fault := range faults {
				t.Run(c.ID+"/"+fault.name, func(t *testing.T) {
					o := recorded(t, c, c.Fixture)
					fault.apply(&o)
					err := c.Judge(o)
					require.Error(t, err, "the judge did not notice")
					var finding *suite.Finding
					require.True(t, errors.As(err, &finding), "judges answer with findings: %v", err)
					assert.False(t, finding.CannotTell, "expected a violation: %v", err)
				})
			}
		}
	}
	for id := range breakages {
		assert.True(t, slices.ContainsFunc(all, func(c suite.Case) bool { return c.ID == id }), "%s is no case", id)
	}
}

// TestRecordingsAreUsed keeps testdata free of what no case judges any more.
func TestRecordingsAreUsed(t *testing.T) {
	used := map[string]bool{}
	for _, c := range every() {
		for _, file := range []string{c.Fixture, c.Control} {
			if c.Area() != throughUpgrade.Name { // it borrows the others'
				used[recording(file, c.Act, c.Submit)] = true
			}
		}
		used[recording(c.Neighbour, nil, suite.Runs)] = true
	}
	files, err := filepath.Glob(filepath.Join("testdata", "recorded", "*.json"))
	require.NoError(t, err)
	for _, file := range files {
		assert.True(t, used[filepath.Base(file)], "%s: no case has this pod with this act", file)
	}
}
