package report

import (
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"
	"sigs.k8s.io/yaml"

	"procns/e2e/internal/suite"
)

func asSonobuoy(t *testing.T, run Run) string {
	t.Helper()
	return written(t, func(w io.Writer) error { return WriteSonobuoy(w, run) })
}

// rolledUp is the status that Sonobuoy gives a plugin: it asks the leaves alone. Where one
// has a status that it does not know, it counts each; else it fails with one that failed,
// and passes otherwise, but for a tree without leaves.
func rolledUp(item SonobuoyItem) string {
	counts := map[string]int{}
	var leaves func(SonobuoyItem)
	leaves = func(i SonobuoyItem) {
		for _, below := range i.Items {
			if len(below.Items) == 0 {
				counts[below.Status]++
			}
			leaves(below)
		}
	}
	leaves(item)
	switch {
	case len(counts) == 0 || counts["unknown"]+counts[""] > 0:
		return "unknown"
	case counts[SonobuoyInconclusive] > 0:
		return "counted"
	case counts[SonobuoyFailed] > 0:
		return "failed"
	}
	return "passed"
}

// TestSonobuoyGolden: every example, read as Sonobuoy does; only a conformant run passes.
func TestSonobuoyGolden(t *testing.T) {
	for _, e := range examples() {
		if e.style != (Style{}) {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			text := asSonobuoy(t, e.run)
			golden.Assert(t, text, e.name+".sonobuoy.yaml")
			var read SonobuoyItem
			assert.NilError(t, yaml.UnmarshalStrict([]byte(text), &read))
			assert.DeepEqual(t, read, e.run.sonobuoy())
			assert.Equal(t, rolledUp(read) == "passed", e.exit == suite.ExitConformant, rolledUp(read))
			names := map[string]bool{}
			for _, target := range read.Items {
				for _, leaf := range target.Items {
					assert.Assert(t, !names[leaf.Name], "%s is there twice", leaf.Name)
					names[leaf.Name] = true
					// What Sonobuoy splits counts by.
					assert.Assert(t, !strings.ContainsAny(leaf.Status, ",:"), leaf.Status)
				}
			}
		})
	}
}

func TestSonobuoyForeignText(t *testing.T) {
	run := withResults(result(pid1, workerA, suite.NonConformant, found(evil, evil, evil)))
	run.Problem, run.Leftovers = evil, []string{evil}
	run.Targets = []suite.Target{{Node: evil}}
	text := asSonobuoy(t, run)
	assert.Assert(t, utf8.ValidString(text))
	var read SonobuoyItem
	assert.NilError(t, yaml.UnmarshalStrict([]byte(text), &read))
	assert.DeepEqual(t, read, run.sonobuoy())
}
