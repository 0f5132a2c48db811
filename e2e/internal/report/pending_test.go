package report

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/suite"
)

// TestPending: what is deleted and waits for the cluster is said in each document,
// and changes no exit code; what could not be removed does.
func TestPending(t *testing.T) {
	target := suite.Target{Node: "a"}
	one := suite.Case{ID: "pid1/is-the-sandbox", Level: suite.Core, Claim: "c", Source: "s"}
	const namespace = "namespace procns-x is left: NamespaceDeletionDiscoveryFailure: metrics.k8s.io/v1beta1"
	for name, row := range map[string]struct {
		outcome suite.Outcome
		left    []string
		exit    int
	}{
		"conformant":                      {suite.Conformant, nil, suite.ExitConformant},
		"non-conformant":                  {suite.NonConformant, nil, suite.ExitNonConformant},
		"inconclusive":                    {suite.Inconclusive, nil, suite.ExitInconclusive},
		"conformant, and a real leftover": {suite.Conformant, []string{"namespace procns-y is left: forbidden"}, suite.ExitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			r := Run{
				ID: "x", Targets: []suite.Target{target}, Pending: []string{namespace}, Leftovers: row.left,
				Results: []suite.Result{{Case: one, Target: target, Outcome: row.outcome, Reason: "expected a; observed b"}},
			}
			v := r.Verdict()
			assert.Equal(t, row.exit, v.ExitCode)
			assert.Contains(t, v.Line, "1 deleted object is still there")
			var terminal, markdown, junit, document bytes.Buffer
			require.NoError(t, WriteTerminal(&terminal, r, Style{}))
			require.NoError(t, WriteMarkdown(&markdown, r))
			require.NoError(t, WriteJUnit(&junit, r))
			require.NoError(t, WriteJSON(&document, r))
			for _, each := range []*bytes.Buffer{&terminal, &markdown, &junit, &document} {
				assert.Contains(t, each.String(), namespace)
			}
			assert.Contains(t, junit.String(), `<skipped message="deleted, and still there: `+namespace)
		})
	}
}
