package runtimes

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gotest.tools/v3/golden"

	"procns/e2e/cases"
	"procns/e2e/internal/exempt"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// kept is what was found when docs/RUNTIMES.md was made.
const kept = "testdata/found.json"

// small is a report of five cases on three runtimes.
func small() report.Document {
	target := func(node, class string) report.Target {
		t := suite.Target{
			Node: node, RuntimeClass: class, OSImage: "Debian", Kernel: "6.1", Architecture: "amd64",
			Runtime: "containerd://2", Kubelet: "v1.37.2", CgroupMode: "v1",
		}
		return report.Target{Name: t.Name(), Target: t}
	}
	d := report.Document{Targets: []report.Target{target("worker", ""), target("worker2", "crun"), target("worker2", "gvisor")}}
	for _, c := range []struct {
		id       string
		level    suite.Level
		outcomes [3]suite.Outcome
	}{
		{"a/same", suite.Core, [3]suite.Outcome{suite.Conformant, suite.Conformant, suite.Conformant}},
		{"a/broken", suite.Core, [3]suite.Outcome{suite.Conformant, suite.Conformant, suite.NonConformant}},
		{"b/other", suite.Informational, [3]suite.Outcome{suite.Conformant, suite.NonConformant, suite.NonConformant}},
		{"b/hidden", suite.Extended, [3]suite.Outcome{suite.Conformant, suite.Conformant, suite.Inconclusive}},
		{"b/nowhere", suite.Extended, [3]suite.Outcome{suite.Skipped, suite.Skipped, suite.Skipped}},
		{"b/limits", suite.Extended, [3]suite.Outcome{suite.Conformant, suite.Skipped, suite.NonConformant}},
	} {
		for i, o := range c.outcomes {
			r := report.Result{ID: c.id, Level: c.level, Target: d.Targets[i].Name, Outcome: o}
			if o != suite.Conformant {
				r.Reason = "because of *" + c.id + "*"
			}
			d.Results = append(d.Results, r)
		}
	}
	return d
}

func explanations() []Difference {
	return []Difference{
		{Runtime: "gvisor", Cases: []string{"a/broken"}, Outcome: suite.NonConformant, Class: Violates, Why: "It ends.", Link: "https://example.org/1"},
		{Runtime: "gvisor", Cases: []string{"b/other"}, Outcome: suite.NonConformant, Class: Differs, Why: "It is another."},
		{Runtime: "crun", Cases: []string{"b/other"}, Outcome: suite.NonConformant, Class: Differs, Why: "It counts otherwise."},
		{Runtime: "gvisor", Cases: []string{"b/hidden"}, Outcome: suite.Inconclusive, Class: CannotTell, Why: "It shows none."},
		{Runtime: "gvisor", Cases: []string{"b/limits"}, Outcome: suite.NonConformant, Class: SetUp, Why: "It has no group | here."},
		{Runtime: "crun", Cases: []string{"b/limits"}, Outcome: suite.Skipped, Class: NotApplicable, Why: "Its status says so."},
	}
}

func found(t *testing.T, d report.Document) Found {
	t.Helper()
	f, err := Collect(d)
	require.NoError(t, err)
	return f
}

func defectsOf(t *testing.T, part bool, all []Difference) []string {
	t.Helper()
	f := found(t, small())
	f.Part = part
	return f.Defects(all)
}

func TestPage(t *testing.T) {
	f := found(t, small())
	f.Versions = map[string]string{"crun": "crun version 1.21"}
	assert.Empty(t, f.Defects(explanations()))
	var page strings.Builder
	require.NoError(t, f.WritePage(&page, explanations()))
	golden.Assert(t, page.String(), "page.md")
}

func TestPageWithDefects(t *testing.T) {
	var page strings.Builder
	require.NoError(t, found(t, small()).WritePage(&page, explanations()[1:]))
	golden.Assert(t, page.String(), "defects.md")
}

func TestPageWithoutDifferences(t *testing.T) {
	d := small()
	d.Results = d.Results[:3]
	var page strings.Builder
	require.NoError(t, found(t, d).WritePage(&page, nil))
	assert.Contains(t, page.String(), "Nowhere: every case is conformant")
}

