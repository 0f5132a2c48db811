package compare

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

func worker(name, kubelet string) suite.Target {
	return suite.Target{
		Node: name, OSImage: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.18.44", Architecture: "amd64",
		Runtime: "containerd://2.4.2", Kubelet: kubelet, CgroupMode: "v2",
	}
}

// run is a report's source: on each target the outcomes of the cases, in order.
type run struct {
	version  string
	context  string
	uid      string
	targets  []suite.Target
	outcomes map[string][]suite.Outcome
	change   func(*report.Run)
}

var started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// caseOf is the case of an ID: those of the area "record" are informational, and
// those of the area "kernel" Extended.
func caseOf(id string) suite.Case {
	c := suite.Case{ID: id, Level: suite.Core, Claim: "It holds.", Source: "documentation", Fixture: "a.yaml", Control: "b.yaml"}
	switch c.Area() {
	case "record":
		c.Level = suite.Informational
	case "kernel":
		c.Level = suite.Extended
	}
	return c
}

func (r run) document(t *testing.T) report.Document {
	t.Helper()
	d, err := read(bytes.NewReader(r.json(t)))
	assert.NilError(t, err)
	return d
}

func (r run) json(t *testing.T) []byte {
	t.Helper()
	var text bytes.Buffer
	assert.NilError(t, report.WriteJSON(&text, r.report()))
	return text.Bytes()
}

func (r run) report() report.Run {
	made := report.Run{
		ID: "run-" + r.version, Started: started, Suite: report.Suite{Version: "v0.1.0"}, Targets: r.targets,
		Cluster: report.Cluster{ServerVersion: r.version, UID: r.uid, Context: r.context},
	}
	for i, target := range r.targets {
		for _, id := range slices.Sorted(maps.Keys(r.outcomes)) {
			outcomes := r.outcomes[id]
			outcome := outcomes[min(i, len(outcomes)-1)]
			if outcome == "" {
				continue
			}
			result := suite.Result{Case: caseOf(id), Target: target, Outcome: outcome}
			if outcome != suite.Conformant {
				result.Reason = "expected a | b; observed c"
			}
			if outcome == suite.Exempted {
				result.Exemption = &suite.Exemption{Found: suite.NonConformant, Reason: "known", Link: "https://example.com"}
			}
			made.Results = append(made.Results, result)
		}
	}
	if r.change != nil {
		r.change(&made)
	}
	return made
}

const (
	yes     = suite.Conformant
	no      = suite.NonConformant
	maybe   = suite.Inconclusive
	skipped = suite.Skipped
)

// TestWords: the whole table, for one case on one target.
func TestWords(t *testing.T) {
	all := []suite.Outcome{yes, no, maybe, skipped, suite.Planned, suite.Exempted, ""}
	table := map[suite.Outcome][]Word{ // by the earlier outcome; columns as in all
		yes:            {Unchanged, Regressed, Unclear, Gone, Gone, Regressed, Gone},
		no:             {Mended, Unchanged, Unclear, Gone, Gone, Unchanged, Gone},
		maybe:          {New, New, Unchanged, Unchanged, Unchanged, New, Gone},
		skipped:        {New, New, Unclear, Unchanged, Unchanged, New, Gone},
		suite.Planned:  {New, New, Unclear, Unchanged, Unchanged, New, Gone},
		suite.Exempted: {Mended, Unchanged, Unclear, Gone, Gone, Unchanged, Gone},
		"":             {New, New, New, New, New, New, ""},
	}
	for before, row := range table {
		for i, now := range all {
			if before == "" && now == "" {
				continue
			}
			of := func(o suite.Outcome) report.Document {
				return run{uid: "u", targets: []suite.Target{worker("a", "v1.36.3")}, outcomes: map[string][]suite.Outcome{
					"signals/other": {yes}, "pid1/this": {o},
				}}.document(t)
			}
			c := Of(of(before), of(now))
			got := Unchanged
			if len(c.Changes) > 0 {
				got = c.Changes[0].Word
			}
			assert.Equal(t, got, row[i], "%q → %q", before, now)
			want := 0
			switch {
			case now == suite.Exempted: // it does not count
			case got == Regressed:
				want = 1
			case got == Unclear:
				want = 2
			}
			assert.Equal(t, c.ExitCode(), want, "%q → %q: %s", before, now, c.Line())
		}
	}
}

