package compare

import (
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// TestReadWithoutLevels: a report of a suite that had no verdict by level is still
// read, and compared with one that has.
func TestReadWithoutLevels(t *testing.T) {
	earlier, err := ReadFile(filepath.Join("testdata", "report-without-levels.json"))
	assert.NilError(t, err)
	assert.Equal(t, len(earlier.Verdict.Levels), 0)
	self := Of(earlier, earlier)
	assert.Equal(t, self.ExitCode(), 0)
	assert.Equal(t, self.Counts[Unchanged], 8)
	assert.Equal(t, self.Require, suite.RequireExtended)
	later := earlier
	later.Verdict.Require = suite.RequireCore
	later.Results = slices.Clone(earlier.Results)
	for i := range later.Results {
		if later.Results[i].Outcome == yes && later.Results[i].Level == suite.Extended {
			later.Results[i].Outcome = no
		}
	}
	c := Of(earlier, later)
	assert.Equal(t, c.ExitCode(), 0)
	assert.Equal(t, c.Line(), "since run r7f3a of Kubernetes v1.37.2: nothing that counts regressed; 1 regressed at a level that does not count by -require core (secrets/environ on worker-a)")
}

func TestReadRefuses(t *testing.T) {
	good := string(run{version: "v1.37.2", targets: []suite.Target{worker("a", "v1.37.2")}, outcomes: map[string][]suite.Outcome{"pid1/this": {yes}}}.json(t))
	for name, row := range map[string]struct{ text, says string }{
		"nothing":          {"", "not a report"},
		"another document": {`{"kind":"List"}`, `the report's schema is "", this suite reads "procns.report/v1"`},
		"another schema":   {strings.Replace(good, "report/v1", "report/v2", 1), `the report's schema is "procns.report/v2"`},
		"cut short":        {good[:len(good)/2], "not a report"},
		"no results":       {string(run{}.json(t)), "nothing to compare with"},
		"no such target":   {strings.Replace(good, `"target": "a"`, `"target": "b"`, -1), "none of its targets"},
		"nameless case":    {strings.Replace(good, `"id": "pid1/this"`, `"id": ""`, 1), "a result of no case"},
		"another node":     {strings.Replace(good, `"node": "a"`, `"node": "b"`, 1), `a target "a" on node "b"`},
	} {
		_, err := read(strings.NewReader(row.text))
		assert.ErrorContains(t, err, row.says, name)
	}
	d, err := report.ReadJSON(strings.NewReader(good))
	assert.NilError(t, err)
	for says, spoil := range map[string]func(*report.Document){
		"two results":       func(d *report.Document) { d.Results = append(d.Results, d.Results[0]) },
		"two targets":       func(d *report.Document) { d.Targets = append(d.Targets, d.Targets[0]) },
		"-require all":      func(d *report.Document) { d.Verdict.Require = "all" },
		"does not know":     func(d *report.Document) { d.Results[0].Outcome = "passed" },
		"does not say from": func(d *report.Document) { d.Results[0].Outcome = suite.Exempted },
	} {
		broken := d
		broken.Results = append([]report.Result{}, d.Results...)
		spoil(&broken)
		assert.ErrorContains(t, check(broken), says)
	}
	_, err = ReadFile(filepath.Join(t.TempDir(), "report.json"))
	assert.ErrorContains(t, err, "no such file")
}

// read is ReadFile of what is in no file.
func read(from io.Reader) (report.Document, error) {
	d, err := report.ReadJSON(from)
	if err == nil {
		err = check(d)
	}
	return d, err
}

// FuzzRead: whatever is accepted can be compared with itself and with a sound
// report, and written in every form; nothing regresses against itself.
func FuzzRead(f *testing.F) {
	t := &testing.T{}
	sound := run{version: "v1.36.3", uid: "u", targets: []suite.Target{worker("a", "v1.36.3")}, outcomes: map[string][]suite.Outcome{
		"pid1/this": {yes}, "record/that": {suite.Exempted}, "signals/hup": {maybe},
	}}
	f.Add(sound.json(t))
	f.Add([]byte(`{"schema":"procns.report/v1","targets":[{"name":"a/b","node":"a","runtimeClass":"b"}],"results":[{"id":"x/y","target":"a/b","outcome":"planned"}],"comparison":{"a":1}}`))
	f.Add([]byte(`{"schema":"procns.report/v1","results":[{}]}`))
	other := sound.document(t)
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := read(bytes.NewReader(text))
		if err != nil {
			return
		}
		self := Of(d, d)
		if self.ExitCode() != 0 || len(self.Changes) > 0 {
			t.Fatalf("against itself: %s %v", self.Line(), self.Changes)
		}
		for _, c := range []Comparison{self, Of(d, other), Of(other, d)} {
			var out bytes.Buffer
			for _, err := range []error{c.WriteText(&out), c.WriteMarkdown(&out), c.WriteLine(&out)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, r := range out.String() {
				if r != '\n' && r < ' ' {
					t.Fatalf("%q holds %q", out.String(), r)
				}
			}
			if err := c.WriteJSON(&out); err != nil {
				t.Fatal(err)
			}
		}
	})
}
