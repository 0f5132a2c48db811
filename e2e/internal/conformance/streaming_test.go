package conformance

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/options"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

var (
	streamCases   = []suite.Case{{ID: "a/one", Level: suite.Core}, {ID: "a/two", Level: suite.Core}}
	streamTargets = []suite.Target{{Node: "n1", Kernel: "6", BootID: "b1"}, {Node: "n2", Kernel: "6"}, {Node: "n3", Kernel: "6"}, {Node: "n4", Kernel: "6", BootID: "b4"}}
)

// runInto is a run that writes into a folder, with all its cases asked on each target.
func runInto(t *testing.T, path string) *Run {
	t.Helper()
	c := &Run{Options: options.Options{Resume: path}, Cases: streamCases}
	c.folder, c.report.ID = &folder{Path: path}, "r1"
	c.report.Targets = streamTargets
	return c
}

func withImages(t suite.Target) suite.Target {
	t.Images = map[string]string{"busybox": "sha256:ab"}
	return t
}

// streamed writes what a run came to: the outcomes of each target's two cases; "" where there is none.
func streamed(t *testing.T, path string, outcomes ...[2]suite.Outcome) {
	t.Helper()
	c := runInto(t, path)
	assert.NilError(t, c.openStream(streamTargets))
	for i, of := range outcomes {
		for j, outcome := range of {
			if outcome != "" {
				c.stream.add(suite.Result{Case: streamCases[j], Target: streamTargets[i], Outcome: outcome}, withImages)
			}
		}
	}
	assert.Equal(t, c.stream.close(), "")
}

// TestResume: who has answered is not asked again; who has not, or not clearly, or is another
// node by now, is.
func TestResume(t *testing.T) {
	folder := t.TempDir()
	streamed(t, folder,
		[2]suite.Outcome{suite.Conformant, suite.NonConformant}, [2]suite.Outcome{suite.Conformant, suite.Inconclusive},
		[2]suite.Outcome{suite.Conformant, ""}, [2]suite.Outcome{suite.Conformant, suite.Skipped})
	file := filepath.Join(folder, report.StreamFile)
	text, err := os.ReadFile(file)
	assert.NilError(t, err)
	torn := append(bytes.Clone(text), `{"result":{"id":"a/t`...) // and the run died
	assert.NilError(t, os.WriteFile(file, torn, 0o600))

	earlier, err := readResumed(folder)
	assert.NilError(t, err)
	assert.Assert(t, earlier.stream.Torn)
	all := func(suite.Target) []suite.Case { return streamCases }
	ask, done, results := earlier.answered(streamTargets, all)
	assert.DeepEqual(t, ask, streamTargets[1:3])
	assert.DeepEqual(t, done, []suite.Target{withImages(streamTargets[0]), withImages(streamTargets[3])})
	assert.Equal(t, len(results), 4)
	assert.Equal(t, results[1].Outcome, suite.NonConformant)
	assert.Equal(t, results[3].Outcome, suite.Skipped)

	upgraded := append([]suite.Target(nil), streamTargets...)
	upgraded[0].Kernel = "7"
	ask, _, _ = earlier.answered(upgraded, all)
	assert.DeepEqual(t, ask, upgraded[:3])
	booted := append([]suite.Target(nil), streamTargets...)
	booted[3].BootID = "another"
	ask, _, _ = earlier.answered(booted, all)
	assert.DeepEqual(t, ask, booted[1:])
	otherwise := []suite.Case{streamCases[0], {ID: streamCases[1].ID, Fixture: "other.yaml"}}
	for _, cases := range [][]suite.Case{append(streamCases, suite.Case{ID: "a/three"}), otherwise} {
		ask, _, _ = earlier.answered(streamTargets, func(suite.Target) []suite.Case { return cases })
		assert.DeepEqual(t, ask, streamTargets)
	}

	// Gone on with, the torn line is taken off, and the file is read as before.
	streamed(t, folder, [2]suite.Outcome{}, [2]suite.Outcome{suite.Conformant, suite.Conformant}, [2]suite.Outcome{suite.Conformant, suite.Conformant})
	earlier, err = readResumed(folder)
	assert.NilError(t, err)
	ask, _, results = earlier.answered(streamTargets, all)
	assert.Equal(t, len(ask), 0)
	assert.Equal(t, len(results), 8)
}

func TestResumeNeedsAFolder(t *testing.T) {
	none, err := readResumed("")
	assert.NilError(t, err)
	assert.Assert(t, none == nil)
	_, err = readResumed(t.TempDir())
	assert.ErrorContains(t, err, "-resume: ")
	assert.ErrorContains(t, err, "name the folder of a run that was interrupted")
}

// TestResultsComeInTheOrderOfTheTargets, whichever run they are of.
func TestResultsComeInTheOrderOfTheTargets(t *testing.T) {
	c := &Run{resumed: &resumed{results: []suite.Result{{Target: streamTargets[1]}, {Target: streamTargets[3]}}}}
	c.report.Targets = streamTargets
	var nodes []string
	for _, r := range c.withResumed([]suite.Result{{Target: streamTargets[0]}, {Target: streamTargets[2]}}) {
		nodes = append(nodes, r.Target.Node)
	}
	assert.DeepEqual(t, nodes, []string{"n1", "n2", "n3", "n4"})
}

// TestSamplesStay: a sweep that is gone on with asks all of Core where it did before.
func TestSamplesStay(t *testing.T) {
	targets := []suite.Target{{Node: "a"}, {Node: "b"}, {Node: "c", Kernel: "7"}}
	assert.DeepEqual(t, samplesAgain([]string{"b", "gone"}, targets, []string{"a", "c"}), []string{"b", "c"})
	assert.DeepEqual(t, samplesAgain(nil, targets, []string{"a", "c"}), []string{"a", "c"})
}

func TestEndLastLine(t *testing.T) {
	for text, want := range map[string]string{"": "", "a\n": "a\n", "a\nb": "a\n", "torn": ""} {
		file := filepath.Join(t.TempDir(), "f")
		assert.NilError(t, os.WriteFile(file, []byte(text), 0o600))
		f, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND, 0)
		assert.NilError(t, err)
		assert.NilError(t, endLastLine(f))
		assert.NilError(t, f.Close())
		got, err := os.ReadFile(file)
		assert.NilError(t, err)
		assert.Equal(t, string(got), want)
	}
}
