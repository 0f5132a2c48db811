package suite

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/difference"
)

// TestTally: what the cluster does to many pods is said once, with what it costs.
func TestTally(t *testing.T) {
	by := &difference.Attribution{Matching: []string{"policy pod-user"}}
	user := func(path string) difference.Difference {
		return difference.Difference{Path: path, Class: difference.Users, Stored: "1000"}
	}
	drop := func(container string) difference.Difference {
		return difference.Difference{Path: "spec.containers[" + container + "].securityContext.capabilities.drop[MKNOD]", Class: difference.CapabilitiesDropped, Container: container}
	}
	cases := []Case{{ID: "a/one", Fixture: "a.yaml", Control: "b.yaml"}, {ID: "a/two", Fixture: "c.yaml", Neighbour: "a.yaml"}, {ID: "a/three", Fixture: "d.yaml"}}
	var tally Tally
	for file, container := range map[string]string{"a.yaml": "nginx", "b.yaml": "one", "d.yaml": "two", "copy of d.yaml": "two"} {
		changes := Changes{By: by, Differences: []difference.Difference{drop(container)}}
		if file == "a.yaml" || file == "b.yaml" {
			changes.Differences = append(changes.Differences, user("spec.securityContext.runAsUser"), user("spec.securityContext.runAsGroup"))
		}
		tally.Add(file, changes, cases)
		tally.Add(file, changes, cases)
	}
	rows := tally.Rows()
	require.Len(t, rows, 2)
	assert.Equal(t, "the cluster changes pods: sets spec.securityContext.runAsGroup to 1000, sets spec.securityContext.runAsUser to 1000 (policy pod-user), in a.yaml, b.yaml: "+
		"2 cases are inconclusive; way out: exempt namespaces with the label procns.run, or set what opts out of it with -namespace-label, -pod-label or -pod-annotation", rows[0].String())
	assert.Equal(t, []string{"a/one", "a/two"}, rows[0].Without)
	assert.Equal(t, "the cluster changes pods: drops capability MKNOD (policy pod-user), in a.yaml, b.yaml and 2 other manifests: no case of this run turns on it", rows[1].String())
	assert.Empty(t, (&Tally{}).Rows())
}
