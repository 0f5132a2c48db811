package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/jstemmer/go-junit-report/v2/junit"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gotest.tools/v3/assert"

	"procns/e2e/internal/suite"
)

// manyNodes is a run of four cases on so many nodes of two kinds. Their names are put together
// whenever they are asked for, so that each look at a target is an allocation.
func manyNodes(n int, change func(i int, r *suite.Result)) Run {
	run := base()
	run.Targets, run.LeftOut = nil, nil
	run.Stats.ReadySeconds = map[string]float64{}
	for i := range n {
		target := workerA
		target.Node, target.RuntimeClass = fmt.Sprintf("pool-1234567890-node-%05d", i), "runc"
		target.Images = map[string]string{"busybox:1.28": "docker.io/library/busybox@sha256:" + strings.Repeat("ab", 32)}
		target.Labels = []string{"cri-containerd.apparmor.d (enforce)"}
		if i%10 == 3 {
			target.Kernel = "6.18.45"
		}
		run.Targets = append(run.Targets, target)
		run.Stats.ReadySeconds[target.Name()] = 1.5
		for _, c := range []suite.Case{pid1, hup, environ, ptrace} {
			r := result(c, target, suite.Conformant)
			if change != nil {
				change(i, &r)
			}
			run.Results = append(run.Results, r)
		}
	}
	return run
}

// writers are all forms of a report.
var writers = map[string]func(io.Writer, Run) error{
	"json": WriteJSON, "junit": WriteJUnit, "markdown": WriteMarkdown, "sonobuoy": WriteSonobuoy,
	"terminal": func(w io.Writer, r Run) error { return WriteTerminal(w, r, Style{}) },
	"brief":    func(w io.Writer, r Run) error { return WriteTerminal(w, r, Style{Brief: true}) },
}

// allocations counts what a function allocates.
func allocations(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}

// kindsOfRuns are what many nodes may come to.
var kindsOfRuns = map[string]func(int, *suite.Result){
	"conformant": nil,
	"planned":    func(_ int, r *suite.Result) { r.Outcome, r.Duration = suite.Planned, 0 },
	"failed":     func(_ int, r *suite.Result) { because("it did not answer")(r); r.Outcome = suite.Inconclusive },
	"each other": func(i int, r *suite.Result) {
		r.Recorded, r.Remark = fmt.Sprint("record ", i), fmt.Sprint("remark ", i)
	},
}

// TestReportsAreLinearInTargets: four times as many targets cost four times as much, in
// every form, whatever became of them. What is counted are allocations.
func TestReportsAreLinearInTargets(t *testing.T) {
	const few, times = 500, 4
	for name, change := range kindsOfRuns {
		small, large := manyNodes(few, change), manyNodes(few*times, change)
		for form, write := range writers {
			one := allocations(func() { assert.NilError(t, write(io.Discard, small)) })
			four := allocations(func() { assert.NilError(t, write(io.Discard, large)) })
			assert.Assert(t, four < 1.5*times*one, "%s, %s: %.0f allocations for %d targets, %.0f for %d", name, form, one, few, four, few*times)
		}
	}
}

// TestReportsOfManyAreShort: what people read does not grow with the nodes.
func TestReportsOfManyAreShort(t *testing.T) {
	for name, change := range kindsOfRuns {
		nodes := 1000
		if name == "conformant" {
			nodes = 5000
		}
		run := manyNodes(nodes, change)
		for form, write := range writers {
			var text bytes.Buffer
			assert.NilError(t, write(&text, run))
			most := 300 << 10
			switch {
			case form == "json" && (name == "conformant" || name == "planned"):
				most = 5 << 20
			case form == "json":
				continue // what is no pass is there in full
			}
			assert.Assert(t, text.Len() < most, "%s, %s: %d bytes", name, form, text.Len())
		}
	}
}

// twoFaulty is what is looked for among many: one wrong answer, and one that never came.
func twoFaulty(n int) Run {
	return manyNodes(n, func(i int, r *suite.Result) {
		switch {
		case i == 77 && r.Case.ID == pid1.ID:
			r.Outcome = suite.NonConformant
			found("the sandbox", "PID 1 is nginx", processTable)(r)
		case i == 99:
			r.Outcome = suite.Inconclusive
			because("kubelet did not answer")(r)
		}
	})
}

