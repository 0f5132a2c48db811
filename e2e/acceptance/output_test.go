package acceptance

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

func TestPreflightSeconds(t *testing.T) {
	for name, row := range map[string]struct {
		output string
		want   float64
		fails  bool
	}{
		"among others":      {"==> reports: x\n==> preflight: 0.8s\nprocns: planned\n", 0.8, false},
		"whole seconds":     {"==> preflight: 12s\n", 12, false},
		"nothing":           {"", 0, true},
		"another step":      {"==> preflight: refused\n==> images: 0.8s\n", 0, true},
		"not at the start":  {"said ==> preflight: 0.8s\n", 0, true},
		"more on that line": {"==> preflight: 0.8s and on\n", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := preflightSeconds(row.output)
			assert.Equal(t, row.fails, err != nil, "%v", err)
			assert.InDelta(t, row.want, got, 0)
		})
	}
}

func TestLines(t *testing.T) {
	const output = "==> preflight: 1.0s\nprocns: one\n  procns: indented\nmore of two\nprocns: two\n\n"
	assert.Equal(t, []string{"procns: one", "procns: two"}, ownLines(output))
	assert.Empty(t, ownLines("procns\n"))
	assert.Equal(t, []string{"more of two", "procns: two"}, linesHolding(output, "two"))
	assert.Equal(t, []string{"a", "b"}, linesHolding("a\r\nb", ""))
	assert.Equal(t, "procns: two", lastLine(output))
	assert.Equal(t, "one", lastLine("one"))
	assert.Empty(t, lastLine(""))
}

func TestRestricts(t *testing.T) {
	assert.True(t, restricts(`Error from server (Forbidden): pods "probe" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true`))
	assert.False(t, restricts(`pods "probe" is forbidden: violates PodSecurity "baseline:latest": host namespaces`))
	assert.False(t, restricts("pod/probe created (server dry run)"))
}

func TestCountJudged(t *testing.T) {
	for name, row := range map[string]struct {
		log  string
		want int
	}{
		"nothing":            {"", 0},
		"each outcome":       {"a/b on worker: conformant\na/c on worker: non-conformant (2.1s)\na/d on worker: inconclusive because: inconclusive\n", 3},
		"the last, unended":  {"a/b: conformant", 1},
		"skipped":            {"a/b: skipped\na/c: conformance\nit is conformant\n", 0},
		"a word that begins": {"a/b: conformantly\n", 0},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, row.want, countJudged(row.log)) })
	}
}

func TestFlags(t *testing.T) {
	flags := []string{"-engine", "podman", "-image", "nginx=a/nginx:1", "-load", "x.tar", "-image", "busybox=a/busybox:1", "-image"}
	assert.Equal(t, []string{"podman"}, valuesOf(flags, "engine"))
	images := valuesOf(flags, "image")
	assert.Equal(t, []string{"nginx=a/nginx:1", "busybox=a/busybox:1"}, images)
	assert.Empty(t, valuesOf(flags, "node-image"))
	assert.Equal(t, "a/busybox:1", referenceOf(images, "busybox"))
	assert.Empty(t, referenceOf(images, "busy"))
}

func TestResults(t *testing.T) {
	results := []report.Result{
		{Target: "worker", Outcome: suite.Conformant, Reason: "fine"},
		{Target: "worker", Outcome: suite.Inconclusive, Reason: "no  pod procns-0123abcd\nnow"},
		{Target: "worker2", Outcome: suite.Inconclusive, Reason: "no node"},
		{Target: "worker", Outcome: suite.Inconclusive, Reason: "no pod procns-89abcdef now"},
		{Target: "worker", Outcome: suite.NonConformant, Reason: "wrong"},
	}
	assert.Equal(t, 3, count(results, suite.Inconclusive, ""))
	assert.Equal(t, 2, count(results, suite.Inconclusive, "worker"))
	assert.Zero(t, count(results, suite.Conformant, "worker2"))
	assert.Equal(t, []string{"2 × worker: no pod procns-… now", "1 × worker2: no node"}, frequentReasons(results, suite.Inconclusive, 6))
	assert.Equal(t, []string{"2 × worker: no pod procns-… now"}, frequentReasons(results, suite.Inconclusive, 1))
	assert.Empty(t, frequentReasons(results, suite.Skipped, 6))
}

func TestReadJUnit(t *testing.T) {
	const text = `<?xml version="1.0"?>
<testsuites name="procns" time="54.2"><testsuite name="procns.core" time="3" timestamp="2026-03-01T12:00:00">
<properties><property name="run" value="kind"></property></properties>
<testcase name="pid1/one" classname="procns.kind.pid1" time="1.5"/><testcase name="pid1/two" classname="procns.kind.pid1" time="2.5"/>
</testsuite></testsuites>`
	read, err := readJUnit([]byte(text))
	require.NoError(t, err)
	assert.InDelta(t, 54.2, read.Time, 0)
	assert.Equal(t, []float64{1.5, 2.5}, read.Times)
	longest, sum := read.spent()
	assert.InDelta(t, 2.5, longest, 0)
	assert.InDelta(t, 4, sum, 0)
	assert.Equal(t, []string{"procns.kind.pid1", "procns.kind.pid1"}, read.naming("kind"))
	assert.Equal(t, []string{"run"}, read.naming("run"))
	for name, text := range map[string]string{
		"not XML":      "<testsuites",
		"not a number": `<testsuites time="long"/>`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readJUnit([]byte(text))
			assert.Error(t, err)
		})
	}
}

func TestLeft(t *testing.T) {
	set := map[string]string{"HOME": "/home/u"}
	getenv := func(name string) string { return set[name] }
	assert.Equal(t, "/home/u/.cache/procns", cacheFolder(getenv))
	set["XDG_CACHE_HOME"] = "/cache"
	assert.Equal(t, "/cache/procns", cacheFolder(getenv))
	set["PROCNS_CACHE"] = "/own"
	assert.Equal(t, "/own", cacheFolder(getenv))

	assert.Equal(t, []string{"container procns-worker"}, named("container", "other\nprocns-worker\n", "procns"))
	assert.Equal(t, []string{"volume a", "volume b"}, named("volume", "a\nb\n", ""))

	folder := t.TempDir()
	got, err := entries("temp", folder)
	require.NoError(t, err)
	assert.Empty(t, got)
	got, err = entries("temp", folder+"/none")
	require.NoError(t, err)
	assert.Empty(t, got)
	got, err = entries("temp", "..")
	require.NoError(t, err)
	assert.Contains(t, got, "temp ../acceptance")
}
