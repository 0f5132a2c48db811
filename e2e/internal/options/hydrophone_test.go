package options

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/suite"
)

// underHydrophone is the environment that Hydrophone gives its image.
func underHydrophone(variables ...string) []string {
	return append([]string{
		"KUBERNETES_SERVICE_HOST=10.0.0.1", "E2E_SKIP=", "E2E_PROVIDER=skeleton", "E2E_VERBOSITY=4", "E2E_USE_GO_RUNNER=true",
		"E2E_EXTRA_GINKGO_ARGS=", `E2E_FOCUS=\[Conformance\]`,
	}, variables...)
}

// TestHydrophone: what Hydrophone's environment asks for, in the place of arguments.
func TestHydrophone(t *testing.T) {
	o, err := sources("", underHydrophone(), "").Parse(io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "/tmp/results", o.ReportDir)
	assert.True(t, o.Flat)
	assert.True(t, o.InCluster)
	assert.False(t, o.Provision)
	assert.False(t, o.DryRun)
	assert.Equal(t, []string{`Hydrophone asks for the cases of E2E_FOCUS=\[Conformance\]`}, o.Settings)

	o, err = sources("", underHydrophone("E2E_EXTRA_ARGS=--nodes=all --run=pid1 --run=signals/* --image=nginx=a/nginx:1 --keep-on-failure=true", "PROCNS_NODES=sample", "PROCNS_QPS=7"), "").Parse(io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "all", o.Nodes, "it comes before the environment")
	assert.InDelta(t, 7.0, o.QPS, 0)
	assert.Equal(t, []string{"pid1", "signals/*"}, o.Run)
	assert.Equal(t, map[string]string{"nginx": "a/nginx:1"}, o.Images)
	assert.True(t, o.KeepOnFailure)
	assert.Equal(t, "set by E2E_EXTRA_ARGS: image, keep-on-failure, nodes, run", o.Settings[0])

	o, err = sources("-nodes sample", underHydrophone("E2E_EXTRA_ARGS=--nodes=all"), "").Parse(io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "sample", o.Nodes, "the command line comes first")

	o, err = sources("", underHydrophone("E2E_DRYRUN=true"), "").Parse(io.Discard)
	require.NoError(t, err)
	assert.True(t, o.DryRun)
	assert.True(t, o.Runs())

	o, err = sources("-list", underHydrophone("E2E_DRYRUN=true"), "").Parse(io.Discard)
	require.NoError(t, err, "what is done instead of a run, by hand, in its pod")
	assert.False(t, o.DryRun)

	o, err = sources("", []string{"E2E_EXTRA_ARGS=--nodes=all"}, "").Parse(io.Discard)
	require.NoError(t, err, "it is not Hydrophone who says so")
	assert.Equal(t, "all", o.Nodes, "the default, of a kind cluster")
	assert.Empty(t, o.Settings)
}

func TestHydrophoneRefused(t *testing.T) {
	for variable, says := range map[string]string{
		"E2E_EXTRA_ARGS=--nods=all":                    "E2E_EXTRA_ARGS: there is no flag -nods",
		"E2E_EXTRA_ARGS=--nodes":                       "E2E_EXTRA_ARGS: expected --nodes=value",
		"E2E_EXTRA_ARGS=--list=true":                   "E2E_EXTRA_ARGS: -list is said on the command line alone",
		"E2E_EXTRA_ARGS=--config=a":                    "the suite's image has no such file",
		"E2E_EXTRA_ARGS=--timeout=soon":                `E2E_EXTRA_ARGS: "soon": `,
		"E2E_EXTRA_ARGS=--report-dir=/elsewhere":       "Hydrophone fetches the reports from /tmp/results",
		"E2E_EXTRA_ARGS=--parallel=0":                  "must be above zero",
		"E2E_EXTRA_ARGS=--in-cluster=true --context=a": "-in-cluster names the cluster",
		"E2E_SKIP=(": "E2E_SKIP: error parsing regexp",
	} {
		o, err := sources("", underHydrophone(variable), "").Parse(io.Discard)
		require.ErrorAs(t, err, new(UsageError), variable)
		assert.Contains(t, err.Error(), says, variable)
		assert.NotContains(t, err.Error(), "\n", variable)
		assert.True(t, o.Runs(), "%s: Hydrophone waits", variable)
	}
}

