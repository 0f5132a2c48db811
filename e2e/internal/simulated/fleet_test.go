package simulated

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

func TestFleet(t *testing.T) {
	for _, row := range []struct {
		fleet            Fleet
		isolated, silent int
	}{
		{Fleet{5, 0}, 0, 0},
		{Fleet{5, 1}, 1, 0},
		{Fleet{100, 2}, 1, 1},
		{Fleet{100, 96}, 48, 48},
		{Fleet{5000, 2}, 1, 1},
		{Fleet{1000, 7}, 4, 3},
	} {
		assert.NilError(t, row.fleet.Check())
		count := map[Fault]int{}
		for name, fault := range row.fleet.Faults() {
			count[fault]++
			assert.Check(t, name >= row.fleet.Name(kinds), "the first of its kind: %s", name)
		}
		assert.Equal(t, count[Isolated], row.isolated, row.fleet)
		assert.Equal(t, count[Silent], row.silent, row.fleet)
	}
	for nodes := kinds + 1; nodes < 40; nodes++ {
		for faulty := range nodes - kinds + 1 {
			assert.Equal(t, len(Fleet{nodes, faulty}.Faults()), faulty, "of %d", nodes)
		}
	}
	for _, wrong := range []Fleet{{0, 0}, {100000, 0}, {5, 2}, {5, -1}, {3, 1}} {
		assert.Check(t, wrong.Check() != nil, wrong)
	}
}

func TestNode(t *testing.T) {
	fleet := Fleet{Nodes: 100, Faulty: 2}
	boots, kernels := map[string]bool{}, map[string]bool{}
	for i := range fleet.Nodes {
		node := fleet.Node(i, 10250, "v1.37.2")
		boots[node.Status.NodeInfo.BootID] = true
		kernels[node.Status.NodeInfo.KernelVersion+node.Status.NodeInfo.ContainerRuntimeVersion] = true
		assert.Equal(t, node.Annotations[suite.SimulatedAnnotation], "fake")
		assert.Equal(t, node.Annotations[FaultAnnotation], string(fleet.Fault(i)))
		assert.Equal(t, node.Status.NodeInfo.KernelVersion, KernelOf(node.Name).Release)
	}
	assert.Equal(t, len(boots), fleet.Nodes)
	assert.Equal(t, len(kernels), kinds)
	assert.Equal(t, kindOfNode("worker"), 0)
}

func TestReadRequests(t *testing.T) {
	const log = `{"stage":"RequestReceived","verb":"create","user":{"username":"procns"},"objectRef":{"resource":"pods"}}
{"stage":"RequestReceived","verb":"create","user":{"username":"procns"},"objectRef":{"resource":"pods"}}
{"stage":"ResponseComplete","verb":"create","user":{"username":"procns"},"objectRef":{"resource":"pods"}}
{"stage":"RequestReceived","verb":"get","user":{"username":"procns"},"objectRef":{"resource":"pods","subresource":"exec"}}
{"stage":"RequestReceived","verb":"get","user":{"username":"procns"}}
{"stage":"RequestReceived","verb":"list","user":{"username":"admin"},"objectRef":{"resource":"nodes"}}
{"stage":"RequestReceived","verb":"list","us`
	got, err := ReadRequests(strings.NewReader(log), "procns")
	assert.NilError(t, err)
	assert.Equal(t, got.Sum(), 4)
	assert.Equal(t, got.String(), "2 create pods, 1 get (no resource), 1 get pods/exec")
	_, err = ReadRequests(strings.NewReader("{}\nno event\n"), "procns")
	assert.ErrorContains(t, err, "line 2")
}

func FuzzReadRequests(f *testing.F) {
	f.Add([]byte("{}\n"))
	f.Fuzz(func(_ *testing.T, log []byte) { _, _ = ReadRequests(bytes.NewReader(log), "procns") })
}

func TestUnfound(t *testing.T) {
	faults := map[string]Fault{"b": Isolated, "c": Silent}
	result := func(target string, outcome suite.Outcome) report.Result {
		return report.Result{Target: target, Outcome: outcome}
	}
	right := []report.Result{
		result("a", suite.Conformant), result("b", suite.NonConformant), result("b", suite.Conformant), result("c/crun", suite.Inconclusive),
	}
	for name, row := range map[string]struct {
		results []report.Result
		missing int
		want    string
	}{
		"all found":        {right, 0, ""},
		"missing":          {right, 3, "3 results are missing"},
		"sound, and wrong": {append(right[1:], result("a", suite.NonConformant)), 0, "node a: 0 conformant, 1 non-conformant, 0 inconclusive, and nothing is wrong with it"},
		"not found":        {append(right[2:], result("a", suite.Conformant)), 0, "node b: 1 conformant, 0 non-conformant, 0 inconclusive, and it does not share"},
		"answered":         {append(right[:3:3], result("c", suite.Conformant)), 0, "node c: 1 conformant, 0 non-conformant, 0 inconclusive, and its kubelet never answered"},
		"not asked":        {right[:3:3], 0, "node c: 0 conformant, 0 non-conformant, 0 inconclusive, and its kubelet never answered"},
	} {
		d := report.Document{Results: row.results, Targets: []report.Target{{Name: "c/crun", Target: suite.Target{Node: "c"}}}}
		d.Verdict.NotRun = row.missing
		assert.Equal(t, strings.Join(Unfound(d, faults), "\n"), row.want, name)
	}
}

// TestPrograms: one that ends too early is told of, and the others end when they are asked to.
func TestPrograms(t *testing.T) {
	ended := make(chan error, 1)
	p := &Programs{Logs: t.TempDir(), Ended: func(err error) { ended <- err }}
	assert.NilError(t, p.Start("stays", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"))
	assert.NilError(t, p.Start("fails", "sh", "-c", "echo said; exit 7"))
	err := <-ended
	assert.ErrorContains(t, err, "fails has ended (exit status 7)")
	said, err := os.ReadFile(filepath.Join(p.Logs, "fails.log"))
	assert.NilError(t, err)
	assert.Equal(t, string(said), "said\n")
	assert.Check(t, p.Start("nowhere", filepath.Join(p.Logs, "nowhere")) != nil)
	used := p.Stop()
	assert.Equal(t, len(used), 2)
	assert.Equal(t, used[0].Name, "stays")
	assert.Check(t, used[0].Peak > 0)
	assert.Equal(t, len(p.Stop()), 0)
	here, err := UsedHere("here")
	assert.NilError(t, err)
	assert.Check(t, here.CPU > 0 && here.Peak > 0)
	assert.Equal(t, Usage{"x", 1500 * time.Millisecond, 3 << 20}.String(), "x: 2 s of CPU, 3 MB at most")
}

func TestRun(t *testing.T) {
	var out, errs bytes.Buffer
	code, used, err := Run(t.Context(), "it", &out, &errs, "sh", "-c", "echo out; echo err >&2; exit 2")
	assert.NilError(t, err)
	assert.Equal(t, code, 2)
	assert.Equal(t, out.String()+errs.String(), "out\nerr\n")
	assert.Equal(t, used.Name, "it")
	interrupted, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	code, _, err = Run(interrupted, "it", &out, &errs, "sh", "-c", "trap 'exit 5' INT; while :; do sleep 0.05; done")
	assert.NilError(t, err)
	assert.Equal(t, code, 5)
	_, _, err = Run(t.Context(), "it", &out, &errs, "/nowhere/it")
	assert.ErrorContains(t, err, "it: ")
}