// examples are comparisons that a reader must be able to tell apart.
func examples() map[string]struct {
	before, now run
	exit        int
} {
	two := []suite.Target{worker("procns-a-worker", "v1.36.3"), worker("procns-a-worker2", "v1.36.3")}
	upgraded := []suite.Target{worker("procns-a-worker", "v1.37.2"), worker("procns-a-worker2", "v1.37.2")}
	base := run{version: "v1.36.3", context: "kind-procns-a", uid: "u1", targets: two, outcomes: map[string][]suite.Outcome{
		"pid1/is-the-sandbox": {yes}, "signals/hup": {yes}, "record/differs": {yes}, "secrets/environ": {no}, "old/removed": {yes}, "security/users": {skipped},
	}}
	later := base
	later.version, later.targets = "v1.37.2", upgraded
	with := func(r run, change func(*run)) run {
		r.outcomes = map[string][]suite.Outcome{}
		for id, o := range base.outcomes {
			r.outcomes[id] = o
		}
		change(&r)
		return r
	}
	return map[string]struct {
		before, now run
		exit        int
	}{
		"same": {base, later, 0},
		"changes": {base, with(later, func(r *run) {
			r.outcomes["pid1/is-the-sandbox"] = []suite.Outcome{no}
			r.outcomes["signals/hup"] = []suite.Outcome{yes, maybe}
			r.outcomes["secrets/environ"] = []suite.Outcome{yes}
			r.outcomes["old/removed"] = []suite.Outcome{""}
			r.outcomes["security/users"] = []suite.Outcome{yes}
			r.outcomes["added/case"] = []suite.Outcome{yes, no}
		}), 1},
		"record-regressed": {base, with(later, func(r *run) { r.outcomes["record/differs"] = []suite.Outcome{yes, no} }), 1},
		"core-required": {
			with(base, func(r *run) {
				r.outcomes["kernel/rule"], r.outcomes["kernel/limit"] = []suite.Outcome{yes}, []suite.Outcome{yes}
			}),
			with(later, func(r *run) {
				r.outcomes["record/differs"] = []suite.Outcome{yes, no}
				r.outcomes["kernel/rule"], r.outcomes["kernel/limit"] = []suite.Outcome{no}, []suite.Outcome{maybe}
				r.outcomes["secrets/environ"] = []suite.Outcome{yes}
				r.change = func(made *report.Run) { made.Require = suite.RequireCore }
			}), 0,
		},
		"core-regressed": {
			with(base, func(r *run) { r.outcomes["kernel/rule"] = []suite.Outcome{yes} }),
			with(later, func(r *run) {
				r.outcomes["kernel/rule"], r.outcomes["signals/hup"] = []suite.Outcome{no}, []suite.Outcome{no, yes}
				r.change = func(made *report.Run) { made.Require = suite.RequireCore }
			}), 1,
		},
		"unclear":  {base, with(later, func(r *run) { r.outcomes["signals/hup"] = []suite.Outcome{maybe, yes} }), 2},
		"exempted": {base, with(later, func(r *run) { r.outcomes["signals/hup"] = []suite.Outcome{suite.Exempted} }), 0},
		"other-cluster": {base, with(later, func(r *run) {
			r.uid, r.context = "u2", "kind-procns-b"
			r.targets = []suite.Target{worker("procns-b-worker", "v1.37.2"), worker("procns-b-worker2", "v1.37.2")}
		}), 0},
		"nodes-replaced": {
			with(base, func(r *run) {
				r.context, r.targets = "prod", []suite.Target{worker("pool-1-x", "v1.36.3"), worker("pool-1-y", "v1.36.3")}
			}),
			with(later, func(r *run) {
				r.context, r.targets = "prod", []suite.Target{worker("pool-2-v", "v1.37.2")}
			}), 0,
		},
		"target-vanished": {base, with(later, func(r *run) {
			arm := worker("arm", "v1.37.2")
			arm.Architecture = "arm64"
			r.targets = []suite.Target{worker("procns-a-worker", "v1.37.2"), arm}
		}), 0},
		"kind-vanished": {
			with(base, func(r *run) {
				gvisor := worker("procns-a-worker2", "v1.36.3")
				gvisor.RuntimeClass = "gvisor"
				r.targets = []suite.Target{two[0], gvisor}
			}),
			with(later, func(r *run) { r.targets = upgraded[:1] }), 2,
		},
		"nothing-in-common": {base, with(later, func(r *run) {
			crio := worker("other", "v1.37.2")
			crio.Runtime = "cri-o://1.37.0"
			r.targets = []suite.Target{crio}
		}), 2},
		"partial": {base, with(later, func(r *run) {
			r.outcomes = map[string][]suite.Outcome{"signals/hup": {yes}}
			r.change = func(made *report.Run) {
				made.Started = started.Add(-time.Hour)
				made.Interrupted, made.Suite.Selected, made.Suite.CaseCount, made.Suite.Version = true, 1, 6, "v0.2.0"
				made.Results[0].Case.Claim = "It holds twice."
			}
		}), 2},
		"selection": {base, with(later, func(r *run) {
			r.outcomes = map[string][]suite.Outcome{"signals/hup": {yes}}
			r.change = func(made *report.Run) {
				made.Suite.Selected, made.Suite.CaseCount = 1, 6
				made.Results[0].Case.Claim = "It holds twice."
			}
		}), 0},
		"foreign-text": {base, with(later, func(r *run) {
			r.change = func(made *report.Run) {
				for i := range made.Results {
					made.Results[i].Outcome, made.Results[i].Reason = no, "\x1b[31m | `x` \n second"
				}
				made.Suite.Version = "\x1b]0;owned\x07"
			}
		}), 1},
	}
}