// TestFocused: the expressions are looked for in the case's ID, level and claim.
func TestFocused(t *testing.T) {
	all := []suite.Case{
		{ID: "pid1/is-the-sandbox", Level: suite.Core, Claim: "No process is PID 1."},
		{ID: "signals/refused", Level: suite.Extended, Claim: "A signal is refused."},
		{ID: "signals/recorded", Level: suite.Informational, Claim: "What is recorded."},
	}
	for name, row := range map[string]struct {
		variables []string
		line      string
		want      string
	}{
		"unless it is told otherwise": {nil, "", "pid1/is-the-sandbox"},
		"everything":                  {[]string{"E2E_FOCUS=."}, "", "pid1/is-the-sandbox signals/refused signals/recorded"},
		"levels":                      {[]string{`E2E_FOCUS=\[(Core|Extended)\]`}, "", "pid1/is-the-sandbox signals/refused"},
		"an area":                     {[]string{"E2E_FOCUS=^signals/"}, "", "signals/refused signals/recorded"},
		"a claim, skipped":            {[]string{"E2E_FOCUS=.", "E2E_SKIP=is (PID 1|refused)"}, "", "signals/recorded"},
		"with a flag, both count":     {[]string{"E2E_FOCUS=signals"}, "-level extended", "signals/refused"},
	} {
		o, err := sources(row.line, underHydrophone(row.variables...), "").Parse(io.Discard)
		require.NoError(t, err, name)
		selected, err := o.Select(all, os.ReadFile)
		require.NoError(t, err, name)
		var ids []string
		for _, c := range selected {
			ids = append(ids, c.ID)
		}
		assert.Equal(t, row.want, strings.Join(ids, " "), name)
	}
	o, err := sources("", underHydrophone("E2E_FOCUS=nothing", "E2E_SKIP=a|b"), "").Parse(io.Discard)
	require.NoError(t, err)
	_, err = o.Select(all, os.ReadFile)
	require.ErrorAs(t, err, new(UsageError))
	assert.Equal(t, `E2E_FOCUS=nothing, E2E_SKIP=a|b leaves none of the cases: a regular expression is looked for in texts such as `+
		`"pid1/is-the-sandbox [Core] No process is PID 1."`, err.Error())
}

// FuzzReadExtra: whatever Hydrophone passes on is refused in one line, or is what the flags
// themselves would have set.
func FuzzReadExtra(f *testing.F) {
	f.Add("--nodes=all --image=nginx=a:1")
	f.Add("--keep-on-failure=true  --run=a\t--run=b")
	f.Add("-list=1")
	f.Add("--config=a --x")
	f.Fuzz(func(t *testing.T, words string) {
		all, err := readExtra(words)
		if err != nil {
			assert.Empty(t, all)
			return
		}
		assert.Len(t, all, len(strings.Fields(words)))
		for _, one := range all {
			assert.False(t, commandLineAlone(one.name))
		}
	})
}

// TestHydrophoneWithinAProfile: its expressions choose within a profile as well.
func TestHydrophoneWithinAProfile(t *testing.T) {
	all := []suite.Case{{ID: "a/core", Level: suite.Core}, {ID: "a/more", Level: suite.Extended}, {ID: "b/core", Level: suite.Core}}
	for profile, want := range map[string][]string{"core": {"a/core"}, "sweep": {"a/core"}, "full": {"a/core", "a/more"}} {
		o, err := sources("", underHydrophone("E2E_EXTRA_ARGS=--profile="+profile, "E2E_FOCUS=^a/", "E2E_SKIP=^b/"), "").Parse(io.Discard)
		require.NoError(t, err, profile)
		selected, err := o.Select(all, nil)
		require.NoError(t, err, profile)
		var ids []string
		for _, c := range selected {
			ids = append(ids, c.ID)
		}
		assert.Equal(t, want, ids, profile)
	}
	o, err := sources("", underHydrophone("E2E_EXTRA_ARGS=--profile=core", "E2E_FOCUS=Extended"), "").Parse(io.Discard)
	require.NoError(t, err)
	_, err = o.Select(all, nil)
	require.ErrorAs(t, err, new(UsageError), "it leaves none")
}
