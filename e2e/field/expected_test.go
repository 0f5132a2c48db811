package field

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/cases"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// TestInputs: every input is whole, every pattern is one and names cases, and every file is used.
func TestInputs(t *testing.T) {
	seen, used := map[string]bool{}, map[string]bool{}
	for _, in := range Inputs() {
		assert.False(t, seen[in.Name], "the name %s is taken", in.Name)
		seen[in.Name] = true
		assert.NotEmpty(t, in.Imitates, in.Name)
		assert.NotZero(t, in.Want.Within, in.Name)
		for pattern := range strings.SplitSeq(in.Run, ",") {
			assert.True(t, names(pattern), "%s: %s names no case", in.Name, pattern)
		}
		for pattern := range in.Want.Outcomes {
			assert.True(t, names(pattern), "%s: %s names no case", in.Name, pattern)
		}
		for pattern, text := range in.Want.Reasons {
			assert.True(t, names(pattern), "%s: %s names no case", in.Name, pattern)
			_, err := regexp.Compile(text)
			assert.NoError(t, err)
		}
		if in.Objects != "" {
			used[in.Objects+".yaml"] = true
			assert.FileExists(t, filepath.Join("testdata", in.Objects+".yaml"))
		}
	}
	files, err := os.ReadDir("testdata")
	require.NoError(t, err)
	for _, file := range files {
		assert.True(t, used[file.Name()], "%s is no input's", file.Name())
	}
}

func names(pattern string) bool {
	for _, c := range cases.All() {
		if fits, err := path.Match(pattern, c.ID); err == nil && fits || c.Area() == pattern {
			return true
		}
	}
	return false
}

func TestDiffers(t *testing.T) {
	want := Expected{
		Exit: suite.ExitInconclusive, Within: time.Minute,
		Outcomes:  map[string]suite.Outcome{"admission/*": suite.Inconclusive},
		Preflight: []string{"no host PID"}, Reasons: map[string]string{"admission/*": "policy-[0-9]"},
		Said: []string{"cleaned"}, Unsaid: []string{"left"}, Reported: []string{"MKNOD"},
	}
	sound := func() Seen {
		return Seen{Exit: 2, Took: time.Second, Output: "cleaned up", Text: `{"notes":["drops MKNOD"]}`, Document: &report.Document{
			Run: report.Run{Preflight: []report.Check{{Name: "server", State: "ok", Said: "v1"}, {Name: "pods", State: "warn", Said: "no host PID here"}}},
			Results: []report.Result{
				{ID: "admission/one", Level: suite.Core, Outcome: suite.Inconclusive, Reason: "policy-7"},
				{ID: "admission/two", Level: suite.Informational, Outcome: suite.NonConformant},
				{ID: "pid1/one", Level: suite.Core, Outcome: suite.Conformant},
			},
		}}
	}
	assert.Empty(t, want.Differs(sound()))
	for name, row := range map[string]struct {
		change func(*Seen)
		says   string
	}{
		"another exit code":           {func(s *Seen) { s.Exit = 1 }, "exit code 1, expected 2"},
		"it took long":                {func(s *Seen) { s.Took = time.Hour }, "it took 3600 s, expected at most 60 s"},
		"something unsaid":            {func(s *Seen) { s.Output = "nothing" }, `nothing that matches "cleaned"`},
		"something said":              {func(s *Seen) { s.Output += ", left" }, `something that matches "left"`},
		"a namespace":                 {func(s *Seen) { s.Left = []string{"procns-1"} }, "namespaces are left: procns-1"},
		"no report":                   {func(s *Seen) { s.Document = nil }, "there is no report.json"},
		"another outcome":             {func(s *Seen) { s.Document.Results[0].Outcome = suite.NonConformant }, "admission/one is non-conformant, expected inconclusive: policy-7"},
		"no result":                   {func(s *Seen) { s.Document.Results = s.Document.Results[1:] }, "there is no result of admission/*"},
		"another reason":              {func(s *Seen) { s.Document.Results[0].Reason = "a policy" }, `no reason of admission/* matches "policy-[0-9]"`},
		"a preflight that is content": {func(s *Seen) { s.Document.Preflight[1].State = "ok" }, `more than ok matches "no host PID"`},
		"nothing in the report":       {func(s *Seen) { s.Text = "{}" }, `report.json has nothing that matches "MKNOD"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := sound()
			row.change(&s)
			assert.Contains(t, strings.Join(want.Differs(s), "\n"), row.says)
		})
	}
	want.Leaves = true
	left := sound()
	left.Left = []string{"procns-1"}
	assert.Empty(t, want.Differs(left))
}

func TestJUnit(t *testing.T) {
	document := func(name, class, seconds string) string {
		return `<testsuites><testsuite name="` + name + `"><testcase classname="` + class + `" time="` + seconds + `"/><testcase classname="core" time="1"/></testsuite></testsuites>`
	}
	for name, row := range map[string]struct {
		junit string
		says  string // empty: nothing
	}{
		"as it should be":          {document("procns", "core", "19"), ""},
		"times that wait together": {document("procns", "core", "20"), "add up to 21 s, in a run of 10 s on 2 targets"},
		"a node's name":            {document("procns a-worker", "core", "1"), `"procns a-worker"`},
		"a run's":                  {document("procns", "run-7.core", "1"), `"run-7.core"`},
		"no document":              {"<testsuites", "cannot be read"},
		"nothing in it":            {"<testsuites/>", "has no suite"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Seen{Took: 10 * time.Second, JUnit: row.junit, Document: &report.Document{Run: report.Run{ID: "run-7"},
				Targets: []report.Target{{Target: suite.Target{Node: "a-worker"}}, {Target: suite.Target{Node: "b-worker"}}}}}
			got := strings.Join(Expected{JUnit: true, Within: time.Minute}.Differs(s), "\n")
			if row.says == "" {
				assert.Empty(t, got)
				return
			}
			assert.Contains(t, got, row.says)
		})
	}
}
