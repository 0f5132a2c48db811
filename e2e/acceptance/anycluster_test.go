//go:build acceptance

package acceptance

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd/api"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/suite"
)

// shortCases are the cases of what does not need the whole catalogue, unless CASES names others.
func shortCases() string { return setting("CASES", "visibility,signals,filesystem,pid1,version") }

// TestAnyCluster runs the suite on clusters such as users have, and in the ways that they run it.
func TestAnyCluster(t *testing.T) {
	for _, each := range []struct {
		name string
		try  func(*testing.T, *cluster)
	}{
		{"input", tryInput},
		{"preflight", tryPreflight},
		{"rbac", tryRBAC},
		{"incluster", tryInCluster},
		{"taints", tryTaints},
		{"image", tryImage},
		{"twice", tryTwice},
		{"interrupts", tryInterrupts},
		{"signals", trySignals},
		{"plugin", tryPlugin},
		{"cleanup", tryCleanup},
		{"reports", tryReports},
		{"restricted", tryRestricted},
	} {
		try(t, each.name, func(t *testing.T) {
			shared.use(t, threeNodes)
			each.try(t, shared)
		})
	}
	try(t, "single", func(t *testing.T) { trySingle(t, shared) })
}

// tryPreflight: the whole table is there within two seconds.
func tryPreflight(t *testing.T, c *cluster) {
	r, _ := c.run(t, "-nodes", "all", "-dry-run")
	r.show(strings.Split(strings.TrimSpace(r.output()), "\n"))
	seconds, err := preflightSeconds(r.output())
	require.NoError(t, err, "expected: a line such as \"==> preflight: 0.8s\" (see %s)", r.file)
	assert.Less(t, seconds, 2.0, "the seconds that the preflight took (see %s)", r.file)
}

// tryRBAC: the whole catalogue needs the permissions that -print-rbac prints, and no others.
func tryRBAC(t *testing.T, c *cluster) {
	c.apply(t, printRBAC(t))
	token := c.token(t, "procns", "procns", "2h")
	r := c.startAt(t, c.variant(t, "rbac", func(config *api.Config) *api.Config { return withToken(config, token) }), "-nodes", "all")
	r.expectCode(suite.ExitConformant, r.await(limit(t, runTime)), "the whole catalogue is conformant with the printed permissions alone")
	r.show(linesHolding(r.output(), "permissions"))
	assert.NotContains(t, r.output(), "does not list", "expected: no permission was used that is not printed; observed: the run says so")
	c.expectNothingLeft(t)
}

// tryInCluster runs the suite as a pod, with -in-cluster and the same permissions.
func tryInCluster(t *testing.T, c *cluster) {
	folder := c.newFolder(t, "in-cluster")
	image := c.suiteImage(t, filepath.Join(folder, "image"))
	c.apply(t, printRBAC(t))
	arguments := []string{"-in-cluster", "-report-dir", "/reports", "-nodes", "all", "-run", shortCases()}
	for _, each := range c.images {
		arguments = append(arguments, "-image", each)
	}
	manifest, err := suitePod(image, arguments)
	require.NoError(t, err)
	c.apply(t, manifest)
	c.mustKubectl(t, "--namespace", "procns", "wait", "--for=condition=Ready", "pod/suite", "--timeout=120s")
	logs := start(t, folder, nil, c.engine, c.inNode(nil, "control-plane", "kubectl", "--namespace", "procns", "logs", "--follow", "suite")...)
	assert.Zero(t, logs.await(limit(t, runTime)), "the exit code of following the log to its end (see %s)", logs.file)
	const terminated = "jsonpath={.status.containerStatuses[0].state.terminated"
	c.mustKubectl(t, "--namespace", "procns", "wait", "--for="+terminated+"}", "pod/suite", "--timeout=60s")
	code := c.mustKubectl(t, "--namespace", "procns", "get", "pod", "suite", "--output", terminated+".exitCode}")
	c.mustKubectl(t, "--namespace", "procns", "delete", "pod", "suite", "--wait=true")
	t.Log(lastLine(logs.output()))
	assert.Equal(t, "0", code, "the exit code: from a pod of its own, the run is conformant (see %s)", logs.file)
	c.expectNothingLeft(t)
}

