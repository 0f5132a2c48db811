package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pluginScript answers as a credential plugin does, after what is put before it.
const pluginScript = `#!/bin/sh
%s
echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"right"}}'
`

// pluginConfig writes a credential plugin, and a kubeconfig that calls it.
func pluginConfig(t *testing.T, server, before string) string {
	t.Helper()
	folder := t.TempDir()
	plugin := filepath.Join(folder, "login-helper")
	if before != "absent" {
		require.NoError(t, os.WriteFile(plugin, fmt.Appendf(nil, pluginScript, before), 0o700))
	}
	file := filepath.Join(folder, "kubeconfig")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: a,
contexts: [{name: a, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}],
users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: %q, args: [get-token, --realm, %q],
  interactiveMode: IfAvailable, installHint: "get it from the intranet"}}}]}`, server, plugin, t.Name()), 0o600))
	return file
}

// TestReach: a credential plugin that takes its time is waited for, and said to be; one
// that fails says why, in one line.
func TestReach(t *testing.T) {
	assert.GreaterOrEqual(t, patienceForLogin, 2*time.Minute)
	silent := make(chan struct{})
	t.Cleanup(func() { close(silent) })

	for name, row := range map[string]struct {
		plugin        string // what it does first
		silent        bool   // the server, which does not answer
		interrupted   bool
		said, plugins time.Duration // instead of those that a user gets
		tells         bool          // what is waited for
		fails         string
	}{
		"quick":           {plugin: ":", said: time.Minute},
		"a browser login": {plugin: `echo "open https://sso.example/device" >&2; sleep 1`, said: 100 * time.Millisecond, tells: true},
		"expired": {
			plugin: `echo "first line" >&2; echo "the session has expired: run login-helper login" >&2; exit 7`,
			fails:  "failed with exit code 7: first line the session has expired: run login-helper login",
		},
		"fails without a word":       {plugin: "exit 3", fails: "failed with exit code 3"},
		"not installed":              {plugin: "absent", fails: "no such file or directory: get it from the intranet"},
		"says nonsense":              {plugin: "echo nonsense; exit 0", fails: "failed: decoding stdout: "},
		"never ends":                 {plugin: "sleep 5", said: 50 * time.Millisecond, plugins: 300 * time.Millisecond, tells: true, fails: "did not end within 300ms"},
		"interrupted":                {plugin: "sleep 5", said: 50 * time.Millisecond, tells: true, interrupted: true, fails: "interrupted by interrupt"},
		"the server does not answer": {plugin: ":", silent: true, fails: "no answer within 500ms"},
	} {
		t.Run(name, func(t *testing.T) {
			patience := patience{patienceUntilSaid, patienceForLogin, patienceForAnswer}
			var plugins Plugins
			if row.silent {
				patience.answer = 500 * time.Millisecond // all others answer, if late on a busy machine
			}
			if row.said > 0 {
				patience.said = row.said
			}
			if row.plugins > 0 {
				patience.plugin = row.plugins
			}
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if row.silent {
					select {
					case <-silent:
					case <-r.Context().Done():
					}
				}
				w.Header().Set("Content-Type", "application/json")
				if r.Header.Get("Authorization") != "Bearer right" {
					refuse(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
					return
				}
				fmt.Fprint(w, `{"gitVersion":"v1.37.2"}`)
			}))
			t.Cleanup(server.CloseClientConnections)
			config, client, _, err := Connect(Place{Kubeconfig: pluginConfig(t, server.URL, row.plugin), Plugins: &plugins}, 50, &Counts{})
			require.NoError(t, err)
			var mu sync.Mutex
			var said []string
			say := func(format string, args ...any) {
				mu.Lock()
				defer mu.Unlock()
				said = append(said, fmt.Sprintf(format, args...))
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if row.interrupted {
				time.AfterFunc(300*time.Millisecond, func() { cancel(errors.New("interrupted by interrupt")) })
			}
			began := time.Now()
			found, err := reach(ctx, client, config, &plugins, say, patience)
			assert.Less(t, time.Since(began), 4*time.Second)
			if row.fails == "" {
				require.NoError(t, err)
				assert.Equal(t, "v1.37.2", found.Version)
			} else {
				require.ErrorContains(t, err, row.fails)
				assert.NotContains(t, err.Error(), "\n")
			}
			if row.tells {
				require.Len(t, said, 1)
				assert.Contains(t, said[0], "==> waiting for the credential plugin login-helper (get-token --realm "+t.Name())
			} else {
				assert.Empty(t, said)
			}
			if row.fails != "" && !row.silent && !row.interrupted {
				assert.Contains(t, err.Error(), "the credential plugin login-helper (get-token")
			}
		})
	}
}

func TestTee(t *testing.T) {
	assert.Empty(t, (&Plugins{}).lastWords(), "no plugin has run")
	var one Plugins
	one.with(func() { fmt.Fprintf(os.Stderr, "%s\nthe end\n", strings.Repeat("ä", 400)) })
	last := one.lastWords()
	assert.Len(t, []rune(last), 300)
	assert.True(t, strings.HasSuffix(last, "ä the end"), last)

	var shown bytes.Buffer
	one.Show(&shown)
	one.with(func() { fmt.Fprint(os.Stderr, "Password: ") })
	assert.True(t, strings.HasSuffix(one.lastWords(), "the end Password:"))
	assert.Equal(t, "Password: ", shown.String())
}
