package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/cases"
	"procns/e2e/internal/cluster"
	"procns/e2e/internal/locked"
	"procns/e2e/internal/options"
	"procns/e2e/internal/progress"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// onlyLine demands that nothing but one line was said.
func onlyLine(t *testing.T, said, contains string) {
	t.Helper()
	assert.Equal(t, 1, strings.Count(said, "\n"), said)
	assert.True(t, strings.HasPrefix(said, "procns: "), said)
	assert.Contains(t, said, contains)
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// TestRefused: what is wrong before any cluster is asked.
func TestRefused(t *testing.T) {
	const entry = "exemptions:\n- {case: pid1/is-the-sandbox, target: '*', reason: known, link: 'https://example.com'"
	for name, row := range map[string]struct {
		arguments []string
		says      string
	}{
		"unknown flag":               {[]string{"-kubeconf", "a"}, "near: -kubeconfig"},
		"unknown value":              {[]string{"-level", "must"}, "none of core, extended and informational"},
		"unknown case":               {[]string{"-run", "pid1/is-sandbox"}, "near: pid1/is-the-sandbox"},
		"unknown case, listed":       {[]string{"-list", "-run", "pid2"}, "matches no case"},
		"exempt file missing":        {[]string{"-exempt", "/nonexistent/exempt.yaml"}, "no such file"},
		"exempt file broken":         {[]string{"-exempt", write(t, entry)}, "yaml"},
		"exempt with unknown field":  {[]string{"-exempt", write(t, entry+", until: tomorrow}")}, "until"},
		"exempt of unknown case":     {[]string{"-exempt", write(t, strings.Replace(entry, "pid1/is-", "pid1/was-", 1)+"}")}, `there is no case "pid1/was-the-sandbox": -list prints them; near: pid1/is-the-sandbox`},
		"unknown setting":            {[]string{"-config", write(t, "kubeconf: a\n")}, `line 1: there is no setting "kubeconf"; near: kubeconfig`},
		"no file of settings":        {[]string{"-config", "/nonexistent/procns.yaml"}, "-config: open /nonexistent/procns.yaml: no such file"},
		"an argument":                {[]string{"list"}, "did you mean -list?"},
		"report folder is a file":    {[]string{"-report-dir", filepath.Join(write(t, ""), "below")}, "the report folder cannot be written"},
		"baseline missing":           {[]string{"-baseline", "/nonexistent/report.json"}, "-baseline: open /nonexistent/report.json: no such file"},
		"baseline of another kind":   {[]string{"-baseline", write(t, `{"schema":"procns.report/v0"}`)}, `the report's schema is "procns.report/v0", this suite reads "procns.report/v1"`},
		"compared, one is missing":   {[]string{"-compare", reportOf(t, suite.Conformant), "/nonexistent/report.json"}, "-compare: open /nonexistent/report.json"},
		"compared, one is no report": {[]string{"-compare", write(t, "[]"), reportOf(t, suite.Conformant)}, "not a report"},
		"rendered, missing":          {[]string{"-render", "/nonexistent/report.json"}, "-render: open /nonexistent/report.json: no such file"},
		"rendered, no report":        {[]string{"-render", write(t, "[]")}, "not a report"},
		"not in a cluster":           {[]string{"-cleanup", "-in-cluster"}, "-in-cluster"},
		"clean-up, wrong context":    {[]string{"-cleanup", "-kubeconfig", writeKubeconfig(t, "http://127.0.0.1:1"), "-context", "nowhere"}, `no context "nowhere"`},
		"clean-up, unreachable":      {[]string{"-cleanup", "-kubeconfig", writeKubeconfig(t, "http://127.0.0.1:1")}, "cannot be reached"},
		"clean-up, not allowed":      {[]string{"-cleanup", "-kubeconfig", kubeconfigOf(t, &server{version: "v1.37.2", denied: "leases/"})}, "not allowed to list leases.coordination.k8s.io"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBERNETES_SERVICE_HOST", "")
			var stdout, stderr locked.Buffer
			run, code := Begin(row.arguments, "test", &stdout, &stderr)
			assert.Nil(t, run)
			assert.Equal(t, suite.ExitUsage, code)
			assert.Empty(t, stdout.String())
			onlyLine(t, stderr.String(), row.says)
		})
	}
}