// tryTaints: a tainted worker is left out, and with -tolerate it is a target.
func tryTaints(t *testing.T, c *cluster) {
	worker, other := c.name+"-worker", c.name+"-worker2"
	c.mustKubectl(t, "taint", "node", other, "dedicated=database:NoSchedule")
	untaint := sync.OnceValue(func() error {
		_, err := c.kubectl(nil, "taint", "node", other, "dedicated-")
		return err
	})
	t.Cleanup(func() { assert.NoError(t, untaint()) })
	r, code := c.run(t, "-nodes", "all", "-run", shortCases())
	r.show(linesHolding(r.output(), "left out"))
	r.expectCode(suite.ExitConformant, code, "without -tolerate the other worker alone is a target")
	assert.Zero(t, count(r.results(), suite.Conformant, other), "conformant results on the tainted worker, without -tolerate (see %s)", r.file)

	r, code = c.run(t, "-nodes", "all", "-run", shortCases(), "-tolerate", "dedicated=database:NoSchedule")
	require.NoError(t, untaint())
	r.expectCode(suite.ExitConformant, code, "with -tolerate both workers are targets, and conformant")
	on, there := count(r.results(), suite.Conformant, worker), count(r.results(), suite.Conformant, other)
	assert.Equal(t, on, there, "conformant results on the tainted worker, expected as many as on the other one (see %s)", r.file)
	c.expectNothingLeft(t)
}

// tryImage: one worker cannot have an image.
func tryImage(t *testing.T, c *cluster) {
	const archive = "/procns-busybox.tar"
	busybox := referenceOf(c.images, "busybox")
	require.NotEmpty(t, busybox, "expected: the cluster's images have a busybox; observed: %q", c.images)
	_, err := c.onNode(nil, "worker2", "ctr", "-n", "k8s.io", "images", "export", archive, busybox)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := c.onNode(nil, "worker2", "ctr", "-n", "k8s.io", "images", "import", archive)
		assert.NoError(t, err)
		_, err = c.onNode(nil, "worker2", "rm", archive)
		assert.NoError(t, err)
	})
	_, err = c.onNode(nil, "worker2", "crictl", "rmi", busybox)
	require.NoError(t, err)
	r, code := c.run(t, "-nodes", "all", "-run", shortCases())
	worker, other, results := c.name+"-worker", c.name+"-worker2", r.results()
	t.Logf("worker: %d conformant; worker2: %d conformant, %d inconclusive", count(results, suite.Conformant, worker),
		count(results, suite.Conformant, other), count(results, suite.Inconclusive, other))
	r.explain(results)
	r.expectCode(suite.ExitInconclusive, code, "the worker without the image is inconclusive")
	assert.Zero(t, count(results, suite.Inconclusive, worker), "inconclusive results on the worker with the image (see %s)", r.file)
	assert.Zero(t, count(results, suite.NonConformant, ""), "non-conformant results (see %s)", r.file)
	assert.Positive(t, count(results, suite.Inconclusive, other), "inconclusive results on the worker without the image (see %s)", r.file)
	c.expectNothingLeft(t)
}

// tryTwice: two runs at one time do not touch.
func tryTwice(t *testing.T, c *cluster) {
	first := c.start(t, "-nodes", "all", "-run", shortCases())
	second := c.start(t, "-nodes", "all", "-run", shortCases())
	second.expectCode(suite.ExitConformant, second.await(limit(t, runTime)), "one run is conformant")
	first.expectCode(suite.ExitConformant, first.await(limit(t, runTime)), "the other is, too")
	c.expectNothingLeft(t)
}

