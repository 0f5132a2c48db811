package exempt

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"procns/e2e/internal/suite"
)

func known(id string) bool { return id == "pid1/one" || id == "signals/two" }

const sample = `# What we know of.
exemptions:
- case: pid1/one
  target: worker-*
  reason: the vendor's runtime has no sandbox process
  link: https://example.com/issues/1
- {case: signals/two, target: "*", reason: another, link: "http://example.com"}
`

func TestParse(t *testing.T) {
	list, err := Parse([]byte(sample), known)
	require.NoError(t, err)
	assert.Equal(t, List{
		{"pid1/one", "worker-*", "the vendor's runtime has no sandbox process", "https://example.com/issues/1"},
		{"signals/two", "*", "another", "http://example.com"},
	}, list)
	_, err = Parse([]byte("---\n"+sample+"---\n# the end\n"), known)
	assert.NoError(t, err, "a separator before the only document and after it")
}

func TestParseRefuses(t *testing.T) {
	for name, row := range map[string]struct{ text, says string }{
		"nothing":           {"", "lists nothing"},
		"comments":          {"# later\n", "lists nothing"},
		"an empty list":     {"exemptions: []", "lists nothing"},
		"a list alone":      {"- case: pid1/one", "cannot unmarshal array"},
		"a text":            {"none", "cannot unmarshal string"},
		"no YAML":           {"exemptions: [", "yaml"},
		"unknown field":     {strings.Replace(sample, "link:", "url:", 1), "url"},
		"unknown list":      {strings.Replace(sample, "exemptions:", "exempt:", 1), "exempt"},
		"a field twice":     {strings.Replace(sample, "  target: worker-*\n", "  target: a\n  target: b\n", 1), "target"},
		"another type":      {strings.Replace(sample, "reason: another", "reason: [7]", 1), "array"},
		"two documents":     {sample + "---\n" + sample, "more than one YAML document"},
		"no case":           {strings.Replace(sample, "case: pid1/one", "case: ''", 1), "entry 1: case is missing"},
		"no target":         {strings.Replace(sample, "  target: worker-*\n", "", 1), "entry 1: target is missing"},
		"no reason":         {strings.Replace(sample, "reason: another", "reason: ' '", 1), "entry 2: reason is missing"},
		"no link":           {strings.Replace(sample, ", link: \"http://example.com\"", "", 1), "entry 2: link is missing"},
		"a wrong link":      {strings.Replace(sample, "https://", "file://", 1), "no http or https address"},
		"no address":        {strings.Replace(sample, "https://example.com/issues/1", "ISSUE-1", 1), "no http or https address"},
		"unknown case":      {strings.Replace(sample, "pid1/one", "pid1/on", 1), `there is no case "pid1/on"`},
		"a pattern of case": {strings.Replace(sample, "pid1/one", "pid1/*", 1), "there is no case"},
		"a wrong pattern":   {strings.Replace(sample, "worker-*", "'['", 1), "syntax error in pattern"},
		"twice":             {sample + `- {case: signals/two, target: "*", reason: b, link: "http://example.com"}`, "entry 3: signals/two on * is listed twice"},
		"several lines":     {strings.Replace(sample, "reason: another", `reason: "a\nb"`, 1), "one line"},
		"a terminal's code": {strings.Replace(sample, "reason: another", `reason: "\e[2J"`, 1), "one line"},
		"too much":          {sample + strings.Repeat("#", maxSize), "too many"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(row.text), known)
			require.Error(t, err)
			assert.Contains(t, err.Error(), row.says)
		})
	}
}

func TestMatches(t *testing.T) {
	for pattern, row := range map[string]map[string]bool{
		"worker-a":   {"worker-a": true, "worker-b": false, "worker-a/gvisor": false},
		"worker-?":   {"worker-a": true, "worker-ab": false},
		"*":          {"worker-a": true, "worker-a/gvisor": true},
		"*/gvisor":   {"worker-a": false, "worker-a/gvisor": true, "worker-a/kata": false},
		"worker-a/*": {"worker-a": false, "worker-a/gvisor": true, "worker-b/gvisor": false},
	} {
		for name, want := range row {
			node, class, _ := strings.Cut(name, "/")
			target := suite.Target{Node: node, RuntimeClass: class}
			assert.Equal(t, want, Exemption{Target: pattern}.Matches(target), "%s: %s", pattern, name)
		}
	}
}

var (
	one, two = suite.Case{ID: "pid1/one", Level: suite.Core}, suite.Case{ID: "signals/two", Level: suite.Core}
	workers  = []suite.Target{{Node: "worker-a"}, {Node: "worker-b"}}
)

