package simulated

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	is "gotest.tools/v3/assert/cmp"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

const recorded = "../../cases/testdata/recorded"

func load(t *testing.T) *Recordings {
	t.Helper()
	r, err := Load(os.DirFS(recorded), fixtures.Files)
	assert.NilError(t, err)
	return r
}

// planted is a new pod of a manifest, as the runner makes it, on a node.
func planted(t *testing.T, file, node string) (*corev1.Pod, map[string]string) {
	t.Helper()
	raw, err := fixtures.Read(file)
	assert.NilError(t, err)
	m, err := suite.DecodeManifest(file, raw)
	assert.NilError(t, err)
	m.Pod.Name += "-0123abcd"
	m.Pod.Namespace = "there"
	m.Pod.Spec.NodeName = node
	return m.Pod, m.Markers
}

// TestObservedIsWhatWasSeen: of every snapshot that was ever recorded, the text that the script would
// have written is read as the same snapshot.
func TestObservedIsWhatWasSeen(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(recorded, "*.json"))
	assert.NilError(t, err)
	seen := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		assert.NilError(t, err)
		var o suite.Observation
		assert.NilError(t, json.Unmarshal(raw, &o))
		for _, s := range o.Before {
			if s.Failure != "" {
				continue
			}
			observer, _ := json.Marshal(s.Processes)
			if !strings.Contains(string(observer), `"observer":true`) {
				t.Errorf("%s: no observer", file)
			}
			seen++
			s.Files = nil
			for i := range s.Processes {
				s.Processes[i].Files = nil // asked for in a test of their own
			}
			stdout, stderr, err := observed(s, "procns-0", nil)
			assert.NilError(t, err)
			got, err := parseSnapshot(s.Container, "procns-0", []byte(stdout), []byte(stderr))
			assert.NilError(t, err, "%s: %s", file, s.Container)
			assert.Check(t, is.DeepEqual(comparable(got), comparable(s)), "%s: %s", file, s.Container)
		}
	}
	assert.Check(t, seen > 50)
}

// comparable leaves out what the redaction of a recording took away, or put there.
func comparable(s *probe.Snapshot) *probe.Snapshot {
	for i := range s.Processes {
		s.Processes[i].Foreign = false
	}
	return s
}

func TestFilesAreThoseThatWereAskedFor(t *testing.T) {
	s := &probe.Snapshot{
		Container: "one", Self: 7, Namespaces: map[string]uint64{"pid": 1}, Files: map[string]probe.Access{"/etc/a": {Text: "mine\n"}, "/bin/b": {Digest: "00"}},
		Processes: []probe.Process{{PID: 7, Argv: []string{"sh"}, State: "S", Files: map[string]probe.Access{"/etc/a": {Errno: probe.ENOENT, Message: "head: /proc/7/root/etc/a: No such file or directory"}}}},
	}
	stdout, stderr, err := observed(s, "procns-0", []string{"/etc/a"})
	assert.NilError(t, err)
	got, err := parseSnapshot("one", "procns-0", []byte(stdout), []byte(stderr))
	assert.NilError(t, err)
	assert.Equal(t, got.Files["/etc/a"].Text, "mine\n")
	assert.Equal(t, got.Processes[0].Files["/etc/a"].Errno, probe.ENOENT)
	for _, path := range []string{"/bin/b", "/etc/c"} {
		_, _, err := observed(s, "procns-0", []string{path})
		assert.ErrorContains(t, err, path)
	}
	_, _, err = observed(&probe.Snapshot{Failure: "no shell"}, "procns-0", nil)
	assert.ErrorContains(t, err, "no shell")
}

// TestAnswerIsThePods: markers, name, kernel and boundary are those of the pod that is asked, and nothing
// of the pod that was recorded is left.
func TestAnswerIsThePods(t *testing.T) {
	r := load(t)
	for _, file := range []string{"markers.yaml", "markers-isolated.yaml", "markers-false.yaml", "markers-pair.yaml", "markers-pair-isolated.yaml", "share-process-namespace.yaml", "isolated.yaml"} {
		pod, markers := planted(t, file, "simulated-00003")
		for _, c := range pod.Spec.Containers {
			stdout, stderr, err := r.Answer(pod, c.Name, "procns-0", nil, false)
			assert.NilError(t, err)
			s, err := parseSnapshot(c.Name, "procns-0", []byte(stdout), []byte(stderr))
			assert.NilError(t, err)
			assert.Equal(t, s.Kernel, KernelOf("simulated-00003"))
			if len(markers) > 0 {
				_, sees := s.Find(func(p probe.Process) bool { return p.Has(markers[c.Name]) })
				assert.Check(t, sees, "%s: %s does not see itself", file, c.Name)
			}
			for _, old := range r.by[kindOf(pod, strings.TrimSuffix(pod.Name, "-0123abcd"))].seen.Markers {
				assert.Check(t, !strings.Contains(stdout, old))
			}
		}
	}
}

