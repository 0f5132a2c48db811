package conformance

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/locked"
	"procns/e2e/internal/suite"
)

// attempt prepares a run as far as a server lets it.
func attempt(t *testing.T, kubeconfig string, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, said locked.Buffer
	arguments = append([]string{"-report-dir", t.TempDir(), "-run", "pid1/is-the-sandbox", "-kubeconfig", kubeconfig}, arguments...)
	run, code := Begin(arguments, "test", &out, &said)
	require.NotNil(t, run, said.String())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := run.Prepare(ctx); err == nil {
		run.Start(ctx)
	}
	run.Finish(ctx)
	code = run.WriteReports(&out)
	return code, out.String(), said.String()
}

// TestSetUpFails: what a cluster, or what is named as one, can be wrong in. Each
// ends with one line, the right exit code, and nothing created.
func TestSetUpFails(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	unreachable := "http://" + closed.Addr().String()
	require.NoError(t, closed.Close())

	exemption := write(t, "exemptions:\n- {case: pid1/is-the-sandbox, target: node-*, reason: known, link: 'https://example.com'}\n")
	for name, row := range map[string]struct {
		server     *server
		kubeconfig string
		arguments  []string
		exit       int
		says       string
	}{
		"no such kubeconfig":       {kubeconfig: "/nonexistent/kubeconfig", exit: suite.ExitUsage, says: "-kubeconfig: stat /nonexistent/kubeconfig: no such file"},
		"no kubeconfig at all":     {kubeconfig: write(t, "{"), exit: suite.ExitUsage, says: "is no kubeconfig"},
		"a kubeconfig of nothing":  {kubeconfig: write(t, "apiVersion: v1\nkind: Config\n"), exit: suite.ExitUsage, says: "has no current context: choose with -context: it has none"},
		"wrong context":            {server: sound(), arguments: []string{"-context", "nowhere"}, exit: suite.ExitUsage, says: `there is no context "nowhere" in `},
		"unreachable":              {kubeconfig: writeKubeconfig(t, unreachable), exit: suite.ExitUsage, says: "cannot be reached"},
		"expired credentials":      {server: &server{unauthorized: true}, exit: suite.ExitUsage, says: "they are wrong or have expired: log in again"},
		"no API server":            {server: &server{version: "nonsense"}, exit: suite.ExitUsage, says: `"nonsense" is not a version of Kubernetes`},
		"too old":                  {server: &server{version: "v1.9.11"}, exit: suite.ExitUsage, says: "shareProcessNamespace exists since v1.10"},
		"no exec":                  {server: &server{version: "v1.37.2", denied: "pods/exec"}, exit: suite.ExitUsage, says: "not allowed to create, get pods/exec: without it nothing can be seen"},
		"no nodes allowed":         {server: &server{version: "v1.37.2", denied: "nodes/"}, exit: suite.ExitUsage, says: "not allowed to list nodes"},
		"no nodes":                 {server: &server{version: "v1.37.2"}, exit: suite.ExitInconclusive, says: "no node is covered: the cluster has none"},
		"no node covered":          {server: sound(), arguments: []string{"-nodes", "pool=blue"}, exit: suite.ExitInconclusive, says: "no node is covered: worker: not selected by -nodes pool=blue"},
		"every node cordoned":      {server: &server{version: "v1.37.2", nodes: []string{readyNode("a", `"unschedulable":true`)}}, exit: suite.ExitInconclusive, says: "no node is covered: a: cordoned"},
		"unknown runtime class":    {server: sound(), arguments: []string{"-runtime-classes", "gvizor"}, exit: suite.ExitUsage, says: "the cluster has no RuntimeClass gvizor; it has gvisor"},
		"exemption of no target":   {server: sound(), arguments: []string{"-exempt", exemption}, exit: suite.ExitUsage, says: "pid1/is-the-sandbox on node-* matches no target: they are worker"},
		"after, without a before":  {server: sound(), arguments: []string{"-phase", "after"}, exit: suite.ExitUsage, says: "no witnesses wait on this cluster (there is no namespace procns-witnesses)"},
		"before, without leave":    {server: &server{version: "v1.37.2", nodes: []string{readyNode("worker", "")}, denied: "configmaps/"}, arguments: []string{"-phase", "before"}, exit: suite.ExitUsage, says: "not allowed to"},
		"dry run, never a success": {server: sound(), arguments: []string{"-dry-run"}, exit: suite.ExitInconclusive, says: "nothing ran: 1 result is only planned"},
		"dry run, with a class":    {server: sound(), arguments: []string{"-dry-run", "-runtime-classes", "gvisor,default"}, exit: suite.ExitInconclusive, says: "nothing ran: 2 results are only planned"},
	} {
		t.Run(name, func(t *testing.T) {
			if row.server != nil {
				row.kubeconfig = kubeconfigOf(t, row.server)
			}
			began := time.Now()
			code, stdout, stderr := attempt(t, row.kubeconfig, row.arguments...)
			assert.Equal(t, row.exit, code, stdout)
			lines := strings.Split(strings.TrimSpace(stdout), "\n")
			last := lines[len(lines)-1]
			assert.True(t, strings.HasPrefix(last, "procns: inconclusive: "), last)
			assert.Contains(t, last, row.says)
			if row.exit == suite.ExitUsage {
				assert.Len(t, lines, 1, "one line says it")
			}
			const soon = 20 * time.Second // of a machine that is at work; nothing is waited for
			assert.Less(t, time.Since(began), soon)
			if row.server != nil {
				assert.Empty(t, row.server.created, "nothing is created: %s", stderr)
			}
		})
	}
}

