package conformance

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/archive/archivetest"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/simulated"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// TestSaveCompresses: a document whose name ends in .gz is compressed, and is there as soon as it was
// saved, whatever becomes of the run; all others are kept as they are. A later round takes the place of an
// earlier one.
func TestSaveCompresses(t *testing.T) {
	f := &folder{Path: t.TempDir()}
	read := func(name string) []byte { return must(os.ReadFile(filepath.Join(f.Path, "worker", "pod", name))) }
	for _, round := range []string{"first", "second"} {
		f.Save("worker/pod", "app.before.txt.gz", round)
		f.Save("worker/pod", "observation.json", []string{round})
		f.Save("worker/pod", "observation-blurred.json.gz", []string{round})
		assert.Equal(t, round, archivetest.Gunzip(t, read("app.before.txt.gz")))
		assert.Equal(t, "[\n \""+round+"\"\n]\n", string(read("observation.json")))
		assert.Equal(t, "[\n \""+round+"\"\n]\n", archivetest.Gunzip(t, read("observation-blurred.json.gz")))
	}
	assert.Empty(t, f.Lost())
}

// transcripts are the texts of a look into each container of each pod of the suite's that was recorded
// on a real cluster and in which nothing was done, by pod and container.
func transcripts(t *testing.T) map[string]map[string]string {
	t.Helper()
	recordings, err := simulated.Load(os.DirFS(filepath.Join("..", "..", "cases", "testdata", "recorded")), fixtures.Files)
	require.NoError(t, err)
	manifests, err := fs.Glob(fixtures.Files, "*.yaml")
	require.NoError(t, err)
	all := map[string]map[string]string{}
	for _, file := range manifests {
		manifest, err := suite.DecodeManifest(file, must(fixtures.Read(file)))
		require.NoError(t, err)
		if manifest.Pod == nil || manifest.Workload != nil {
			continue
		}
		for _, c := range manifest.Pod.Spec.Containers {
			boundary := "procns-" + probe.RandomHex(8)
			stdout, stderr, err := recordings.Answer(manifest.Pod, c.Name, boundary, nil, false)
			if err != nil {
				continue // it was not observed without an act
			}
			answers, err := probe.ReadAnswers(boundary, []byte(stdout), []byte(stderr))
			require.NoError(t, err, "%s, %s", file, c.Name)
			name := strings.TrimSuffix(file, ".yaml")
			if all[name] == nil {
				all[name] = map[string]string{}
			}
			all[name][c.Name] = answers.Text()
		}
	}
	return all
}

// TestTranscriptsAreSmall: the texts of all looks, which were three quarters of the evidence, take at most
// a fifth of their length.
func TestTranscriptsAreSmall(t *testing.T) {
	f := &folder{Path: t.TempDir()}
	said, kept := 0, 0
	for pod, by := range transcripts(t) {
		for container, text := range by {
			name := container + ".before.txt.gz"
			f.Save("worker/"+pod, name, text)
			packed := must(os.ReadFile(filepath.Join(f.Path, "worker", pod, name)))
			require.Equal(t, text, archivetest.Gunzip(t, packed))
			said, kept = said+len(text), kept+len(packed)
		}
	}
	require.Greater(t, said, 1_000_000, "too little for anything to be told")
	assert.Less(t, 5*kept, said, "%d bytes of %d", kept, said)
}