// TestReadOnlyReportFolder needs a user whom permissions stop.
func TestReadOnlyReportFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "read-only")
	require.NoError(t, os.Mkdir(folder, 0o500))
	if probe := filepath.Join(folder, "probe"); os.Mkdir(probe, 0o700) == nil {
		t.Skip("this user may write everywhere")
	}
	var stdout, stderr locked.Buffer
	_, code := Begin([]string{"-report-dir", folder}, "test", &stdout, &stderr)
	assert.Equal(t, suite.ExitUsage, code)
	onlyLine(t, stderr.String(), "the report folder cannot be written")
}

// TestWithoutCluster: what is only printed.
func TestWithoutCluster(t *testing.T) {
	t.Chdir(t.TempDir())
	for arguments, says := range map[string]string{
		"version":                            "\ncatalogue  " + strconv.Itoa(len(cases.All())) + " cases, SHA-256 " + report.CatalogueSHA256(cases.All()) + "\n",
		"-version":                           "procns     test\ncommit     ",
		"version -o json":                    `"catalogueSHA256": "` + report.CatalogueSHA256(cases.All()),
		"-version -run pid1":                 " cases, SHA-256 ",
		"-list":                              "pid1/is-the-sandbox",
		"-list -run pid1 -level core":        "pid1/is-the-sandbox",
		"-list -o json":                      `"id": "pid1/is-the-sandbox"`,
		"-list-images":                       "docker.io/library/busybox:1.28@sha256:",
		"-list-images -registry r.example/l": "r.example/l/nginx:1.",
		"-print-rbac":                        "resources: [pods/exec]\n  verbs: [create, get]",
		"-print-rbac -pull-secret a/b":       "resourceNames: [b]",
		"-print-rbac -phase before":          "resources: [namespaces]\n  verbs: [create, get, list, watch, delete, patch]",
		"-help":                              "-keep-on-failure",
		"-completion bash":                   "complete -o bashdefault -F _procns procns.test",
		"-completion=zsh":                    "#compdef procns.test",
		"-completion fish":                   "complete --command procns.test",
		"-print-job":                         "image: \"localhost/procns/procns:test\"",
		"-print-job -pull-secret a/b":        "resourceNames: [b]",
		"-print-job -nodes all":              "- \"-nodes=all\"",
		"-print-sonobuoy-plugin":             "result-files: [sonobuoy_results.yaml]",
		"-print-sonobuoy-plugin -suite-image r.example/p:1": "image: \"r.example/p:1\"",
	} {
		var stdout, stderr locked.Buffer
		run, code := Begin(strings.Fields(arguments), "test", &stdout, &stderr)
		assert.Nil(t, run, arguments)
		assert.Equal(t, suite.ExitConformant, code, arguments)
		assert.Empty(t, stderr.String(), arguments)
		assert.Contains(t, stdout.String(), says, arguments)
		if strings.HasSuffix(arguments, "json") {
			assert.True(t, json.Valid([]byte(stdout.String())), arguments)
		}
	}
	left, err := os.ReadDir(".")
	require.NoError(t, err)
	assert.Empty(t, left, "nothing is written")
}

