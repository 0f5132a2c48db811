package cases_test

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/cases"
	"procns/e2e/internal/sabotage/campaign"
	"procns/e2e/internal/sabotage/matrix"
	"procns/e2e/internal/sabotage/mutants"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// sabotaged is where `make sabotage` keeps what the suite saw of broken clusters, and the
// matrix of what it said.
var sabotaged = filepath.Join("testdata", "sabotaged")

// TestJudgesOnSabotagedPods repeats every kill of the matrix without a cluster: what a case
// saw under a mutant is judged again, and must be a violation.
func TestJudgesOnSabotagedPods(t *testing.T) {
	kept, err := matrix.Read(filepath.Join(sabotaged, "matrix.json"))
	require.NoError(t, err)
	if len(kept.Mutants) == 0 {
		t.Skip("no matrix has been made yet: make sabotage")
	}
	byID := map[string]suite.Case{}
	for _, c := range append(cases.All(), cases.Upgrade()...) {
		byID[c.ID] = c
	}
	used := map[string]bool{}
	read := func(t *testing.T, mutant, file, stage string) suite.Observation {
		t.Helper()
		name := campaign.Recording(mutant, stage)
		used[name] = true
		packed, err := os.Open(filepath.Join(sabotaged, name))
		require.NoError(t, err, "the matrix says that it was killed, and what was seen is not recorded: RECORD=1 make sabotage")
		defer func() { _ = packed.Close() }()
		content, err := gzip.NewReader(packed)
		require.NoError(t, err)
		var o suite.Observation
		require.NoError(t, json.NewDecoder(content).Decode(&o))
		raw, err := fixtures.Read(file)
		require.NoError(t, err)
		manifest, err := suite.DecodePlanted(file, raw, o.Markers)
		require.NoError(t, err)
		o.Redact(manifest.Own()) // as the runner does
		return o
	}
	for _, mutant := range mutants.All() {
		for _, id := range kept.Of(mutant.Name, matrix.Killed) {
			t.Run(mutant.Name+"/"+id, func(t *testing.T) {
				c, known := byID[id]
				require.True(t, known, "the catalogue has no such case any more: make the matrix anew")
				o := read(t, mutant.Name, c.Fixture, suite.StageName(c.Fixture, c.Act, c.Submit))
				if c.Neighbour != "" {
					neighbour := read(t, mutant.Name, c.Neighbour, suite.StageName(c.Neighbour, nil, suite.Runs))
					o.Neighbour = &neighbour
				}
				err := c.Judge(o)
				require.Error(t, err, "the judge did not notice")
				assert.True(t, suite.IsViolation(err), "expected a violation: %v", err)
			})
		}
	}
	files, err := filepath.Glob(filepath.Join(sabotaged, "*", "*.json.gz"))
	require.NoError(t, err)
	for _, file := range files {
		name, err := filepath.Rel(sabotaged, file)
		require.NoError(t, err)
		assert.True(t, used[name], "%s: no kill of the matrix rests on it", file)
	}
}
