package cases

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// ownOf is what the containers of a manifest are told to run, in the pod that was
// observed.
func ownOf(t *testing.T, file string, o suite.Observation) probe.Own {
	t.Helper()
	raw, err := fixtures.Read(file)
	require.NoError(t, err)
	m, err := suite.DecodePlanted(file, raw, o.Markers)
	require.NoError(t, err)
	return m.Own()
}

// TestRecordingsHoldNothingOfOthers: what was recorded where the node's processes
// are visible holds no arguments of processes that are not the suite's own. -update
// takes them out.
func TestRecordingsHoldNothingOfOthers(t *testing.T) {
	manifests := map[string]string{}
	for _, c := range every() {
		for _, file := range []string{c.Fixture, c.Control} {
			manifests[recording(file, c.Act, c.Submit)] = file
		}
		manifests[recording(c.Neighbour, nil, suite.Runs)] = c.Neighbour
	}
	var files []string
	for _, pattern := range []string{"recorded/*.json", "sabotaged/*/*.json.gz"} {
		some, err := filepath.Glob(filepath.Join("testdata", pattern))
		require.NoError(t, err)
		files = append(files, some...)
	}
	for _, file := range files {
		raw := readRecording(t, file)
		var o, kept suite.Observation
		require.NoError(t, json.Unmarshal(raw, &o))
		require.NoError(t, json.Unmarshal(raw, &kept))
		kept.Redact(ownOf(t, manifests[strings.TrimSuffix(filepath.Base(file), ".gz")], kept))
		if len(others(o, kept)) == 0 {
			continue
		}
		if flag.Lookup("update").Value.String() != "true" {
			t.Errorf("%s: run the test with -update: it holds %q", file, others(o, kept))
			continue
		}
		writeRecording(t, file, kept)
	}
}

func readRecording(t *testing.T, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	if !strings.HasSuffix(file, ".gz") {
		return raw
	}
	packed, err := gzip.NewReader(bytes.NewReader(raw))
	require.NoError(t, err)
	text, err := io.ReadAll(packed)
	require.NoError(t, err)
	return text
}

func writeRecording(t *testing.T, file string, o suite.Observation) {
	t.Helper()
	text, err := json.MarshalIndent(o, "", " ")
	require.NoError(t, err)
	text = append(text, '\n')
	if strings.HasSuffix(file, ".gz") {
		var packed bytes.Buffer
		writer := gzip.NewWriter(&packed)
		_, err := writer.Write(text)
		require.NoError(t, err)
		require.NoError(t, writer.Close())
		text = packed.Bytes()
	}
	require.NoError(t, os.WriteFile(file, text, 0o644))
}

// others are the arguments and environments that an observation holds of processes
// that are not the suite's own.
func others(o, kept suite.Observation) []string {
	var all []string
	for name, pair := range map[string][2]map[string]*probe.Snapshot{"before": {o.Before, kept.Before}, "after": {o.After, kept.After}} {
		for container, s := range pair[0] {
			if _, node := s.Find(func(p probe.Process) bool { return p.Comm == "kubelet" }); !node {
				continue
			}
			for i, p := range s.Processes {
				k := pair[1][container].Processes[i]
				if k.Foreign && (len(p.Argv) > len(k.Argv) || p.Environ.Text != "" && p.PID != 1) {
					all = append(all, fmt.Sprintf("%s of %s: %.60q", name, container, p.Command()))
				}
			}
		}
	}
	return all
}
