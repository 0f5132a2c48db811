package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jstemmer/go-junit-report/v2/junit"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"
	"gotest.tools/v3/skip"

	"procns/e2e/internal/suite"
)

func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	assert.NilError(t, write(&b))
	return b.String()
}

func asJSON(t *testing.T, run Run) string {
	t.Helper()
	return written(t, func(w io.Writer) error { return WriteJSON(w, run) })
}

func asJUnit(t *testing.T, run Run) string {
	t.Helper()
	return written(t, func(w io.Writer) error { return WriteJUnit(w, run) })
}

func asTerminal(t *testing.T, run Run, style Style) string {
	t.Helper()
	return written(t, func(w io.Writer) error { return WriteTerminal(w, run, style) })
}

func asMarkdown(t *testing.T, run Run) string {
	t.Helper()
	return written(t, func(w io.Writer) error { return WriteMarkdown(w, run) })
}

func TestGolden(t *testing.T) {
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			assert.Equal(t, e.run.Verdict().ExitCode, e.exit)
			golden.Assert(t, asTerminal(t, e.run, e.style), e.name+".txt")
			if e.style != (Style{}) {
				return // the other formats have no style
			}
			golden.Assert(t, asJSON(t, e.run), e.name+".json")
			golden.Assert(t, asJUnit(t, e.run), e.name+".xml")
			golden.Assert(t, asMarkdown(t, e.run), e.name+".md")
		})
	}
}

func TestJSONFollowsItsSchema(t *testing.T) {
	compiled, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "..", "docs", "report.schema.json"))
	assert.NilError(t, err)
	for _, e := range examples() {
		text := asJSON(t, e.run)
		data, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		assert.NilError(t, err)
		assert.NilError(t, compiled.Validate(data), e.name)
	}

	// A schema that accepts anything would prove nothing.
	for name, spoil := range map[string]func(map[string]any){
		"unknown field":    func(d map[string]any) { d["surprise"] = 1 },
		"other schema":     func(d map[string]any) { d["schema"] = "procns.report/v0" },
		"no verdict":       func(d map[string]any) { delete(d, "verdict") },
		"null results":     func(d map[string]any) { d["results"] = nil },
		"unknown outcome":  func(d map[string]any) { first(d, "results")["outcome"] = "passed" },
		"text as duration": func(d map[string]any) { first(d, "results")["durationSeconds"] = "1s" },
		"nameless target":  func(d map[string]any) { delete(first(d, "targets"), "name") },
	} {
		var d map[string]any
		assert.NilError(t, json.Unmarshal([]byte(asJSON(t, withResults(everyCase()...))), &d))
		spoil(d)
		assert.Assert(t, compiled.Validate(d) != nil, "accepted: %s", name)
	}
}

func first(document map[string]any, list string) map[string]any {
	return document[list].([]any)[0].(map[string]any)
}

// TestJUnitFollowsItsSchema needs xmllint: no validator written in Go knows XML
// Schema well enough. `make test` sees to it that it is there.
func TestJUnitFollowsItsSchema(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	skip.If(t, err != nil, "xmllint is not installed")
	validate := func(document string) error {
		file := filepath.Join(t.TempDir(), "junit.xml")
		assert.NilError(t, os.WriteFile(file, []byte(document), 0o600))
		out, err := exec.Command(xmllint, "--noout", "--nonet", "--schema", filepath.Join("testdata", "junit.xsd"), file).CombinedOutput()
		if err != nil {
			t.Logf("%s", out)
		}
		return err
	}
	for _, e := range examples() {
		assert.NilError(t, validate(asJUnit(t, e.run)), e.name)
	}

	good := asJUnit(t, withResults(everyCase()...))
	for name, broken := range map[string]string{
		"attribute":   strings.Replace(good, `hostname="`, `hostnames="`, 1),
		"element":     strings.Replace(strings.Replace(good, "<properties>", "<property>", 1), "</properties>", "</property>", 1),
		"number":      strings.Replace(good, `errors="0"`, `errors="none"`, 1),
		"missing":     strings.Replace(good, `classname="procns.containerd-example-linux-amd64.pid1"`, "", 1),
		"time":        strings.Replace(good, `time="54.200"`, `time="54.2s"`, 1),
		"not XML":     good[:len(good)/2],
		"a level":     strings.Replace(good, `<property name="level" value="Core"></property>`+"\n\t\t\t</properties>\n\t\t</testcase>", `<level/></properties></testcase>`, 1),
		"other order": strings.Replace(good, "<properties>", "<system-out></system-out><properties>", 1),
	} {
		assert.Assert(t, broken != good, "%s: nothing was broken", name)
		assert.Assert(t, validate(broken) != nil, "accepted: %s", name)
	}
}