func TestGolden(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "..", "docs", "report.schema.json"))
	assert.NilError(t, err)
	for name, e := range examples() {
		t.Run(name, func(t *testing.T) {
			c := Of(e.before.document(t), e.now.document(t))
			assert.Equal(t, c.ExitCode(), e.exit)
			var text, markdown bytes.Buffer
			assert.NilError(t, c.WriteText(&text))
			assert.NilError(t, c.WriteLine(&text))
			golden.Assert(t, text.String(), name+".txt")
			assert.NilError(t, c.WriteMarkdown(&markdown))
			golden.Assert(t, markdown.String(), name+".md")
			if name == "changes" || name == "kind-vanished" {
				var own bytes.Buffer
				assert.NilError(t, c.WriteJSON(&own))
				golden.Assert(t, own.String(), name+".json")
			}

			// In a run's own report it is a part, and changes the verdict.
			whole := e.now.report()
			alone := whole.Verdict().ExitCode
			whole.Comparison = c
			var with bytes.Buffer
			assert.NilError(t, report.WriteJSON(&with, whole))
			data, err := jsonschema.UnmarshalJSON(bytes.NewReader(with.Bytes()))
			assert.NilError(t, err)
			assert.NilError(t, schema.Validate(data))
			d, err := read(&with)
			assert.NilError(t, err)
			var again Comparison
			assert.NilError(t, json.Unmarshal(d.Changes, &again))
			assert.Equal(t, again.Verdict, c.Verdict)
			assert.Assert(t, strings.Contains(d.Verdict.Line, "since run"), d.Verdict.Line)
			want := max(alone, e.exit)
			if suite.ExitNonConformant == alone || suite.ExitNonConformant == e.exit {
				want = suite.ExitNonConformant // whatever else could not be told
			}
			assert.Equal(t, d.Verdict.ExitCode, want)
		})
	}
}

// TestInReports: what regressed in a case that is only recorded turns every form red.
func TestInReports(t *testing.T) {
	e := examples()["record-regressed"]
	whole := e.now.report()
	for i := range whole.Results { // what was wrong before is not what is tried here
		if whole.Results[i].Case.ID == "secrets/environ" {
			whole.Results[i].Outcome = yes
		}
	}
	assert.Equal(t, whole.Verdict().ExitCode, suite.ExitConformant)
	whole.Comparison = Of(e.before.document(t), e.now.document(t))
	assert.Equal(t, whole.Verdict().Line, "procns: non-conformant: 6 cases on 2 targets: Core conformant (8 of 10; 2 skipped); since run run-v1.36.3 of Kubernetes v1.36.3: 1 regressed (record/differs on procns-a-worker2)")
	var text, markdown, junit bytes.Buffer
	assert.NilError(t, report.WriteTerminal(&text, whole, report.Style{}))
	assert.NilError(t, report.WriteMarkdown(&markdown, whole))
	assert.NilError(t, report.WriteJUnit(&junit, whole))
	assert.Assert(t, strings.Contains(text.String(), "REGRESSED  record/differs on procns-a-worker2"), text.String())
	assert.Assert(t, strings.Contains(markdown.String(), "| regressed | record/differs |"), markdown.String())
	assert.Assert(t, strings.Contains(junit.String(), `failures="1"`), junit.String())
}
