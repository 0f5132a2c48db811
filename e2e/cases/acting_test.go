package cases

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// observed is a pod client that can do nothing but look, and sees what it is told to.
type observed struct {
	suite.PodClient
	snapshot *probe.Snapshot
	err      error
}

func (o observed) Observe(context.Context, string) (*probe.Snapshot, error) { return o.snapshot, o.err }

// TestLook: what could not be looked at is no sight of nothing.
func TestLook(t *testing.T) {
	for name, row := range map[string]struct {
		client observed
		says   string // empty: it was looked at
	}{
		"looked at":           {observed{snapshot: &probe.Snapshot{}}, ""},
		"the exec is refused": {observed{snapshot: &probe.Snapshot{Failure: "the container is being stopped"}}, "container one could not be observed: the container is being stopped"},
		"no answer":           {observed{err: errors.New("the node is gone")}, "the node is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := look(t.Context(), row.client, "one")
			if row.says == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, row.says)
		})
	}
}