// TestKindFlags: a kind cluster is prepared for a run that makes one, once nothing is
// wrong with the command line, and for nothing else.
func TestKindFlags(t *testing.T) {
	for name, row := range map[string]struct {
		arguments []string
		fails     error
		prepares  bool
		code      int
		engine    string // of the run; empty: there is none
	}{
		"a kind cluster":     {[]string{"-run", "pid1"}, nil, true, suite.ExitConformant, "docker"},
		"of another engine":  {[]string{"-engine", "nerdctl"}, nil, true, suite.ExitConformant, "nerdctl"},
		"it fails":           {nil, errors.New("no container engine"), true, suite.ExitUsage, ""},
		"a cluster of yours": {[]string{"-kubeconfig", "k"}, nil, false, suite.ExitConformant, "podman"},
		"no run":             {[]string{"-list"}, nil, false, suite.ExitConformant, ""},
		"a wrong run":        {[]string{"-run", "pid2"}, nil, false, suite.ExitUsage, ""},
	} {
		t.Run(name, func(t *testing.T) {
			prepared := false
			var stdout, stderr locked.Buffer
			run, code := Begin(append([]string{"-report-dir", t.TempDir()}, row.arguments...), "test", &stdout, &stderr, func() ([]string, error) {
				prepared = true
				return []string{"-engine", "docker"}, row.fails
			})
			assert.Equal(t, row.prepares, prepared)
			assert.Equal(t, row.code, code)
			if row.fails != nil {
				onlyLine(t, stderr.String(), row.fails.Error())
			}
			require.Equal(t, row.engine != "", run != nil)
			if run != nil {
				assert.Equal(t, row.engine, run.Engine)
			}
		})
	}
}

// TestAgain: a case is run again with what the run was told of the cluster.
func TestAgain(t *testing.T) {
	var stdout, stderr locked.Buffer
	run, _ := Begin([]string{
		"-report-dir", t.TempDir(), "-kubeconfig", "k", "-context", "c d", "-nodes", "pool=blue", "-runtime-classes", "a,b",
		"-tolerate", "gpu=x:NoSchedule", "-tolerate", "all", "-image", "nginx=r.example/n", "-registry", "mirror.example", "-pull-secret", "a/b",
		"-namespace-label", "x.example/exempt=yes", "-pod-label", "team=a", "-pod-annotation", "note=any text",
	}, "test", &stdout, &stderr)
	require.NotNil(t, run)
	assert.Equal(t, "procns.test -kubeconfig k -context 'c d' -nodes pool=blue -runtime-classes a,b -tolerate all -tolerate gpu=x:NoSchedule "+
		"-image nginx=r.example/n -namespace-label x.example/exempt=yes -pod-label team=a -pod-annotation 'note=any text' -registry mirror.example -pull-secret a/b -run x", run.again("-run x"))
}

// TestKubectl: the flag of kubectl takes one file, its environment variable a list.
func TestKubectl(t *testing.T) {
	run := &Run{}
	assert.Equal(t, "kubectl", run.kubectl())
	run.Kubeconfig, run.Context = "k", "c"
	assert.Equal(t, "kubectl --kubeconfig k --context c", run.kubectl())
	run.Kubeconfig = "a b:k"
	assert.Equal(t, "KUBECONFIG='a b:k' kubectl --context c", run.kubectl())
}

func TestAppendSummary(t *testing.T) {
	file := write(t, "before\n")
	require.NoError(t, appendSummary(file, []byte("after\n")))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "before\nafter\n", string(text))
	assert.NoError(t, appendSummary("", nil))
	assert.Error(t, appendSummary(filepath.Join(file, "below"), nil))
}