func TestDefects(t *testing.T) {
	edit := func(change func(*Difference)) func([]Difference) []Difference {
		return func(all []Difference) []Difference { change(&all[0]); return all }
	}
	for name, c := range map[string]struct {
		change func([]Difference) []Difference
		part   bool
		want   string // a part of the only defect; empty: there is none
	}{
		"all explained": {edit(func(*Difference) {}), false, ""},
		"not explained": {func(all []Difference) []Difference { return all[1:] }, false,
			"a/broken on gvisor is non-conformant, and not explained: because of"},
		"another outcome": {func(all []Difference) []Difference { all[3].Outcome = suite.Skipped; return all }, false,
			"b/hidden on gvisor is inconclusive, and explained as skipped"},
		"not needed": {edit(func(d *Difference) { d.Cases = append(d.Cases, "a/same") }), false,
			"a/same on gvisor is conformant, and explained as non-conformant"},
		"informational, as a violation": {func(all []Difference) []Difference { all[1].Class = Violates; return all }, false,
			"b/other is Informational: on gvisor it cannot be of the class violates"},
		"a violation, as informational": {edit(func(d *Difference) { d.Class = Differs }), false,
			"a/broken is Core: on gvisor it cannot be of the class differs"},
		"a case that was not run":            {edit(func(d *Difference) { d.Cases = append(d.Cases, "c/c") }), false, "c/c on gvisor is explained, and was not run"},
		"a case that was not run, of a part": {edit(func(d *Difference) { d.Cases = append(d.Cases, "c/c") }), true, ""},
		"a runtime that was not run": {func(all []Difference) []Difference {
			return append(all, Difference{Runtime: "kata", Cases: []string{"a/same"}})
		}, false, "a/same on kata is explained, and was not run"},
		"a runtime that was not run, of some": {func(all []Difference) []Difference {
			return append(all, Difference{Runtime: "kata", Cases: []string{"a/same"}})
		}, true, ""},
		"skipped everywhere": {edit(func(d *Difference) { d.Cases = append(d.Cases, "b/nowhere") }), false, "b/nowhere on gvisor is explained, and was skipped on every runtime"},
	} {
		t.Run(name, func(t *testing.T) {
			got := defectsOf(t, c.part, c.change(explanations()))
			if c.want == "" {
				assert.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			assert.Contains(t, got[0], c.want)
		})
	}
}

func TestCollectRefuses(t *testing.T) {
	twice := small()
	twice.Targets = append(twice.Targets, report.Target{Name: "other", Target: suite.Target{Node: "other"}})
	_, err := Collect(twice)
	assert.ErrorContains(t, err, "default was judged on several nodes")
	_, err = Collect(report.Document{Run: report.Run{Problem: "no node"}})
	assert.ErrorContains(t, err, "no results: no node")
}

// TestPageOfAPart says that it is one, and explains nothing that was not run.
func TestPageOfAPart(t *testing.T) {
	f := found(t, small())
	f.Part = true
	all := append(explanations(), Difference{Runtime: "gvisor", Cases: []string{"c/late"}, Outcome: suite.Skipped, Class: NotApplicable, Why: "Later."})
	all[0].Cases = append(all[0].Cases, "c/other")
	var page strings.Builder
	require.NoError(t, f.WritePage(&page, all))
	assert.Contains(t, page.String(), "**Only a part was run**: 6 of the catalogue's cases")
	assert.NotContains(t, page.String(), "c/")
	assert.Contains(t, page.String(), "(a/broken)")
}

// TestCollectSeveral: what was run once more counts as it was the last time.
func TestCollectSeveral(t *testing.T) {
	again := small()
	again.Targets = again.Targets[2:]
	again.Results = []report.Result{
		{ID: "a/broken", Level: suite.Core, Target: again.Targets[0].Name, Outcome: suite.Conformant},
		{ID: "c/late", Level: suite.Core, Target: again.Targets[0].Name, Outcome: suite.Inconclusive, Reason: "so"},
	}
	f, err := Collect(small(), again)
	require.NoError(t, err)
	assert.Equal(t, []string{"default", "crun", "gvisor"}, f.Runtimes)
	assert.Equal(t, suite.Conformant, f.Cases[1].Outcomes["gvisor"])
	assert.Empty(t, f.Cases[1].Reasons)
	last := f.Cases[len(f.Cases)-1]
	assert.Equal(t, Case{ID: "c/late", Level: suite.Core, Outcomes: map[string]suite.Outcome{"gvisor": suite.Inconclusive}, Reasons: map[string]string{"gvisor": "so"}}, last)
}

// TestMissingResult: a runtime of which a case has no result is none that conforms.
func TestMissingResult(t *testing.T) {
	d := small()
	d.Results = d.Results[1:]
	f := found(t, d)
	assert.Equal(t, []string{"a/same has no result on default"}, f.Defects(explanations()))
	var page strings.Builder
	require.NoError(t, f.WritePage(&page, explanations()))
	assert.Contains(t, page.String(), "| a/same | Core | not run |")
}

func TestParseDifferences(t *testing.T) {
	const good = `{runtime: gvisor, cases: [a/b], outcome: non-conformant, class: violates, why: so, link: "https://example.org/1"}`
	entry := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for name, c := range map[string]struct{ entries, want string }{
		"good":           {good, ""},
		"none":           {"", ""},
		"no runtime":     {entry("gvisor", `""`), "each has runtime"},
		"no case":        {entry("[a/b]", "[]"), "each has runtime"},
		"an empty case":  {entry("[a/b]", `[""]`), "each has runtime"},
		"no reason":      {entry("why: so", `why: " "`), "each has runtime"},
		"no class":       {entry("violates", "flaky"), `there is no class "flaky"`},
		"wrong outcome":  {entry("non-conformant", "skipped"), `what is "skipped" cannot be of the class "violates"`},
		"no link":        {entry(`"https://example.org/1"`, `""`), "a violation has a link"},
		"a wrong link":   {entry("https://example.org/1", "example.org"), "is no https address"},
		"twice":          {good + ", " + good, "difference 2: a/b on gvisor is explained twice"},
		"unknown fields": {entry("why:", "because:"), "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseDifferences([]byte("differences: [" + c.entries + "]"))
			if c.want != "" {
				assert.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			assert.Len(t, got, strings.Count(c.entries, "runtime:"))
		})
	}
}

func TestFoundIsKept(t *testing.T) {
	f := found(t, small())
	name := filepath.Join(t.TempDir(), "found.json")
	require.NoError(t, f.Write(name))
	again, err := read(name)
	require.NoError(t, err)
	assert.Equal(t, f, again)
	require.NoError(t, os.WriteFile(name, []byte("["), 0o600))
	_, err = read(name)
	assert.ErrorContains(t, err, name)
}

// TestExplained holds the list to the catalogue.
func TestExplained(t *testing.T) {
	all, err := Explained()
	require.NoError(t, err)
	known := map[string]bool{}
	for _, c := range append(cases.All(), cases.Upgrade()...) {
		known[c.ID] = true
	}
	for _, d := range all {
		for _, id := range d.Cases {
			assert.True(t, known[id], "differences.yaml: there is no case %s; there are %v", id, slices.Sorted(maps.Keys(known)))
		}
	}
}

// TestExemptionsAreExplained holds the list of exemptions that comes with the suite for gVisor to the
// explanations: both lead to the same place, and what does not pass there by gVisor's own doing is in the list.
func TestExemptionsAreExplained(t *testing.T) {
	text, err := exempt.Builtin("builtin:gvisor")
	require.NoError(t, err)
	list, err := exempt.Parse(text, func(string) bool { return true })
	require.NoError(t, err)
	all, err := Explained()
	require.NoError(t, err)
	listed := map[string]bool{}
	for _, e := range list {
		listed[e.Case] = true
		d := explanation(all, "gvisor", e.Case)
		if assert.GreaterOrEqual(t, d, 0, "%s is exempted on gVisor, and not explained in differences.yaml", e.Case) {
			assert.Equal(t, e.Link, all[d].Link, e.Case)
		}
	}
	for _, d := range all {
		if d.Runtime != "gvisor" || d.Class == NotApplicable || d.Class == SetUp {
			continue
		}
		for _, id := range d.Cases {
			assert.True(t, listed[id], "%s does not pass on gVisor, and builtin:gvisor does not exempt it", id)
		}
	}
}

// TestRuntimesDocument holds docs/RUNTIMES.md to what was found on a cluster and to the explanations:
// -update writes it.
func TestRuntimesDocument(t *testing.T) {
	f, err := read(kept)
	if os.IsNotExist(err) {
		t.Skip("no run has been recorded yet: make runtimes-e2e")
	}
	require.NoError(t, err)
	all, err := Explained()
	require.NoError(t, err)
	var page strings.Builder
	require.NoError(t, f.WritePage(&page, all))
	assert.Empty(t, f.Defects(all))
	golden.Assert(t, page.String(), "../../../../docs/RUNTIMES.md")
}

// read reads what Write kept.
func read(name string) (Found, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return Found{}, err
	}
	var f Found
	if err := json.Unmarshal(text, &f); err != nil {
		return Found{}, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}
