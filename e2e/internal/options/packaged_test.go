package options

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSurroundings: the environment fills in what no flag says.
func TestSurroundings(t *testing.T) {
	pod := []string{"KUBERNETES_SERVICE_HOST=10.0.0.1"}
	prow := []string{"PATH=/bin", "ARTIFACTS=/before", "ARTIFACTS=/logs/artifacts"}
	plugin := append([]string{"SONOBUOY_RESULTS_DIR=/results", "SONOBUOY_PROGRESS_PORT=8099", "SONOBUOY=true"}, pod...)
	with := func(all []string, one string) []string { return append(all[:len(all):len(all)], one) }
	for name, row := range map[string]struct {
		environment []string
		arguments   string
		folder      string
		flat        bool
		inCluster   bool
	}{
		"nobody":                    {nil, "", "_artifacts", false, false},
		"a pod":                     {pod, "", "_artifacts", false, false},
		"Prow":                      {prow, "-kubeconfig a", "/logs/artifacts", true, false},
		"Prow, another folder":      {prow, "-kubeconfig a -report-dir b", "b", false, false},
		"Prow, the default, named":  {prow, "-report-dir _artifacts", "_artifacts", false, false},
		"Sonobuoy":                  {plugin, "", "/results/procns", true, true},
		"Sonobuoy, told the same":   {plugin, "-in-cluster", "/results/procns", true, true},
		"Sonobuoy, another cluster": {plugin, "-kubeconfig a", "/results/procns", true, false},
		"Sonobuoy, in no pod":       {plugin[:1], "", "/results/procns", true, false},
		"a variable comes first":    {with(prow, "PROCNS_REPORT_DIR=b"), "-kubeconfig a", "b", false, false},
		"a file comes first":        {with(prow, "PROCNS_CONFIG=procns.yaml"), "-kubeconfig a", "c", false, false},
		"another cluster, variable": {with(plugin, "PROCNS_CONTEXT=a"), "-kubeconfig a", "/results/procns", true, false},
	} {
		o, err := sources(row.arguments, row.environment, "report-dir: c").Parse(io.Discard)
		require.NoError(t, err, name)
		assert.Equal(t, row.folder, o.ReportDir, name)
		assert.Equal(t, row.flat, o.Flat, name)
		assert.Equal(t, row.inCluster, o.InCluster, name)
		assert.Equal(t, !row.inCluster && !strings.Contains(row.arguments, "-kubeconfig"), o.Provision, name)
	}
}

// TestPassedOn: a printed manifest runs what its flags would have run.
func TestPassedOn(t *testing.T) {
	for arguments, passed := range map[string]string{
		"-print-job": "",
		"-print-job -suite-image a/b:c -nodes all --run=signals/* -run pid1 -keep-on-failure": "-nodes=all -run=signals/* -run=pid1 -keep-on-failure",
		"-linger=5m -print-job -results-claim a -timeout 2h -keep-on-failure=false":           "-timeout=2h -keep-on-failure=false",
		"-print-sonobuoy-plugin -exempt builtin:gvisor -require core":                         "-exempt=builtin:gvisor -require=core",
		"-print-job -phase before -registry mirror.example/lib":                               "-phase=before -registry=mirror.example/lib",
	} {
		o := parse(t, strings.Fields(arguments)...)
		assert.Equal(t, passed, strings.Join(o.Passed, " "), arguments)
		again := parse(t, append(o.Passed, "-in-cluster")...) // it is a command line, of the same run
		assert.Equal(t, o.Run, again.Run)
		assert.Equal(t, o.Timeout, again.Timeout)
		assert.True(t, again.Runs())
		assert.False(t, o.Runs())
		assert.False(t, o.Provision)
	}
	o := parse(t, "-print-job", "-pod-annotation", "note=two words", "-linger", "5m")
	assert.Equal(t, []string{"-pod-annotation=note=two words"}, o.Passed)
	assert.Equal(t, 5*time.Minute, o.Linger)
}