// TestKeepOnFailure: what is kept is told, and is no left-over.
func TestKeepOnFailure(t *testing.T) {
	for name, row := range map[string]struct {
		outcome     suite.Outcome
		interrupted bool
		kept        bool
	}{
		"failed":      {suite.NonConformant, false, true},
		"unclear":     {suite.Inconclusive, false, true},
		"passed":      {suite.Conformant, false, false},
		"interrupted": {suite.Inconclusive, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr locked.Buffer
			kubeconfig := kubeconfigOf(t, sound())
			run, _ := Begin([]string{"-report-dir", t.TempDir(), "-kubeconfig", kubeconfig, "-run", "pid1/is-the-sandbox", "-keep-on-failure"}, "test", &stdout, &stderr)
			require.NotNil(t, run)
			_, client, _, err := cluster.Connect(run.place(), 100, &cluster.Counts{})
			require.NoError(t, err)
			run.session = &cluster.Session{Client: client, Namespace: "procns-x"}
			target := suite.Target{Node: "a"}
			run.report.Targets = []suite.Target{target}
			run.report.Results = []suite.Result{{Case: run.Cases[0], Target: target, Outcome: row.outcome}}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if row.interrupted {
				cancel()
			}
			run.Finish(ctx)
			run.view.Close()
			if row.kept {
				assert.Equal(t, "kubectl --kubeconfig "+kubeconfig+" delete namespace procns-x", run.report.Kept)
				assert.Empty(t, run.report.Leftovers)
				assert.Contains(t, stderr.String(), "are kept")
			} else {
				assert.Empty(t, run.report.Kept)
			}
		})
	}
}

// reportOf writes the report of a run with one result.
func reportOf(t *testing.T, outcome suite.Outcome) string {
	t.Helper()
	target := suite.Target{Node: "a"}
	var text bytes.Buffer
	require.NoError(t, report.WriteJSON(&text, report.Run{
		ID: "earlier", Targets: []suite.Target{target},
		Results: []suite.Result{{
			Case:   suite.Case{ID: "pid1/is-the-sandbox", Level: suite.Core, Claim: "c", Source: "s"},
			Target: target, Outcome: outcome, Reason: "expected a; observed b",
		}},
	}))
	return write(t, text.String())
}

// TestCompare: two reports, in each form, and the exit code.
func TestCompare(t *testing.T) {
	yes, no, maybe := reportOf(t, suite.Conformant), reportOf(t, suite.NonConformant), reportOf(t, suite.Inconclusive)
	for _, row := range []struct {
		before, now, form string
		exit              int
		says              string
	}{
		{yes, yes, "text", suite.ExitConformant, "procns: since run earlier: nothing regressed"},
		{yes, no, "text", suite.ExitNonConformant, "REGRESSED  pid1/is-the-sandbox on a"},
		{yes, maybe, "markdown", suite.ExitInconclusive, "| unclear | pid1/is-the-sandbox |"},
		{no, yes, "json", suite.ExitConformant, `"word": "mended"`},
	} {
		var stdout, stderr locked.Buffer
		run, code := Begin([]string{"-compare", row.before, row.now, "-o", row.form}, "test", &stdout, &stderr)
		assert.Nil(t, run)
		assert.Equal(t, row.exit, code)
		assert.Contains(t, stdout.String(), row.says)
		assert.Empty(t, stderr.String())
	}
}

// TestBaseline: what changed is in the run's own report, and in its exit code.
func TestBaseline(t *testing.T) {
	var stdout, stderr locked.Buffer
	folder := t.TempDir()
	run, _ := Begin([]string{"-report-dir", folder, "-kubeconfig", "k", "-run", "pid1/is-the-sandbox", "-baseline", reportOf(t, suite.Conformant)}, "test", &stdout, &stderr)
	require.NotNil(t, run, stderr.String())
	target := suite.Target{Node: "a"}
	run.report.Results = []suite.Result{{Case: run.Cases[0], Target: target, Outcome: suite.Inconclusive}}
	run.Finish(t.Context())
	assert.Equal(t, suite.ExitInconclusive, run.WriteReports(&stdout))
	assert.Contains(t, stdout.String(), "UNCLEAR    pid1/is-the-sandbox on a [Core]: conformant → inconclusive")
	assert.Contains(t, stdout.String(), "since run earlier: 1 unclear (pid1/is-the-sandbox on a)\n")
	for _, name := range []string{"report.json", "summary.md"} {
		text, err := os.ReadFile(filepath.Join(run.folder.Path, name))
		require.NoError(t, err)
		assert.Contains(t, string(text), "since run earlier: 1 unclear")
	}
}

