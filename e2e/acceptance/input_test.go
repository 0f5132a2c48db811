//go:build acceptance

package acceptance

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd/api"

	"procns/e2e/internal/suite"
)

// tryInput: wrong flags, contexts and credentials end a run at once, with one line and exit code 3.
func tryInput(t *testing.T, c *cluster) {
	there := []string{"-kubeconfig", c.kubeconfig}
	token := c.token(t, "default", "default", "10m")
	manifest, err := withoutRule(printRBAC(t), "pods/exec", "no-exec")
	require.NoError(t, err)
	c.apply(t, manifest)
	noExec := c.token(t, "no-exec", "no-exec", "10m")
	exempt := filepath.Join(c.folder, "exempt.yaml")
	require.NoError(t, os.WriteFile(exempt, []byte("exemptions: [{case: pid1/is-the-sandbox\n"), 0o644))
	as := func(name, token string) []string {
		return []string{"-kubeconfig", c.variant(t, name, func(config *api.Config) *api.Config { return withToken(config, token) })}
	}
	unreachable := c.variant(t, "unreachable", func(config *api.Config) *api.Config { return withServer(config, "https://127.0.0.1:1") })

	for _, row := range []struct {
		name  string
		text  string
		flags []string
	}{
		{"wrong-context", `there is no context "nowhere"`, append(there, "-context", "nowhere")},
		{"unknown-flag", "near: -kubeconfig", []string{"-kubeconf", "x"}},
		{"unknown-value", "none of core, extended and informational", []string{"-level", "must"}},
		{"unreachable-server", "cannot be reached", []string{"-kubeconfig", unreachable}},
		{"wrong-credentials", "they are wrong or have expired: log in again", as("wrong", spoiled(token))},
		{"no-permissions", "not allowed to", as("default", token)},
		{"no-exec", "pods/exec", as("no-exec", noExec)},
		{"no-report-folder", "the report folder cannot be written", append(there, "-report-dir", "/proc/procns")},
		{"broken-exempt-file", "exempt", append(there, "-exempt", exempt)},
		{"unknown-case", "near: pid1/is-the-sandbox", append(there, "-run", "pid1/is-sandbox")},
	} {
		c.refused(t, row.name, row.text, row.flags...)
	}
	c.expectNothingLeft(t)
}

// refused runs the suite with flags that it must refuse, as a subtest: with one line of its own that holds
// a text, and exit code 3.
func (c *cluster) refused(t *testing.T, name, text string, flags ...string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		folder := c.newFolder(t, "refused")
		r := start(t, folder, nil, binary, append([]string{"-report-dir", folder}, flags...)...)
		r.expectCode(suite.ExitUsage, r.await(time.Minute), "the suite refuses to run")
		said := ownLines(r.output())
		if assert.Len(t, said, 1, "expected: one line of procns' own (see %s)", r.file) {
			assert.Contains(t, said[0], text, "expected: the line says why (see %s)", r.file)
		}
	})
}
