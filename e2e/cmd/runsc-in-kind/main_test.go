package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPrepare(t *testing.T) {
	const before = `{"hostname":"a","linux":{"cgroupsPath":"/kubelet.slice:cri-containerd:7","namespaces":[]},"process":{"env":["A=\"cgroupsPath\":\"x\","],"rlimits":18446744073709551615}}`
	const after = `{"hostname":"a","linux":{"namespaces":[]},"process":{"env":["A=\"cgroupsPath\":\"x\","],"rlimits":18446744073709551615}}` + "\n"
	for name, c := range map[string]struct {
		args func(bundle string) []string
		want string
	}{
		"create": {func(b string) []string {
			return []string{"--root=/run/containerd/runsc/k8s.io", "--log", "create", "create", "--bundle", b, "--pid-file", "create", "7"}
		}, after},
		"create, with an equals sign": {func(b string) []string { return []string{"create", "--bundle=" + b, "7"} }, after},
		"run":                         {func(b string) []string { return []string{"run", "-bundle", b, "7"} }, after},
		"state":                       {func(string) []string { return []string{"--root", "create", "state", "7"} }, before},
		"exec":                        {func(string) []string { return []string{"exec", "--process", "create", "7"} }, before},
		"no command":                  {func(string) []string { return []string{"--version"} }, before},
	} {
		t.Run(name, func(t *testing.T) {
			bundle := t.TempDir()
			file := filepath.Join(bundle, "config.json")
			require.NoError(t, os.WriteFile(file, []byte(before), 0o600))
			require.NoError(t, prepare(c.args(bundle)))
			got, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, c.want, string(got))
		})
	}
}

func TestPrepareFails(t *testing.T) {
	assert.ErrorIs(t, prepare([]string{"create", "--bundle", t.TempDir(), "7"}), os.ErrNotExist)
}
