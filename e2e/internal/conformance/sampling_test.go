package conformance

import (
	"io"
	"log"
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/suite"
)

// TestEvidenceOfASweepIsSampled: that of passes is kept of one node of each kind, that of all
// others as long as something on the node did not pass; and nothing outside is touched.
func TestEvidenceOfASweepIsSampled(t *testing.T) {
	c := runInto(t, t.TempDir())
	c.folder.log = log.New(io.Discard, "", 0)
	assert.NilError(t, c.openStream(streamTargets))
	c.report.Sweep = suite.NewScope(streamTargets, streamCases, func(suite.Case) bool { return true })
	var results []suite.Result
	for i, target := range streamTargets {
		for j, one := range streamCases {
			r := suite.Result{Case: one, Target: target, Outcome: suite.Conformant, Folder: target.Name() + "/pod", ControlFolder: target.Name() + "/control"}
			if i == 2 && j == 0 {
				r.Outcome = suite.Inconclusive
			}
			for _, below := range []string{r.Folder, r.ControlFolder} {
				c.folder.Save(below, "observation.json", struct{}{})
			}
			if c.stream.add(r, withImages) {
				c.dropEvidence(r)
			}
			results = append(results, r)
		}
	}
	c.dropped.forget(results)
	for i, target := range streamTargets {
		_, err := os.Stat(filepath.Join(c.folder.Path, target.Name()))
		kept := i == 0 || i == 2
		assert.Equal(t, err == nil, kept, target.Name())
		assert.Equal(t, results[2*i].Folder != "", kept, target.Name())
	}
	var again dropped
	again.noteMissing(c.folder.Path, []suite.Result{{Target: streamTargets[0], Folder: "n1/pod"}, {Target: streamTargets[1], Folder: "n2/pod"}})
	assert.DeepEqual(t, again.targets, map[string]bool{"n2": true})
	for _, folder := range []string{"", "..", "../other/pod", "/etc/pod"} {
		c.dropEvidence(suite.Result{Target: streamTargets[3], Folder: folder})
	}
	_, err := os.Stat(c.folder.Path)
	assert.NilError(t, err)
}