// TestJUnitNamesStay: another night's cluster, with other names and versions, has the
// same suites, classes and cases, and no two cases have the same.
func TestJUnitNamesStay(t *testing.T) {
	night := func(cluster, version string) map[[3]string]bool {
		run := base()
		run.ID, run.Cluster.UID, run.Cluster.Context, run.Targets = "r"+cluster, cluster, "kind-"+cluster, nil
		for _, node := range []string{"worker", "worker2", "worker3"} {
			target := workerA
			target.Node, target.Kubelet, target.Kernel, target.Runtime = cluster+"-"+node, version, version, "containerd://"+version
			if node == "worker3" {
				target.RuntimeClass = "gvisor"
			}
			run.Targets = append(run.Targets, target)
			for _, c := range []suite.Case{pid1, hup, environ, ptrace} {
				run.Results = append(run.Results, result(c, target, suite.Conformant))
			}
		}
		var document junit.Testsuites
		assert.NilError(t, xml.Unmarshal([]byte(asJUnit(t, run)), &document))
		names := map[[3]string]bool{}
		byClass := map[[2]string]bool{}
		for _, s := range document.Suites {
			for _, c := range s.Testcases {
				names[[3]string{s.Name, c.Classname, c.Name}] = true
				byClass[[2]string{c.Classname, c.Name}] = true
			}
		}
		assert.Equal(t, len(names), 12)
		assert.Equal(t, len(byClass), 12, "class and name alone tell them apart")
		return names
	}
	first := night("procns-1a2b", "1.36.3")
	assert.DeepEqual(t, first, night("procns-9f8e", "1.37.2"))
	for _, want := range [][3]string{
		{"procns.core.containerd-example-linux-amd64", "procns.containerd-example-linux-amd64.pid1", "pid1/is-the-sandbox"},
		{"procns.extended.containerd-example-linux-amd64-2", "procns.containerd-example-linux-amd64-2.secrets", "secrets/environ"},
		{"procns.informational.gvisor-containerd-example-linux-amd64", "procns.gvisor-containerd-example-linux-amd64.permissions", "permissions/hup-without-ptrace"},
	} {
		assert.Assert(t, first[want], "%v is not among %v", want, first)
	}
}

// TestOnlyAPassLooksLikeOne reads each document as a program would that knows
// nothing of procns, and asks whether it would show green.
func TestOnlyAPassLooksLikeOne(t *testing.T) {
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			pass := e.exit == suite.ExitConformant

			var j junit.Testsuites
			assert.NilError(t, xml.Unmarshal([]byte(asJUnit(t, e.run)), &j))
			// By its failures alone: not every reader knows of errors.
			assert.Equal(t, j.Tests > 0 && j.Failures == 0, pass, "JUnit totals")
			assert.Equal(t, j.Errors, 0)
			failures, errors := 0, 0
			for _, s := range j.Suites {
				for _, c := range s.Testcases {
					if c.Failure != nil {
						failures++
					}
					if c.Error != nil {
						errors++
					}
				}
			}
			assert.Equal(t, failures, j.Failures)
			assert.Equal(t, errors, j.Errors)

			d, err := ReadJSON(strings.NewReader(asJSON(t, e.run)))
			assert.NilError(t, err)
			assert.Equal(t, d.Verdict.ExitCode, e.exit)

			lines := strings.Split(strings.TrimSpace(asTerminal(t, e.run, Style{})), "\n")
			last := lines[len(lines)-1]
			assert.Equal(t, last, e.run.Verdict().Line)
			if !pass && len(e.run.Leftovers) == 0 {
				assert.Assert(t, !strings.HasPrefix(last, "procns: conformant"), last)
			}
			heading, _, _ := strings.Cut(asMarkdown(t, e.run), "\n")
			assert.Assert(t, pass || len(e.run.Leftovers) > 0 || !strings.HasPrefix(heading, "# procns: conformant"), heading)
		})
	}
}