// TestFailedSetUpCleansUp: what was created before the set-up failed is deleted.
func TestFailedSetUpCleansUp(t *testing.T) {
	s := sound() // it has no Leases
	code, stdout, stderr := attempt(t, kubeconfigOf(t, s))
	assert.Equal(t, suite.ExitUsage, code)
	assert.Contains(t, stdout, "creating the run's Lease: ")
	var namespace string
	var deleted bool
	for _, request := range s.created {
		if request == "POST /api/v1/namespaces" {
			namespace = request
		}
		deleted = deleted || strings.HasPrefix(request, "DELETE /api/v1/namespaces/procns-")
	}
	assert.NotEmpty(t, namespace, stderr)
	assert.True(t, deleted, s.created)
}

// TestTable: a dry run prints the whole preflight.
func TestTable(t *testing.T) {
	_, stdout, stderr := attempt(t, kubeconfigOf(t, sound()), "-dry-run", "-v")
	for _, line := range []string{"server", "permissions", "pod security", "nodes", "images"} {
		assert.Contains(t, stderr, "    "+line)
	}
	assert.Contains(t, stderr, "worker does not report")
	assert.Regexp(t, `pid1/is-the-sandbox +planned`, stdout)
}

func TestInterruptedSetUp(t *testing.T) {
	var stdout, stderr locked.Buffer
	run, _ := Begin([]string{"-report-dir", t.TempDir(), "-kubeconfig", kubeconfigOf(t, sound())}, "test", &stdout, &stderr)
	require.NotNil(t, run)
	ctx, cancel := run.Bound(t.Context())
	cancel()
	require.Error(t, run.Prepare(ctx))
	run.Finish(ctx)
	assert.Equal(t, suite.ExitInconclusive, run.WriteReports(&stdout))
}

func TestTimeIsOver(t *testing.T) {
	var stdout, stderr locked.Buffer
	run, _ := Begin([]string{"-report-dir", t.TempDir(), "-kubeconfig", kubeconfigOf(t, sound()), "-timeout", "1ns"}, "test", &stdout, &stderr)
	require.NotNil(t, run)
	ctx, cancel := run.Bound(t.Context())
	defer cancel()
	require.Error(t, run.Prepare(ctx))
	run.Finish(ctx)
	assert.Equal(t, suite.ExitInconclusive, run.WriteReports(&stdout))
	assert.Contains(t, stdout.String(), "the run's time of 1ns is over (-timeout)")
}
