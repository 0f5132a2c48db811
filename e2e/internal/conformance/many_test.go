package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/locked"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// TestReportsAreLinearOfADryRun: from the preflight to the last report, four times as many nodes
// cost four times as much, and what is printed does not grow with them. What is counted are
// allocations.
func TestReportsAreLinearOfADryRun(t *testing.T) {
	planned := func(nodes int, profile string) (allocations float64, printed int, d report.Document) {
		fleet := &server{version: "v1.37.2"}
		for i := range nodes {
			fleet.nodes = append(fleet.nodes, readyNode(fmt.Sprintf("pool-1234567890-node-%05d", i), ""))
		}
		kubeconfig, folder := kubeconfigOf(t, fleet), t.TempDir()
		var out, said locked.Buffer
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run, _ := Begin([]string{"-report-dir", folder, "-kubeconfig", kubeconfig, "-profile", profile, "-nodes", "all", "-dry-run"}, "test", &out, &said)
		require.NotNil(t, run, said.String())
		require.NoError(t, run.Prepare(t.Context()))
		run.Start(t.Context())
		run.Finish(t.Context())
		assert.Equal(t, suite.ExitInconclusive, run.WriteReports(&out), out.String())
		runtime.ReadMemStats(&after)
		assert.Contains(t, said.String(), "estimate")
		assert.Contains(t, said.String(), "requests, ")
		files, err := filepath.Glob(filepath.Join(folder, "*", "report.json"))
		require.NoError(t, err)
		require.Len(t, files, 1)
		d, err = report.ReadFile(files[0])
		require.NoError(t, err)
		for _, name := range []string{"report.json", "junit_01.xml", "summary.md", "e2e.log", "report.html"} {
			info, err := os.Stat(filepath.Join(filepath.Dir(files[0]), name))
			require.NoError(t, err)
			assert.Less(t, info.Size(), int64(1<<20), "%s of %d nodes", name, nodes)
		}
		return float64(after.Mallocs - before.Mallocs), len(strings.Split(out.String()+said.String(), "\n")), d
	}
	few, lines, _ := planned(100, "core")
	many, moreLines, d := planned(400, "core")
	assert.Less(t, many, 6*few)
	assert.LessOrEqual(t, moreLines, lines+2)
	assert.Len(t, d.Targets, 400)
	assert.Len(t, d.Results, 400*d.Suite.Selected)
	assert.Equal(t, len(d.Results), d.Verdict.Planned)

	_, _, d = planned(400, "sweep")
	assert.Len(t, d.Results, d.Suite.Selected+399*3)
	assert.Equal(t, 0, d.Verdict.NotRun)
	assert.Equal(t, []string{"pool-1234567890-node-00000"}, d.Sweep.Samples)
}