// TestPhases: which cases a run has, and what becomes of witnesses at its end.
func TestPhases(t *testing.T) {
	begin := func(arguments ...string) *Run {
		var stdout, stderr locked.Buffer
		run, _ := Begin(append([]string{"-report-dir", t.TempDir(), "-kubeconfig", kubeconfigOf(t, sound())}, arguments...), "test", &stdout, &stderr)
		require.NotNil(t, run, stderr.String())
		return run
	}
	areas := func(run *Run) (ofUpgrade, others int) {
		return len(run.Cases) - len(ordinary(run.Cases)), len(ordinary(run.Cases))
	}
	ofUpgrade, _ := areas(begin("-phase", "before"))
	assert.Zero(t, ofUpgrade, "nothing is judged before the upgrade")
	all, _ := areas(begin("-phase", "after"))
	assert.Equal(t, len(cases.Upgrade()), all)
	some, others := areas(begin("-phase", "after", "-run", "pid1/is-the-sandbox"))
	assert.Equal(t, all, some, "whatever is selected, witnesses are judged")
	assert.Equal(t, 1, others)
	some, others = areas(begin("-phase", "after", "-run", "upgrade"))
	assert.Equal(t, all, some)
	assert.Zero(t, others)

	for name, row := range map[string]struct {
		phase   options.Phase
		done    bool
		deletes bool
		says    string
	}{
		"left":       {options.Before, true, false, "3 witnesses wait in namespace procns-witnesses: upgrade the cluster, then run with -phase after"},
		"not left":   {options.Before, false, true, ""},
		"judged":     {options.After, true, true, ""},
		"not judged": {options.After, false, false, "the witnesses have not been judged, and are kept"},
	} {
		t.Run(name, func(t *testing.T) {
			s := sound()
			var stderr locked.Buffer
			run := begin("-phase", string(row.phase))
			run.view = &progress.View{Out: &stderr}
			run.view.Open()
			_, client, _, err := cluster.Connect(cluster.Place{Kubeconfig: kubeconfigOf(t, s)}, 100, &cluster.Counts{})
			require.NoError(t, err)
			run.report.Upgrade = &report.Upgrade{Witnesses: 3}
			run.upgrade = upgrade{phase: row.phase, done: row.done, session: &cluster.Session{Client: client, Namespace: "procns-witnesses"}}
			require.NoError(t, run.closeUpgrade(t.Context()))
			run.view.Close()
			assert.Equal(t, row.deletes, len(s.created) > 0, s.created)
			assert.Contains(t, stderr.String(), row.says)
		})
	}
}

// TestExemptedRun: an exemption takes effect, and one that is not needed is an error.
func TestExemptedRun(t *testing.T) {
	file := write(t, "exemptions:\n- {case: pid1/is-the-sandbox, target: '*', reason: known, link: 'https://example.com'}\n")
	for outcome, exit := range map[suite.Outcome]int{suite.NonConformant: suite.ExitConformant, suite.Conformant: suite.ExitUsage} {
		var stdout, stderr locked.Buffer
		run, _ := Begin([]string{"-report-dir", t.TempDir(), "-kubeconfig", "k", "-run", "pid1/is-the-sandbox,version", "-exempt", file}, "test", &stdout, &stderr)
		require.NotNil(t, run, stderr.String())
		target := suite.Target{Node: "a"}
		run.report.Targets = []suite.Target{target}
		for _, c := range run.Cases {
			r := suite.Result{Case: c, Target: target, Outcome: suite.Conformant}
			if c.ID == "pid1/is-the-sandbox" {
				r.Outcome = outcome
			}
			run.report.Results = append(run.report.Results, r)
		}
		run.Finish(t.Context())
		assert.Equal(t, exit, run.WriteReports(&stdout), stdout.String())
		if exit == suite.ExitUsage {
			assert.Contains(t, stdout.String(), "exemptions that are not needed")
		}
	}
}