func TestVerdictLine(t *testing.T) {
	three := withResults(everyCase()...)
	for i := range three.Results {
		three.Results[i].Outcome = suite.NonConformant
	}
	both := withResults(everyCase()...)
	both.Results[0].Outcome = suite.NonConformant
	both.Interrupted, both.Problem = true, "node worker-b was lost"
	one := withResults(everyCase()[0])
	one.Targets = []suite.Target{workerA}
	informational := withResults(everyCase()...)
	informational.Results[7].Outcome = suite.NonConformant
	simulated := withResults(everyCase()...)
	simulated.Targets = append([]suite.Target{}, simulated.Targets...)
	simulated.Targets[1].Simulated = true
	wrong := withResults(everyCase()...)
	wrong.Targets, wrong.Results[0].Outcome = simulated.Targets, suite.NonConformant
	for name, row := range map[string]struct {
		run  Run
		exit int
		line string
	}{
		"simulated":               {simulated, 2, "procns: inconclusive: 4 cases on 2 targets: Core inconclusive (4 of 4 conformant; simulated targets among them), Extended inconclusive (2 of 2 conformant; simulated targets among them); simulated targets (1 of 2) say nothing about any runtime"},
		"simulated and wrong":     {wrong, 1, "procns: non-conformant: 4 cases on 2 targets: Core non-conformant (1 of 4 wrong: pid1/is-the-sandbox), Extended inconclusive (2 of 2 conformant; simulated targets among them); simulated targets (1 of 2) say nothing about any runtime"},
		"pass":                    {withResults(everyCase()...), 0, "procns: conformant: 4 cases on 2 targets: Core conformant (4 of 4), Extended conformant (2 of 2)"},
		"one":                     {one, 0, "procns: conformant: 1 case on 1 target: Core conformant (1 of 1)"},
		"informational":           {informational, 0, "procns: conformant: 4 cases on 2 targets: Core conformant (4 of 4), Extended conformant (2 of 2)"},
		"most are wrong":          {three, 1, "procns: non-conformant: 4 cases on 2 targets: Core non-conformant (4 of 4 wrong: pid1/is-the-sandbox, signals/hup-replaces-workers), Extended non-conformant (2 of 2 wrong: secrets/environ)"},
		"wrong, then cut short":   {both, 1, "procns: non-conformant: 4 cases on 2 targets: Core non-conformant (1 of 4 wrong: pid1/is-the-sandbox), Extended conformant (2 of 2); node worker-b was lost; interrupted"},
		"nothing":                 {Run{}, 2, "procns: inconclusive: nothing ran"},
		"interrupted at once":     {Run{Interrupted: true}, 2, "procns: inconclusive: nothing ran; interrupted"},
		"set-up":                  {Run{Problem: "no nodes"}, 3, "procns: inconclusive: nothing ran; no nodes"},
		"problem in two lines":    {Run{Problem: "no\nnodes"}, 3, `procns: inconclusive: nothing ran; no\nnodes`},
		"a record is missing":     {withResults(everyCase()[:7]...), 2, "procns: inconclusive: 4 cases on 2 targets: Core conformant (4 of 4), Extended conformant (2 of 2); 1 result not run"},
		"Core decides":            {unrequired(suite.RequireCore), 0, "procns: conformant: 4 cases on 2 targets: Core conformant (4 of 4); exit code by -require core: Extended non-conformant (1 of 2 wrong: secrets/environ; 1 could not be judged: secrets/environ) does not count"},
		"both decide":             {unrequired(""), 1, "procns: non-conformant: 4 cases on 2 targets: Core conformant (4 of 4), Extended non-conformant (1 of 2 wrong: secrets/environ; 1 could not be judged: secrets/environ)"},
		"a target without result": {withResults(everyCase()[0]), 2, "procns: inconclusive: 1 case on 2 targets: Core inconclusive (1 of 2 not run)"},
	} {
		v := row.run.Verdict()
		assert.Equal(t, v.Line, row.line, name)
		assert.Equal(t, v.ExitCode, row.exit, name)
	}
}

func TestForeignTextIsHarmless(t *testing.T) {
	run := withResults(result(pid1, workerA, suite.NonConformant, found(evil, evil, evil)))
	run.Problem, run.Leftovers, run.HostChanges, run.Folder = evil, []string{evil}, []string{evil}, evil
	run.Targets = []suite.Target{{Node: evil, OSImage: evil, Kernel: evil, Runtime: evil}}
	for name, text := range map[string]string{
		"terminal": asTerminal(t, run, Style{}), "JUnit": asJUnit(t, run), "Markdown": asMarkdown(t, run),
	} {
		assert.Assert(t, utf8.ValidString(text), name)
		for _, r := range text {
			assert.Assert(t, r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) && r != 0x202e, "%s holds %q", name, r)
		}
	}
	decoder := xml.NewDecoder(strings.NewReader(asJUnit(t, run)))
	for {
		_, err := decoder.Token()
		if err == io.EOF {
			break
		}
		assert.NilError(t, err)
	}
}

func TestCatalogueSHA256(t *testing.T) {
	all := []suite.Case{pid1, hup}
	changed := hup
	changed.Claim += " Perhaps."
	assert.Equal(t, CatalogueSHA256(all), CatalogueSHA256([]suite.Case{pid1, hup}))
	assert.Assert(t, CatalogueSHA256(all) != CatalogueSHA256([]suite.Case{pid1, changed}))
	assert.Equal(t, len(CatalogueSHA256(nil)), 64)
}

func TestReadJSONRefuses(t *testing.T) {
	for _, text := range []string{"", "[]", "{}", `{"schema":"procns.report/v0"}`} {
		_, err := ReadJSON(strings.NewReader(text))
		assert.Assert(t, err != nil, text)
	}
	run := withResults(everyCase()...)
	d, err := ReadJSON(strings.NewReader(asJSON(t, run)))
	assert.NilError(t, err)
	assert.Equal(t, len(d.Results), 8)
	assert.Equal(t, d.Results[1].Target, "worker-b/gvisor")
	assert.Equal(t, d.Stats.RequestsPerCaseAndTarget, 1.625)
	assert.Equal(t, d.Targets[1].Kernel, "5.14.0")
}
