package options

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/suite"
)

// sources are a command line, variables, and the text of procns.yaml.
func sources(line string, environment []string, file string) Sources {
	return Sources{Arguments: strings.Fields(line), Environment: environment, ReadFile: func(name string) ([]byte, error) {
		if name != "procns.yaml" {
			return nil, errors.New("open " + name + ": no such file or directory")
		}
		return []byte(file), nil
	}}
}

const someConfig = `
# settings of the nightly run
context: staging
run: [pid1/*, signals]
skip: "@host-pid"
level:
- core
image:
  nginx: registry.example/nginx:1.30
pod-label: {team: platform, release: 1.30}
pod-annotation:
- note=any text, even this
timeout: 10m
pods: 12
fail-fast: true
`

func TestSettings(t *testing.T) {
	for name, row := range map[string]struct {
		line        string
		environment []string
		file        string
		check       func(t *testing.T, o Options)
	}{
		"a file": {"-config procns.yaml", nil, someConfig, func(t *testing.T, o Options) {
			assert.Equal(t, "staging", o.Context)
			assert.False(t, o.Provision)
			assert.Equal(t, []string{"pid1/*", "signals"}, o.Run)
			assert.Equal(t, []string{HostPID}, o.Skip)
			assert.Equal(t, []suite.Level{suite.Core}, o.Levels)
			assert.Equal(t, map[string]string{"nginx": "registry.example/nginx:1.30"}, o.Images)
			assert.Equal(t, map[string]string{"team": "platform", "release": "1.30"}, o.PodLabels, "as it is written")
			assert.Equal(t, map[string]string{"note": "any text, even this"}, o.PodAnnotations)
			assert.Equal(t, 10*time.Minute, o.Timeout)
			assert.Equal(t, 12, o.Pods)
			assert.True(t, o.FailFast)
			assert.Equal(t, []string{"set by procns.yaml: context, fail-fast, image, level, pod-annotation, pod-label, pods, run, skip, timeout"}, o.Settings)
		}},
		"each replaces the weaker one's": {"-config procns.yaml -run files -pods 3", []string{"PROCNS_RUN=init", "PROCNS_TIMEOUT=20m", "PROCNS_PODS=7"}, someConfig, func(t *testing.T, o Options) {
			assert.Equal(t, []string{"files"}, o.Run)
			assert.Equal(t, 3, o.Pods)
			assert.Equal(t, 20*time.Minute, o.Timeout)
			assert.Equal(t, "staging", o.Context)
			assert.Equal(t, "set by the environment: timeout", o.Settings[0])
		}},
		"the environment names the file": {"", []string{"PROCNS_CONFIG=procns.yaml"}, "nodes: all\n", func(t *testing.T, o Options) {
			assert.Equal(t, "all", o.Nodes)
		}},
		"the command line names another": {"-config procns.yaml", []string{"PROCNS_CONFIG=other.yaml"}, "nodes: all\n", func(t *testing.T, o Options) {
			assert.Equal(t, "all", o.Nodes)
		}},
		"variables": {"", []string{"PATH=/bin", "PROCNS_IN_CLUSTER=true", "PROCNS_IMAGE=nginx=r.example/n:1\nbusybox=r.example/b:1\n", "PROCNS_REPORT_DIR=/tmp/r", "PROCNS_QUIET=1"}, "", func(t *testing.T, o Options) {
			assert.True(t, o.InCluster)
			assert.True(t, o.Quiet)
			assert.Equal(t, map[string]string{"nginx": "r.example/n:1", "busybox": "r.example/b:1"}, o.Images)
			assert.Equal(t, "/tmp/r", o.ReportDir)
		}},
		"what sets nothing": {"", []string{
			"PROCNS_CONTEXT=", "PROCNS_CACHE=/c", "PROCNS_VERSION=1", "PROCNS_SERVICE_HOST=10.0.0.1", "PROCNS_PORT=tcp://10.0.0.1:80",
			"PROCNS_PORT_80_TCP_ADDR=10.0.0.1", "PROCNS_SERVICE_PORT_HTTP=80", "PROCNS_REPORTS_SERVICE_HOST=10.0.0.1", "PROCNSX=1", "XPROCNS_RUN=a",
		}, "", func(t *testing.T, o Options) {
			assert.Equal(t, parse(t), o)
		}},
		"an empty file": {"-config procns.yaml", nil, "# nothing as yet\n", func(t *testing.T, o Options) {
			assert.Empty(t, o.Settings)
		}},
		"no file at all in it": {"-config procns.yaml", nil, "", func(t *testing.T, o Options) { assert.Empty(t, o.Settings) }},
		"another cluster": {"-in-cluster -config procns.yaml", nil, "context: staging\nkubeconfig: k\n", func(t *testing.T, o Options) {
			assert.True(t, o.InCluster)
			assert.Empty(t, o.Context+o.Kubeconfig)
		}},
		"another cluster, the other way": {"-config procns.yaml", []string{"PROCNS_CONTEXT=c"}, "in-cluster: true\n", func(t *testing.T, o Options) {
			assert.Equal(t, "c", o.Context)
			assert.False(t, o.InCluster)
		}},
		"both of one source": {"-config procns.yaml", nil, "context: staging\nkubeconfig: k\n", func(t *testing.T, o Options) {
			assert.Equal(t, "staging k", o.Context+" "+o.Kubeconfig)
		}},
		"loud at last": {"-v", []string{"PROCNS_QUIET=true"}, "", func(t *testing.T, o Options) {
			assert.True(t, o.Verbose)
			assert.False(t, o.Quiet)
		}},
		"what is for runs leaves the rest alone": {"-list -config procns.yaml", []string{"PROCNS_PHASE=before", "PROCNS_REQUIRE=core"}, "baseline: report.json\no: markdown\nkeep-on-failure: true\n", func(t *testing.T, o Options) {
			assert.True(t, o.List)
			assert.Empty(t, o.Baseline+string(o.Phase)+string(o.Require))
			assert.Equal(t, Text, o.Form)
		}},
		"a form for what has none": {"-print-rbac", []string{"PROCNS_O=json"}, "", func(t *testing.T, o Options) { assert.Equal(t, Text, o.Form) }},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := sources(row.line, row.environment, row.file).Parse(io.Discard)
			require.NoError(t, err)
			row.check(t, o)
		})
	}
}

