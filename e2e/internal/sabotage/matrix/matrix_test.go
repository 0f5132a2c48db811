package matrix

import (
	"errors"
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
	"procns/e2e/internal/report"
	"procns/e2e/internal/sabotage/mutants"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

func catalogue(t *testing.T) Catalogue {
	t.Helper()
	c, err := NewCatalogue(append(cases.All(), cases.Upgrade()...), fixtures.Read)
	require.NoError(t, err)
	return c
}

func TestSets(t *testing.T) {
	c := catalogue(t)
	assert.Contains(t, c.match(mutants.Shares), "pid1/is-the-sandbox")
	assert.Contains(t, c.match(mutants.Isolated), "isolation/field-absent")
	assert.NotContains(t, c.match(mutants.Shares), "walkthrough/attach-prompt", "its control differs in the terminal")
	assert.NotContains(t, c.match(mutants.Shares), "admission/text-is-refused", "its pod does not run")
	assert.Len(t, c.match("isolation"), 2)
	assert.Len(t, c.match("isolation/*"), 2)
}

// TestMutantsAreComplete holds every entry of the list to its meaning, and its patterns to
// the catalogue.
func TestMutantsAreComplete(t *testing.T) {
	c := catalogue(t)
	seen := map[string]bool{}
	for _, m := range mutants.All() {
		t.Run(m.Name, func(t *testing.T) {
			assert.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)*$`, m.Name)
			assert.LessOrEqual(t, len(m.Name), 63, "it is the name of a RuntimeClass")
			assert.False(t, seen[m.Name], "the name is taken")
			seen[m.Name] = true
			assert.True(t, strings.HasSuffix(m.Breaks, "."), "what is broken is a sentence")
			assert.NotEmpty(t, m.Imitates)
			made := 0
			for _, way := range []bool{m.Runtime != nil, m.Admission != nil, m.Policy != nil, m.Gateway != nil, m.Node != ""} {
				if way {
					made++
				}
			}
			assert.Equal(t, 1, made, "one way of breaking")
			run := c.run(m)
			falls, err := c.Expand(m.Falls)
			require.NoError(t, err)
			blurs, err := c.Expand(m.Blurs)
			require.NoError(t, err)
			if m.Name == mutants.Control {
				assert.Empty(t, falls)
				return
			}
			notices, err := c.Expand(m.Notices)
			require.NoError(t, err)
			assert.Equal(t, m.Harmless == "", len(falls)+len(notices) > 0, "either something notices, or it is said why nothing does")
			assert.Equal(t, m.Named != "", len(notices) > 0 && m.Gateway == nil, "what a webhook or a policy did is said with its name")
			for id := range notices {
				assert.NotContains(t, falls, id)
				assert.True(t, run[id], "%s is expected to notice, and is not run", id)
			}
			for id := range falls {
				if len(m.Run) == 0 || slices.ContainsFunc(m.Falls, func(e mutants.Expected) bool { return slices.Contains(e.Cases, id) }) {
					assert.True(t, run[id], "%s is expected to fall, and is not run", id)
				}
			}
			for id, why := range blurs {
				assert.NotEmpty(t, why, "%s: why the suite cannot tell has to be said", id)
			}
		})
	}
	assert.Equal(t, mutants.Control, mutants.All()[0].Name)
}

// run are the cases that are run under a mutant.
func (c Catalogue) run(m mutants.Mutant) map[string]bool {
	ids := map[string]bool{}
	for _, one := range c.Cases {
		if len(m.Run) == 0 && one.Area() != "disruption" && one.Area() != "upgrade" {
			ids[one.ID] = true
		}
	}
	for _, pattern := range slices.Concat(m.Run, m.Disruptions) {
		for _, id := range c.match(pattern) {
			ids[id] = true
		}
	}
	return ids
}

// TestEveryCaseHasAMutant: each Core and Extended case is expected to kill one.
func TestEveryCaseHasAMutant(t *testing.T) {
	c := catalogue(t)
	expected := map[string]bool{}
	for _, m := range mutants.All() {
		falls, err := c.Expand(m.Falls)
		require.NoError(t, err)
		run := c.run(m)
		for id := range falls {
			if run[id] {
				expected[id] = true
			}
		}
	}
	for _, one := range c.Cases {
		if one.Level != suite.Informational {
			assert.True(t, expected[one.ID], "%s: no mutant is expected to be killed by it", one.ID)
		}
	}
}

// small is a made-up list and catalogue, to see every kind of defect.
func small(t *testing.T) (Catalogue, []mutants.Mutant) {
	t.Helper()
	some := []suite.Case{
		{ID: "a/one", Level: suite.Core}, {ID: "a/two", Level: suite.Extended}, {ID: "a/three", Level: suite.Extended},
		{ID: "b/one", Level: suite.Core}, {ID: "b/recorded", Level: suite.Informational},
	}
	c, err := NewCatalogue(some, func(string) ([]byte, error) { return nil, errors.New("no manifest is needed") })
	require.NoError(t, err)
	return c, []mutants.Mutant{
		{Name: mutants.Control, Breaks: "Nothing.", Imitates: "a sound cluster"},
		{Name: "own-pid-namespace", Breaks: "A.", Imitates: "x#1", Run: []string{"a"}, Confined: "it would break more",
			Falls: []mutants.Expected{{Cases: []string{"a/*", "!a/three"}}}, Blurs: []mutants.Expected{{Cases: []string{"a/three"}, Why: "nothing is seen"}}},
		{Name: "always-shared", Breaks: "B.", Imitates: "x#2", Disruptions: []string{"disruption"},
			Falls: []mutants.Expected{{Cases: []string{"b/one"}, Why: "b needs a | and *"}}},
	}
}

func found(outcomes map[string]suite.Outcome) report.Document {
	d := report.Document{}
	d.Cluster.ServerVersion = "v1.37.2"
	d.Targets = []report.Target{{Target: suite.Target{Runtime: "containerd://2", Kernel: "6.1", Architecture: "amd64", CgroupMode: "v2"}}}
	for _, id := range slices.Sorted(maps.Keys(outcomes)) {
		d.Results = append(d.Results, report.Result{ID: id, Outcome: outcomes[id], Reason: "because of\nit"})
	}
	return d
}

const (
	yes, no, unsure = suite.Conformant, suite.NonConformant, suite.Inconclusive
)

func TestAsItMustBe(t *testing.T) {
	c, all := small(t)
	m := New()
	m.Add(mutants.Control, found(map[string]suite.Outcome{"a/one": yes, "a/two": yes, "a/three": yes, "b/one": yes, "b/recorded": no}))
	m.Add("own-pid-namespace", found(map[string]suite.Outcome{"a/one": no, "a/two": no, "a/three": unsure}))
	m.Add("always-shared", found(map[string]suite.Outcome{"a/one": yes, "a/three": suite.Skipped, "b/recorded": no}))
	m.Add("always-shared", found(map[string]suite.Outcome{"b/one": no}))
	defects, err := m.Check(c, all)
	require.NoError(t, err)
	require.Len(t, defects, 1)
	assert.Equal(t, "a/three: no mutant is killed by it: nothing shows that it can fail", defects[0].String())
	document(t, m, c, all, "as-it-must-be.md")
}

func TestDefects(t *testing.T) {
	c, all := small(t)
	m := New()
	m.Add(mutants.Control, found(map[string]suite.Outcome{"a/one": no}))
	m.Add("own-pid-namespace", found(map[string]suite.Outcome{"a/one": yes, "a/two": unsure, "a/three": yes, "b/one": unsure, "b/recorded": no}))
	m.Add("always-shared", found(map[string]suite.Outcome{"b/one": yes}))
	defects, err := m.Check(c, all)
	require.NoError(t, err)
	var said []string
	for _, d := range defects {
		said = append(said, d.String())
	}
	golden.Assert(t, strings.Join(said, "\n")+"\n", "defects.txt")
	document(t, m, c, all, "defects.md")
}

// TestRecordsKillNothing: a mutant under which nothing but an Informational case
// differs has not been noticed by anybody who judges.
func TestRecordsKillNothing(t *testing.T) {
	c, all := small(t)
	m := New()
	m.Add("always-shared", found(map[string]suite.Outcome{"b/recorded": no}))
	defects, err := m.Check(c, all)
	require.NoError(t, err)
	require.Len(t, defects, 1)
	assert.Equal(t, "always-shared: no case killed it", defects[0].String())
	assert.Contains(t, m.summary(c, all), "and 0 were killed")
}

// TestSome: what was not tried is not asked for.
func TestSome(t *testing.T) {
	c, all := small(t)
	m := New()
	m.Add("always-shared", found(map[string]suite.Outcome{"b/one": no}))
	defects, err := m.Check(c, all)
	require.NoError(t, err)
	assert.Empty(t, defects)
	all[2].Falls = []mutants.Expected{{Cases: []string{"c/gone"}}}
	_, err = m.Check(c, all)
	assert.ErrorContains(t, err, `"c/gone" names no case`)
}

func document(t *testing.T, m Matrix, c Catalogue, all []mutants.Mutant, name string) {
	t.Helper()
	var page strings.Builder
	require.NoError(t, m.WriteDocument(&page, c, all))
	golden.Assert(t, page.String(), name)
}

// TestNoticed: a mutant of another's making is neither killed nor survived.
func TestNoticed(t *testing.T) {
	c, _ := small(t)
	policy := mutants.Mutant{Name: "own-pid-namespace", Notices: []mutants.Expected{{Cases: []string{"a/one"}}}, Named: "because of"}
	harmless := mutants.Mutant{Name: "own-pid-namespace", Harmless: "it is allowed"}
	for name, row := range map[string]struct {
		mutant mutants.Mutant
		one    suite.Outcome // of a/one
		two    suite.Outcome // of a/two
		named  string
		want   []string
	}{
		"as it must be":             {policy, unsure, yes, "because of", nil},
		"survived":                  {policy, yes, yes, "because of", []string{"it is conformant, although", "no case noticed it"}},
		"killed":                    {policy, no, yes, "because of", []string{"it is non-conformant, although", "no case noticed it"}},
		"another case falls":        {policy, unsure, no, "because of", []string{"it fell, and no reason"}},
		"another case cannot tell":  {policy, unsure, unsure, "because of", []string{"it is inconclusive, and no reason"}},
		"it is not named":           {policy, unsure, yes, "a webhook's name", []string{`its reason does not name "a webhook's name"`}},
		"harmless":                  {harmless, yes, yes, "", nil},
		"harmless, and killed":      {harmless, yes, no, "", []string{"it fell, and no reason"}},
		"harmless, and not certain": {harmless, unsure, yes, "", []string{"it is inconclusive, and no reason"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := New()
			m.Add("own-pid-namespace", found(map[string]suite.Outcome{"a/one": row.one, "a/two": row.two}))
			row.mutant.Named = row.named
			defects, err := m.Check(c, []mutants.Mutant{{Name: mutants.Control}, row.mutant})
			require.NoError(t, err)
			require.Len(t, defects, len(row.want))
			for i, d := range defects {
				assert.Contains(t, d.String(), row.want[i])
			}
		})
	}
}

// TestInapplicable: a case that no run could try is not held to have been shown, nor to be a defect.
func TestInapplicable(t *testing.T) {
	m := New()
	m.Mutants["one"] = map[string]Cell{"a/lacking": Skipped, "a/tried": Skipped}
	m.Mutants["two"] = map[string]Cell{"a/lacking": Skipped, "a/tried": Survived}
	for id, want := range map[string]bool{"a/lacking": true, "a/tried": false, "a/unheard": false} {
		assert.Equal(t, want, m.inapplicable(id), id)
	}
}

func TestKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "matrix.json")
	none, err := Read(file)
	require.NoError(t, err)
	assert.Empty(t, none.Mutants)
	m := New()
	m.Add("own-pid-namespace", found(map[string]suite.Outcome{"a/one": no}))
	require.NoError(t, m.Write(file))
	again, err := Read(file)
	require.NoError(t, err)
	assert.Equal(t, m.Mutants, again.Mutants)
	assert.Equal(t, m.On, again.On)
	require.NoError(t, os.WriteFile(file, []byte("["), 0o600))
	_, err = Read(file)
	assert.ErrorContains(t, err, "is no matrix")
}

// TestSabotageDocument holds docs/SABOTAGE.md to the matrix that was made on a cluster, once
// there is one: -update writes it.
func TestSabotageDocument(t *testing.T) {
	const kept = "../../../cases/testdata/sabotaged/matrix.json"
	m, err := Read(kept)
	require.NoError(t, err)
	if len(m.Mutants) == 0 {
		t.Skip("no matrix has been made yet: make sabotage")
	}
	document(t, m, catalogue(t), mutants.All(), "../../../../../docs/SABOTAGE.md")
}