// TestTheFaultyAreNamedAmongMany: in every form a reader finds both nodes.
func TestTheFaultyAreNamedAmongMany(t *testing.T) {
	run := twoFaulty(5000)
	assert.Equal(t, run.Verdict().ExitCode, suite.ExitNonConformant)
	for form, write := range writers {
		var text bytes.Buffer
		assert.NilError(t, write(&text, run))
		for _, said := range []string{"node-00077", "PID 1 is nginx", "node-00099", "kubelet did not answer"} {
			plain := strings.ReplaceAll(text.String(), `\`, "")
			assert.Assert(t, strings.Contains(plain, said), "%s lacks %q", form, said)
		}
	}
}

// TestJUnitOfManyHasASuiteAKind: its names are those of kinds, and it fails where one node did.
func TestJUnitOfManyHasASuiteAKind(t *testing.T) {
	var document junit.Testsuites
	assert.NilError(t, xml.Unmarshal([]byte(asJUnit(t, twoFaulty(100))), &document))
	var names []string
	for _, s := range document.Suites {
		names = append(names, s.Name)
	}
	assert.DeepEqual(t, names, []string{
		"procns.core.runc-containerd-example-linux-amd64", "procns.extended.runc-containerd-example-linux-amd64",
		"procns.informational.runc-containerd-example-linux-amd64",
	})
	core := document.Suites[0]
	assert.Equal(t, core.Tests, 2)
	assert.Equal(t, core.Failures, 2)
	message := core.Testcases[0].Failure.Message
	assert.Assert(t, strings.Contains(message, "on 1 of 100 targets (pool-1234567890-node-00077/runc)"), message)
	assert.Assert(t, strings.Contains(message, "1 NON-CONFORMANT, 1 INCONCLUSIVE, 98 conformant"), message)

	for name, row := range map[string]struct {
		change  func(int, *suite.Result)
		skipped bool
	}{
		"one did not apply": {func(i int, r *suite.Result) { skipIf(r, i == 5) }, false},
		"none applies":      {func(_ int, r *suite.Result) { skipIf(r, true) }, true},
		"one is exempted":   {func(i int, r *suite.Result) { exemptIf(r, i == 5) }, true},
		"one is only planned": {func(i int, r *suite.Result) {
			if i == 5 {
				r.Outcome = suite.Planned
			}
		}, true},
	} {
		var document junit.Testsuites
		assert.NilError(t, xml.Unmarshal([]byte(asJUnit(t, manyNodes(60, row.change))), &document), name)
		assert.Equal(t, document.Suites[0].Testcases[0].Skipped != nil, row.skipped, name)
	}
}

func skipIf(r *suite.Result, yes bool) {
	if yes {
		r.Outcome, r.Reason = suite.Skipped, "needs Kubernetes 1.38"
	}
}

func exemptIf(r *suite.Result, yes bool) {
	if yes {
		r.Outcome, r.Reason = suite.Exempted, "it fails"
		r.Exemption = &suite.Exemption{Found: suite.NonConformant, Reason: "known", Link: "https://example.com"}
	}
}

// TestCompactJSONIsReadAsItWas: a compact report follows the schema, and who reads it has each
// result on each target.
func TestCompactJSONIsReadAsItWas(t *testing.T) {
	compiled, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "..", "docs", "report.schema.json"))
	assert.NilError(t, err)
	kinds := map[string]func(int, *suite.Result){"two faulty": nil}
	for name, change := range kindsOfRuns {
		kinds[name] = change
	}
	for name, change := range kinds {
		run := manyNodes(120, change)
		if name == "two faulty" {
			run = twoFaulty(120)
			run.Targets[77].Images, run.Targets[77].Labels = nil, nil // none of its pods started
		}
		text := asJSON(t, run)
		data, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		assert.NilError(t, err)
		assert.NilError(t, compiled.Validate(data), name)

		d, err := ReadJSON(strings.NewReader(text))
		assert.NilError(t, err)
		want, err := run.Complete()
		assert.NilError(t, err)
		assert.DeepEqual(t, d.Targets, want.Targets)
		assert.DeepEqual(t, d.Verdict, want.Verdict)
		assert.DeepEqual(t, d.Kinds, want.Kinds)
		assert.Equal(t, len(d.Results), len(want.Results), name)
		for i, r := range d.Results {
			was := want.Results[i]
			was.Evidence, was.ControlEvidence, was.Seen, was.DurationSeconds = r.Evidence, r.ControlEvidence, r.Seen, r.DurationSeconds
			assert.DeepEqual(t, r, was)
		}
	}
}

// TestASweepLacksNothing: what it does not ask is not missing, and what it asks and has no
// result is.
func TestASweepLacksNothing(t *testing.T) {
	sweep := func(n int) Run {
		run := manyNodes(n, nil)
		run.Suite.Selected, run.Suite.SelectedByLevel = 2, map[suite.Level]int{suite.Core: 2}
		run.Sweep = suite.NewScope(run.Targets, []suite.Case{pid1, hup}, func(c suite.Case) bool { return c.ID == pid1.ID })
		asks := run.Sweep.Asks()
		run.Results = slices.DeleteFunc(run.Results, func(r suite.Result) bool {
			return r.Case.Level != suite.Core || !asks(r.Case.ID, r.Target.Name())
		})
		return run
	}
	for _, n := range []int{5, 500} {
		run := sweep(n)
		assert.Equal(t, len(run.Results), n+2)
		v := run.Verdict()
		assert.Equal(t, v.ExitCode, suite.ExitConformant)
		assert.Equal(t, v.NotRun, 0)
		for form, write := range writers {
			var text bytes.Buffer
			assert.NilError(t, write(&text, run))
			assert.Assert(t, !strings.Contains(text.String(), "not run"), "%s: %s", form, text.String())
		}
		d, err := ReadJSON(strings.NewReader(asJSON(t, run)))
		assert.NilError(t, err)
		assert.DeepEqual(t, d.Sweep, run.Sweep)
		run.Results = run.Results[:len(run.Results)-1]
		assert.Equal(t, run.Verdict().NotRun, 1)
		assert.Equal(t, run.Verdict().ExitCode, suite.ExitInconclusive)
	}
}

// TestSmallReportsAreNotCompact: up to MostTargets, nothing is told together.
func TestSmallReportsAreNotCompact(t *testing.T) {
	text := asJSON(t, manyNodes(MostTargets, nil))
	for _, field := range []string{`"alike"`, `"kinds"`, `"conformantOn"`} {
		assert.Assert(t, !strings.Contains(text, field), field)
	}
}

// TestEvidenceOfPassesIsSampled: the report names that of the first node of each kind.
func TestEvidenceOfPassesIsSampled(t *testing.T) {
	d, err := ReadJSON(strings.NewReader(asJSON(t, manyNodes(200, nil))))
	assert.NilError(t, err)
	assert.Equal(t, d.Kinds[0].Targets, 180)
	assert.Equal(t, d.Kinds[1].Targets, 20)
	with := map[string]int{}
	for _, r := range d.Results {
		if r.Evidence != "" {
			with[r.Target]++
		}
	}
	assert.DeepEqual(t, with, map[string]int{d.Kinds[0].First: 4, d.Kinds[1].First: 4})
}

func TestRanges(t *testing.T) {
	var r Ranges
	for _, place := range []int{0, 1, 2, 5, 7, 8} {
		r.add(place)
	}
	assert.DeepEqual(t, r, Ranges{{0, 2}, {5, 5}, {7, 8}})
	places, err := r.places(9)
	assert.NilError(t, err)
	assert.DeepEqual(t, places, []int{0, 1, 2, 5, 7, 8})
	for _, wrong := range []Ranges{{{0, 9}}, {{2, 1}}, {{-1, 3}}, {{0, 3}, {3, 4}}, {{5, 6}, {0, 1}}} {
		_, err := wrong.places(9)
		assert.Assert(t, err != nil, "%v", wrong)
	}
}

// FuzzReadJSON: whatever a report claims, it is read or refused, and results name its targets.
func FuzzReadJSON(f *testing.F) {
	small := asJSONText(manyNodes(MostTargets+1, nil))
	f.Add(small)
	f.Add(asJSONText(withResults(everyCase()...)))
	f.Add(strings.Replace(small, `"on":[[1,2]`, `"on":[[0,999999999]`, 1))
	f.Add(`{"schema":"procns.report/v1","alike":[{"on":[[0,0]]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ReadJSON(strings.NewReader(text))
		if err == nil && len(d.Results) > mostExpanded+len(text) {
			t.Errorf("%d results", len(d.Results))
		}
	})
}

func asJSONText(run Run) string {
	var b bytes.Buffer
	if err := WriteJSON(&b, run); err != nil {
		panic(err)
	}
	return b.String()
}