// tryInterrupts interrupts INTERRUPTS (50) runs, each at a random moment, as Ctrl-C does: nothing is left.
// SEED gives the same moments again.
func tryInterrupts(t *testing.T, c *cluster) {
	runs, seed := number(t, "INTERRUPTS", 50), number(t, "SEED", int(time.Now().UnixNano()%1_000_000))
	t.Logf("SEED=%d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	codes, slowest, left := map[int]int{}, time.Duration(0), 0
	for i := range runs {
		moment := time.Duration(random.Float64() * 30 * float64(time.Second)).Round(100 * time.Millisecond)
		r := c.start(t, "-nodes", "all")
		if r.endsWithin(moment) {
			t.Logf("run %d had ended before it was interrupted, after %s", i+1, moment)
		}
		interrupted := time.Now()
		r.signalGroup(syscall.SIGINT)
		code := r.await(5 * time.Minute)
		codes[code]++
		slowest = max(slowest, time.Since(interrupted))
		if !assert.Empty(t, c.left(t), "run %d, interrupted after %s, exit code %d: expected: nothing is left; observed: these (see %s)", i+1, moment, code, r.file) {
			left++
		}
	}
	t.Logf("%d runs: how many ended with each exit code: %v; the slowest ended %s after the interrupt", runs, codes, slowest.Round(time.Second))
	assert.Zero(t, left, "interrupted runs, of %d, that left something", runs)
}

// trySignals: the signal of timeout(1) comes twice at once, and a terminal is closed.
func trySignals(t *testing.T, c *cluster) {
	folder := c.newFolder(t, "timeout")
	arguments := append([]string{"--signal", "TERM", "8", binary}, c.flags(c.kubeconfig, folder)...)
	timed := start(t, folder, nil, "timeout", arguments...)
	timed.expectCode(124, timed.await(10*time.Minute), "timeout ended the run")
	c.expectNothingLeft(t)
	if written, err := os.Stat(timed.reported("report.json")); assert.NoError(t, err) {
		assert.Positive(t, written.Size(), "the size of report.json, which the run that timeout ended wrote")
	}

	r := c.start(t, "-nodes", "all")
	r.awaitResults(1)
	assert.NoError(t, r.command.Process.Signal(syscall.SIGHUP), "expected: the run goes on after its first result")
	r.expectCode(suite.ExitInconclusive, r.await(2*time.Minute), "a run whose terminal was closed is inconclusive")
	c.expectNothingLeft(t)
}

// tryPlugin: a credential plugin takes its time, and another one fails.
func tryPlugin(t *testing.T, c *cluster) {
	rbac := printRBAC(t)
	c.apply(t, rbac)
	t.Cleanup(func() { c.unapply(t, rbac) })
	token := c.token(t, "procns", "procns", "10m")
	helper := filepath.Join(c.folder, "login-helper")
	kubeconfig := c.variant(t, "plugin", func(config *api.Config) *api.Config { return withPlugin(config, helper) })
	does := func(command string) {
		require.NoError(t, os.WriteFile(helper, []byte(pluginScript(command, token)), 0o700))
	}
	does(`echo "open https://sso.example/device" >&2; sleep 15`)
	r := c.startAt(t, kubeconfig, "-run", "pid1/is-the-sandbox")
	r.expectCode(suite.ExitConformant, r.await(limit(t, runTime)), "a plugin that takes 15 seconds is waited for, and the run is conformant")
	assert.Contains(t, r.output(), "waiting for the credential plugin login-helper", "expected: what is waited for is said (see %s)", r.file)
	does(`echo "the session has expired" >&2; exit 7`)
	c.refused(t, "fails", "exit code 7: the session has expired", "-kubeconfig", kubeconfig)
}

// tryCleanup: -cleanup removes what a run left that was killed outright.
func tryCleanup(t *testing.T, c *cluster) {
	r := c.start(t, "-nodes", "all", "-run", shortCases())
	r.awaitResults(3)
	assert.NoError(t, r.command.Process.Kill(), "expected: the run goes on after its third result")
	r.await(time.Minute)
	assert.NotEmpty(t, c.left(t), "expected: a run that was killed leaves its namespace; observed: none is there")
	folder := c.newFolder(t, "cleanup")
	clean := start(t, folder, nil, binary, "-kubeconfig", c.kubeconfig, "-cleanup", "-report-dir", folder)
	clean.expectCode(0, clean.await(commandTime), "-cleanup ends well")
	c.expectNothingLeft(t)
}

// tryReports: -require, the JUnit report as CI systems read it, and report.html.
func tryReports(t *testing.T, c *cluster) {
	r, code := c.run(t, "-nodes", "all", "-run", shortCases(), "-require", "core")
	r.expectCode(suite.ExitConformant, code, "with -require core, Core alone decides")
	assert.Contains(t, lastLine(r.output()), "exit code by -require core", "expected: the last line says so (see %s)", r.file)
	expectJUnit(t, c, r)
	document := r.reported("report.json")
	rendered, err := output(nil, binary, "-render", document)
	require.NoError(t, err)
	page, err := os.ReadFile(r.reported("report.html"))
	require.NoError(t, err)
	assert.True(t, string(page) == rendered, "expected: -render %s prints report.html, %d bytes; observed: %d other bytes", document, len(page), len(rendered))

	r, code = c.run(t, "-run", "permissions", "-level", "informational")
	r.expectCode(suite.ExitInconclusive, code, "a run of Informational cases alone is inconclusive")
}

// expectJUnit holds junit_01.xml to its schema, and its times and names to what CI systems make of them.
func expectJUnit(t *testing.T, c *cluster, r *run) {
	t.Helper()
	file := r.reported("junit_01.xml")
	_, err := exec.LookPath("xmllint")
	require.NoError(t, err, "install libxml2-utils")
	_, err = output(nil, "xmllint", "--noout", "--nonet", "--schema", "e2e/internal/report/testdata/junit.xsd", file)
	assert.NoError(t, err, "expected: %s follows its schema", file)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	read, err := readJUnit(text)
	require.NoError(t, err, file)
	assert.NotEmpty(t, read.Times, "expected: %s has the times of cases", file)
	longest, sum := read.spent()
	assert.LessOrEqual(t, longest, read.Time, "the seconds of the case that took longest, against those of the run (%s)", file)
	// 40 pods on each of two targets: the default of -pods.
	assert.LessOrEqual(t, sum, 80*read.Time, "the seconds of all cases, against those of the run by the number of pods (%s)", file)
	assert.Empty(t, read.naming(c.name), "expected: no suite and no class has the cluster's name, %s; observed: these have (%s)", c.name, file)
}

// tryRestricted: every namespace enforces Pod Security restricted, unless it says otherwise. That is the
// API server's own default, for namespaces without a label of their own.
func tryRestricted(t *testing.T, c *cluster) {
	c.spoil()
	const configuration = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: restricted, enforce-version: latest}
    exemptions: {namespaces: [kube-system]}
`
	const withFlag = `s#^    - kube-apiserver$#&\n    - --admission-control-config-file=/etc/kubernetes/pki/admission.yaml#`
	_, err := c.onNode(strings.NewReader(configuration), "control-plane", "sh", "-c", "cat >/etc/kubernetes/pki/admission.yaml")
	require.NoError(t, err)
	_, err = c.onNode(nil, "control-plane", "sed", "-i", withFlag, "/etc/kubernetes/manifests/kube-apiserver.yaml")
	require.NoError(t, err)
	refused, said := false, ""
	err = pace.Until(running, 10*time.Minute, func() (bool, error) {
		refused, said = c.refusesPlainPods()
		return refused, nil
	})
	require.NoError(t, err)
	assert.True(t, refused, "expected: a plain pod is refused in namespace default; observed: %s", said)
	require.NoError(t, c.ready())
	r, code := c.run(t, "-nodes", "all", "-run", shortCases())
	r.show(linesHolding(r.output(), "pod security"))
	r.expectCode(suite.ExitConformant, code, "the run is conformant, in a namespace that says privileged of itself")
	c.expectNothingLeft(t)
}

// trySingle: the cluster is one node, which is its control plane as well.
func trySingle(t *testing.T, c *cluster) {
	const configuration = `kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking: {podSubnet: 10.244.0.0/16}
nodes:
  - role: control-plane
`
	c.prepare(t)
	file := filepath.Join(c.folder, "single.yaml")
	require.NoError(t, os.WriteFile(file, []byte(configuration), 0o644))
	c.use(t, file)
	r, code := c.run(t)
	r.show(linesHolding(r.output(), "    nodes"))
	r.expectCode(suite.ExitConformant, code, "the whole catalogue is conformant on the control plane")
	c.expectNothingLeft(t)
}