func TestCheck(t *testing.T) {
	list := List{{Case: "pid1/one", Target: "worker-*"}, {Case: "signals/two", Target: "node-*"}}
	assert.EqualError(t, list.Check([]suite.Case{one, two}, workers), "signals/two on node-* matches no target: they are worker-a, worker-b")
	assert.NoError(t, list.Check([]suite.Case{one}, workers), "a case that this run leaves out")
	assert.NoError(t, List(nil).Check([]suite.Case{one, two}, workers))
}

func TestApply(t *testing.T) {
	list := List{{"pid1/one", "worker-a", "known", "https://example.com/1"}}
	for name, row := range map[string]struct {
		outcomes [2]suite.Outcome // of case one on both workers
		want     [2]suite.Outcome
		says     string
		exit     int
	}{
		"wrong":              {[2]suite.Outcome{suite.NonConformant, suite.Conformant}, [2]suite.Outcome{suite.Exempted, suite.Conformant}, "", suite.ExitConformant},
		"inconclusive":       {[2]suite.Outcome{suite.Inconclusive, suite.Conformant}, [2]suite.Outcome{suite.Exempted, suite.Conformant}, "", suite.ExitConformant},
		"wrong elsewhere":    {[2]suite.Outcome{suite.NonConformant, suite.NonConformant}, [2]suite.Outcome{suite.Exempted, suite.NonConformant}, "", suite.ExitNonConformant},
		"not needed":         {[2]suite.Outcome{suite.Conformant, suite.Conformant}, [2]suite.Outcome{suite.Conformant, suite.Conformant}, "pid1/one on worker-a: conformant on worker-a", suite.ExitConformant},
		"skipped":            {[2]suite.Outcome{suite.Skipped, suite.Conformant}, [2]suite.Outcome{suite.Skipped, suite.Conformant}, "", suite.ExitConformant},
		"nothing else there": {[2]suite.Outcome{suite.NonConformant, suite.Skipped}, [2]suite.Outcome{suite.Exempted, suite.Skipped}, "", suite.ExitInconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			results := []suite.Result{{Case: one, Target: workers[0], Outcome: row.outcomes[0], Reason: "why"}, {Case: one, Target: workers[1], Outcome: row.outcomes[1]}}
			err := list.Apply(results)
			assert.Equal(t, row.want, [2]suite.Outcome{results[0].Outcome, results[1].Outcome})
			assert.Equal(t, row.exit, suite.Sum(results).Judged().ExitCode())
			if results[0].Outcome == suite.Exempted {
				assert.Equal(t, &suite.Exemption{Found: row.outcomes[0], Reason: "known", Link: "https://example.com/1"}, results[0].Exemption)
				assert.Equal(t, "why", results[0].Reason, "what was found is still told")
			}
			if row.says == "" {
				assert.NoError(t, err)
				return
			}
			require.Error(t, err)
			assert.Contains(t, err.Error(), row.says)
		})
	}
	overlapping := append(List{{"pid1/one", "*", "all", "https://example.com/2"}}, list...)
	results := []suite.Result{{Case: one, Target: workers[0], Outcome: suite.NonConformant}}
	require.NoError(t, overlapping.Apply(results))
	assert.Equal(t, "all", results[0].Exemption.Reason, "the first entry counts")
}

// TestDocumentedExample: the page's example is one that is accepted.
func TestDocumentedExample(t *testing.T) {
	page, err := os.ReadFile("../../../docs/ANY_CLUSTER.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(page), "```yaml\n")
	require.True(t, ok)
	example, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	list, err := Parse([]byte(example), func(string) bool { return true })
	require.NoError(t, err)
	assert.Len(t, list, 1)
}

// FuzzParse: what is accepted is whole, and is read the same when written anew.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("exemptions:\n- &a {case: pid1/one, target: a, reason: b, link: 'http://c'}\n- {<<: *a, target: d}\n"))
	f.Add([]byte("---\n---\nexemptions: [{}]\n"))
	f.Add([]byte(strings.Replace(sample, "another", `"\xff\0"`, 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := Parse(text, known)
		if err != nil {
			if list != nil {
				t.Fatalf("an error and a list: %v", list)
			}
			return
		}
		for _, e := range list {
			if !known(e.Case) || e.Target == "" || e.Reason == "" || e.Link == "" || strings.ContainsAny(e.Case+e.Target+e.Reason+e.Link, "\n\r\x1b\x00") {
				t.Fatalf("accepted: %+v", e)
			}
		}
		again, err := yaml.Marshal(map[string]any{"exemptions": list})
		if err != nil {
			t.Fatal(err)
		}
		reread, err := Parse(again, known)
		if err != nil {
			t.Fatalf("not read again: %v: %s", err, again)
		}
		if len(reread) != len(list) {
			t.Fatalf("%v, read again: %v", list, reread)
		}
		for i := range list {
			if list[i] != reread[i] {
				t.Fatalf("%v, read again: %v", list[i], reread[i])
			}
		}
	})
}
