package cases

import (
	"slices"
	"testing"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/suite"
)

// TestEverywhere: on every node a sweep asks these claims, of these two pods. A case that joins
// them makes no pod more.
func TestEverywhere(t *testing.T) {
	var ids, pods []string
	for _, c := range All() {
		if !Everywhere(c) {
			continue
		}
		assert.Equal(t, c.Level, suite.Core)
		ids = append(ids, c.ID)
		pods = append(pods, c.Fixture, c.Control)
	}
	slices.Sort(ids)
	slices.Sort(pods)
	assert.DeepEqual(t, ids, []string{"isolation/field-absent", "pid1/no-container-is", "visibility/every-ordered-pair", "visibility/one-namespace"})
	assert.DeepEqual(t, slices.Compact(pods), []string{markersIsolated, markers})
}