// TestPassedOnSettings: what the environment and the file say of a run is passed on, which
// cannot be read where it runs; what names a cluster or a folder here is left alone.
func TestPassedOnSettings(t *testing.T) {
	for name, row := range map[string]struct {
		line        string
		environment []string
		file        string
		passed      string
	}{
		"a file":                {"-config procns.yaml -print-job", nil, "nodes: all\nrun: [signals, pid1]\nkeep-on-failure: true\n", "-nodes=all -run=signals -run=pid1 -keep-on-failure=true"},
		"each replaces":         {"-print-job -run init -config procns.yaml", []string{"PROCNS_NODES=sample"}, "nodes: all\nrun: signals\nphase: before\n", "-nodes=sample -phase=before -run=init"},
		"rivals":                {"-print-job -quiet -config procns.yaml", nil, "v: true\n", "-quiet"},
		"a cluster here":        {"-print-job -config procns.yaml", []string{"PROCNS_KUBECONFIG=k", "PROCNS_REPORT_DIR=r", "ARTIFACTS=a"}, "context: c\nkeep: true\nmachine: vm=ssh vm\nbaseline: report.json\n", ""},
		"a form of reports":     {"-print-job", []string{"PROCNS_O=json", "PROCNS_LINGER=5m"}, "", ""},
		"what a plugin lacks":   {"-print-sonobuoy-plugin", []string{"PROCNS_LINGER=5m", "PROCNS_REQUIRE=core"}, "", "-require=core"},
		"the file's own name":   {"-print-job", []string{"PROCNS_CONFIG=procns.yaml"}, "pods: 3\n", "-pods=3"},
		"progress, in programs": {"-print-job -progress json", nil, "", "-progress=json"},
	} {
		o, err := sources(row.line, row.environment, row.file).Parse(io.Discard)
		require.NoError(t, err, name)
		assert.Equal(t, row.passed, strings.Join(o.Passed, " "), name)
		assert.Empty(t, o.Kubeconfig+o.Context, name)
	}
	for _, variable := range []string{"PROCNS_SUITE_IMAGE=a", "PROCNS_RESULTS_CLAIM=a", "PROCNS_PRINT_JOB=1", "PROCNS_ARCHIVE=-"} {
		_, err := sources("-print-job", []string{variable}, "").Parse(io.Discard)
		assert.ErrorContains(t, err, "is said on the command line alone", variable)
	}
	_, err := sources("-print-job", []string{"PROCNS_EXEMPT=known.yaml"}, "").Parse(io.Discard)
	assert.ErrorContains(t, err, "the suite's image has no such file", "left out, it would change the verdict")
}

// TestRuns: what is done instead of a run is none, whatever else is wrong.
func TestRuns(t *testing.T) {
	var o Options
	flags, _ := o.define()
	for _, name := range insteadOfARun {
		text := "some"
		for _, try := range []string{text, "true", "bash"} {
			if flags.Set(name, try) == nil {
				text = try
			}
		}
		for _, environment := range [][]string{nil, {"PROCNS_ZZZ=a"}} {
			o, _ := sources("-"+name+"="+text, environment, "").Parse(io.Discard)
			assert.Equal(t, name == "dry-run", o.Runs(), name)
		}
	}
	assert.True(t, parse(t).Runs())
}

func TestPackagedRefused(t *testing.T) {
	for arguments, says := range map[string]string{
		"-print-job -print-sonobuoy-plugin":             "choose one of them",
		"-print-job -list":                              "choose one of them",
		"-print-job -kubeconfig a":                      "-kubeconfig means nothing to a run in the cluster",
		"-print-job -in-cluster":                        "leave it out",
		"-print-sonobuoy-plugin -baseline a":            "-baseline means nothing",
		"-print-job -exempt known.yaml":                 "the suite's image has no such file",
		"-print-job -suite-image A":                     "is no reference of an image",
		"-print-job -results-claim a_b":                 "-results-claim",
		"-print-sonobuoy-plugin -linger 1m":             "Sonobuoy fetches the reports itself",
		"-suite-image a":                                "-suite-image goes with -print-job",
		"-results-claim a -list":                        "-results-claim goes with -print-job",
		"-linger -1s":                                   "must not be below zero",
		"-archive=":                                     "-archive is empty",
		"-archive - -list":                              "choose one of them",
		"-print-job -o json":                            "-o is the form of",
		"-print-job -keep-on-failure -require=anything": "expected core or extended",
	} {
		_, err := Sources{Arguments: strings.Fields(arguments)}.Parse(io.Discard)
		require.ErrorAs(t, err, new(UsageError), arguments)
		assert.Contains(t, err.Error(), says, arguments)
	}
}

// FuzzPassedOn: whatever is passed on is understood, and passed on as it is.
func FuzzPassedOn(f *testing.F) {
	f.Add("-print-job -nodes all --run=pid1 -keep-on-failure")
	f.Add("-print-job -keep-on-failure=false -pod-annotation a=b=c")
	f.Add("-print-job -nodes")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := Sources{Arguments: append([]string{"-print-job"}, strings.Split(text, " ")...)}.Parse(io.Discard)
		if err != nil {
			return
		}
		again, err := Sources{Arguments: append([]string{"-print-job"}, o.Passed...)}.Parse(io.Discard)
		if err != nil {
			t.Fatalf("%q is passed on as %q: %v", text, o.Passed, err)
		}
		assert.Equal(t, o.Passed, again.Passed)
	})
}