// TestFewerContainers: a manifest that was not recorded, and is one that was but for a container, is answered
// without what that container ran.
func TestFewerContainers(t *testing.T) {
	r := load(t)
	for file, sees := range map[string]int{"markers-pair.yaml": 2, "markers-pair-isolated.yaml": 1} {
		pod, markers := planted(t, file, "simulated-00003")
		stdout, stderr, err := r.Answer(pod, "two", "procns-0", nil, false)
		assert.NilError(t, err)
		s, err := parseSnapshot("two", "procns-0", []byte(stdout), []byte(stderr))
		assert.NilError(t, err)
		shells, others := 0, 0
		for _, p := range s.Processes {
			switch {
			case p.Has(markers["one"]), p.Has(markers["two"]):
				shells++
			case len(marker.FindAllString(strings.Join(p.Argv, " "), -1)) > 0:
				others++
			}
		}
		assert.Equal(t, shells, sees, file)
		assert.Equal(t, others, 0, file)
	}
}

// TestIsolatedAnswer: on a node that isolates, the sharing pod's container sees no other's marker.
func TestIsolatedAnswer(t *testing.T) {
	pod, markers := planted(t, "markers.yaml", "simulated-00003")
	stdout, stderr, err := load(t).Answer(pod, "one", "procns-0", nil, true)
	assert.NilError(t, err)
	s, err := parseSnapshot("one", "procns-0", []byte(stdout), []byte(stderr))
	assert.NilError(t, err)
	for name, text := range markers {
		_, sees := s.Find(func(p probe.Process) bool { return p.Has(text) })
		assert.Equal(t, sees, name == "one", name)
	}
}

func TestNoAnswer(t *testing.T) {
	r := load(t)
	pod, _ := planted(t, "stress.yaml", "simulated-00000")
	_, _, err := r.Answer(pod, pod.Spec.Containers[0].Name, "procns-0", nil, false)
	assert.ErrorContains(t, err, "nothing was recorded of a pod stress")
	pod, _ = planted(t, "markers.yaml", "simulated-00000")
	_, _, err = r.Answer(pod, "four", "procns-0", nil, false)
	assert.ErrorContains(t, err, "container four")
	_, err = Load(os.DirFS(t.TempDir()), fixtures.Files)
	assert.ErrorContains(t, err, "no recording")
	_, err = Load(os.DirFS("nowhere"), fixtures.Files)
	assert.Check(t, err != nil)
	broken := t.TempDir()
	assert.NilError(t, os.WriteFile(filepath.Join(broken, "markers.json"), []byte("{"), 0o600))
	_, err = Load(os.DirFS(broken), fixtures.Files)
	assert.ErrorContains(t, err, "markers.json")
	assert.NilError(t, os.Rename(filepath.Join(broken, "markers.json"), filepath.Join(broken, "unknown.json")))
	assert.NilError(t, os.WriteFile(filepath.Join(broken, "unknown.json"), []byte("{}"), 0o600))
	_, err = Load(os.DirFS(broken), fixtures.Files)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestAsked(t *testing.T) {
	boundary, paths, ok := asked(probe.ObserveCommand("procns-1", []string{"/a", "/b"}))
	assert.Check(t, ok)
	assert.Equal(t, boundary, "procns-1")
	assert.DeepEqual(t, paths, []string{"/a", "/b"})
	for _, command := range [][]string{nil, {"ls"}, probe.ObserveCommand("x", nil)[:5], slices.Insert(probe.ObserveCommand("x", nil), 1, "-x")} {
		_, _, ok := asked(command)
		assert.Check(t, !ok, "%q", command)
	}
}

// parseSnapshot reads what one run of the observation script prints.
func parseSnapshot(container, boundary string, stdout, stderr []byte) (*probe.Snapshot, error) {
	answers, err := probe.ReadAnswers(boundary, stdout, stderr)
	if err != nil {
		return nil, err
	}
	return answers.Snapshot(container)
}