// TestSettingsRefused: each mistake is one line that names the place.
func TestSettingsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		line        string
		environment []string
		file        string
		says        string
	}{
		"unknown key":              {"-config procns.yaml", nil, "nodes: all\nkubconfig: k\n", `-config procns.yaml: line 2: there is no setting "kubconfig"; near: kubeconfig; all of them: -help`},
		"a key with its dash":      {"-config procns.yaml", nil, "-run: pid1\n", `there is no setting "-run"; near: run`},
		"another tool's key":       {"-config procns.yaml", nil, "verbose: true\n", `there is no setting "verbose"; near: v;`},
		"unlike any":               {"-config procns.yaml", nil, "zzz: true\n", `there is no setting "zzz"; all of them: -help`},
		"a key that is a list":     {"-config procns.yaml", nil, "? [a]\n: b\n", "there is no setting"},
		"a key twice":              {"-config procns.yaml", nil, "run: a\nrun: b\n", "line 2: run is set twice"},
		"instead of a run":         {"-config procns.yaml", nil, "cleanup: true\n", "line 1: cleanup is said on the command line alone"},
		"another file":             {"-config procns.yaml", nil, "config: b.yaml\n", "a file of settings names no other"},
		"a wrong value":            {"-config procns.yaml", nil, "\nlevel: must\n", `-config procns.yaml: line 2: level: "must": "must" is none of core, extended and informational`},
		"a wrong value of several": {"-config procns.yaml", nil, "level: [core, must]\n", `level: "must": `},
		"a wrong duration":         {"-config procns.yaml", nil, "timeout: 5\n", `timeout: "5": `},
		"a wrong switch":           {"-config procns.yaml", nil, "keep: yes please\n", `keep: "yes please": `},
		"no value":                 {"-config procns.yaml", nil, "run:\n", "run: it has no value"},
		"a list for one":           {"-config procns.yaml", nil, "timeout: [1m, 2m]\n", "timeout: expected one value"},
		"a mapping for a list":     {"-config procns.yaml", nil, "run: {a: b}\n", "run: expected a value or a list of values"},
		"a list within":            {"-config procns.yaml", nil, "run: [[a]]\n", "run: expected text"},
		"a mapping within":         {"-config procns.yaml", nil, "image: {nginx: {a: b}}\n", "image: nginx: expected text"},
		"an alias":                 {"-config procns.yaml", nil, "registry: &a x\nrun: *a\n", "aliases are not read"},
		"a star":                   {"-config procns.yaml", nil, "run: */a\n", "-config procns.yaml: yaml: "},
		"two documents":            {"-config procns.yaml", nil, "nodes: all\n---\nrun: a\n", "more than one YAML document"},
		"a list of settings":       {"-config procns.yaml", nil, "- run\n", "expected settings, one a line"},
		"no YAML":                  {"-config procns.yaml", nil, "run: [\n", "-config procns.yaml: yaml: "},
		"no such file":             {"-config nowhere.yaml", nil, "", "-config: open nowhere.yaml: no such file"},
		"checked as flags are":     {"-config procns.yaml", nil, "keep-on-failure: true\n", "-keep-on-failure keeps nothing"},
		"unknown variable":         {"", []string{"PROCNS_KUBE_CONFIG=k"}, "", "PROCNS_KUBE_CONFIG sets nothing: there is no flag -kube-config; near: PROCNS_KUBECONFIG"},
		"like no variable":         {"", []string{"PROCNS_ZZZ=k"}, "", "PROCNS_ZZZ sets nothing: there is no flag -zzz; all of them: -help"},
		"a variable in small":      {"", []string{"PROCNS_run=k"}, "", "PROCNS_run sets nothing"},
		"a mode as a variable":     {"", []string{"PROCNS_CLEANUP=1"}, "", "PROCNS_CLEANUP: -cleanup is said on the command line alone"},
		"a wrong variable":         {"", []string{"PROCNS_LEVEL=must"}, "", `PROCNS_LEVEL: "must": `},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sources(row.line, row.environment, row.file).Parse(io.Discard)
			require.ErrorAs(t, err, new(UsageError))
			assert.Contains(t, err.Error(), row.says)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

// TestExample: the file that the page shows is one.
func TestExample(t *testing.T) {
	_, example, _ := strings.Cut(aboutSources, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	o, err := sources("-config procns.yaml", nil, example).Parse(io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "staging", o.Context)
	assert.True(t, o.FailFast)
}

// TestScriptVariables: a variable of the scripts that is no flag's must be known, or no
// run could be started from them.
func TestScriptVariables(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	variable := regexp.MustCompile(environmentPrefix + `[A-Z_]+`)
	found := 0
	for _, folder := range []string{"scripts", ".ci", ".github", "fixtures", "Makefile", "e2e"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(file string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.Contains(file, "internal/options") || strings.HasSuffix(file, ".json") || strings.HasSuffix(file, ".gz") {
				return err
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for _, name := range variable.FindAllString(string(text), -1) {
				found++
				_, err := readEnvironment([]string{name + "=some"})
				assert.NoError(t, err, "%s: name it in scriptVariables", file)
			}
			return nil
		}))
	}
	assert.Positive(t, found)
}

func FuzzConfig(f *testing.F) {
	for _, text := range []string{
		someConfig, "", "null", "run: *a", "a: &a [*a]", "<<: {run: a}", "? [a]\n: b", "run: a\nrun: b", "image: {nginx: 1.30}", "timeout: 0x10", "---\n---\n", "run: !!binary aaaa", "\xff",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseConfig([]byte(text))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("%q: an error of several lines: %v", text, err)
			}
			return
		}
		var o Options
		flags, _ := o.define()
		var names []string
		for _, one := range all {
			if flags.Lookup(one.name) == nil || commandLineAlone(one.name) || one.line < 1 || slices.Contains(names, one.name) {
				t.Fatalf("%q sets %v", text, one)
			}
			names = append(names, one.name)
		}
		// Whatever is set, or refused, is so without a panic.
		_, _ = sources("-config procns.yaml", nil, text).Parse(io.Discard)
	})
}
