package acceptance

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"procns/e2e/internal/preflight"
)

func TestKubeconfigs(t *testing.T) {
	config := api.NewConfig()
	config.Clusters["kind"] = &api.Cluster{Server: "https://127.0.0.1:6443"}
	config.AuthInfos["admin"] = &api.AuthInfo{ClientCertificateData: []byte("certificate"), ClientKeyData: []byte("key")}

	token := withToken(config, "secret")
	assert.Equal(t, &api.AuthInfo{Token: "secret"}, token.AuthInfos["admin"])
	plugin := withPlugin(config, "/bin/login")
	require.NotNil(t, plugin.AuthInfos["admin"].Exec)
	assert.Equal(t, "/bin/login", plugin.AuthInfos["admin"].Exec.Command)
	assert.Empty(t, plugin.AuthInfos["admin"].ClientKeyData)
	server := withServer(config, "https://127.0.0.1:1")
	assert.Equal(t, "https://127.0.0.1:1", server.Clusters["kind"].Server)
	assert.NotEmpty(t, server.AuthInfos["admin"].ClientKeyData)

	assert.Equal(t, "https://127.0.0.1:6443", config.Clusters["kind"].Server, "the given kubeconfig is as it was")
	assert.NotEmpty(t, config.AuthInfos["admin"].ClientKeyData, "the given kubeconfig is as it was")
}

func TestSpoiled(t *testing.T) {
	for name, row := range map[string]struct{ token, want string }{
		"a token":            {"head.body.signature", "head.body.xignature"},
		"begins with an x":   {"head.body.xyz", "head.body.yyz"},
		"without a point":    {"token", "xoken"},
		"without signature":  {"head.body.", "head.body.x"},
		"no token":           {"", "x"},
		"a single character": {"head.body.a", "head.body.x"},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, row.want, spoiled(row.token)) })
	}
}

func TestPluginScript(t *testing.T) {
	script := pluginScript("exit 7", "secret")
	require.True(t, strings.HasPrefix(script, "#!/bin/sh\nexit 7\necho '"), script)
	_, credential, _ := strings.Cut(script, "echo '")
	var printed struct {
		Kind   string
		Status struct{ Token string }
	}
	require.NoError(t, json.Unmarshal([]byte(strings.TrimSuffix(credential, "'\n")), &printed))
	assert.Equal(t, "ExecCredential", printed.Kind)
	assert.Equal(t, "secret", printed.Status.Token)
}

// TestWithoutRule takes a rule out of what -print-rbac prints.
func TestWithoutRule(t *testing.T) {
	var printed strings.Builder
	require.NoError(t, preflight.WriteRBAC(&printed, preflight.Needs{}))
	manifest, err := withoutRule(printed.String(), "pods/exec", "no-exec")
	require.NoError(t, err)
	assert.NotContains(t, manifest, ": procns\n", "every name is the other one")
	resources := map[string]bool{}
	for document := range strings.SplitSeq(manifest, "\n---\n") {
		var role rbacv1.ClusterRole
		require.NoError(t, yaml.Unmarshal([]byte(document), &role), document)
		if role.Kind != "ClusterRole" {
			continue
		}
		assert.Equal(t, "no-exec", role.Name)
		for _, rule := range role.Rules {
			assert.NotEmpty(t, rule.APIGroups, rule)
			assert.NotEmpty(t, rule.Verbs, rule)
			for _, resource := range rule.Resources {
				resources[resource] = true
			}
		}
	}
	assert.True(t, resources["pods"] && resources["pods/attach"] && resources["namespaces"], "the other rules stay: %v", resources)
	assert.False(t, resources["pods/exec"])
	_, err = withoutRule(printed.String(), "pods/none", "no-exec")
	assert.Error(t, err)
}

func TestCountLiving(t *testing.T) {
	for name, row := range map[string]struct {
		pods  string
		want  int
		fails bool
	}{
		"none":         {`{"items":[]}`, 0, false},
		"one of three": {`{"items":[{"metadata":{"deletionTimestamp":"2026-03-01T12:00:00Z"}},{"metadata":{"name":"a"}},{"metadata":{"deletionTimestamp":"2026-03-01T12:00:00Z"}}]}`, 1, false},
		"no JSON":      {"No resources found", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := countLiving(row.pods)
			assert.Equal(t, row.fails, err != nil, "%v", err)
			assert.Equal(t, row.want, got)
		})
	}
}

func TestSuitePod(t *testing.T) {
	manifest, err := suitePod("localhost/procns/check:1", []string{"-in-cluster", "-image", `busybox="a"`})
	require.NoError(t, err)
	var pod corev1.Pod
	require.NoError(t, yaml.UnmarshalStrict([]byte(manifest), &pod))
	require.Len(t, pod.Spec.Containers, 1)
	assert.Equal(t, "localhost/procns/check:1", pod.Spec.Containers[0].Image)
	assert.Equal(t, []string{"-in-cluster", "-image", `busybox="a"`}, pod.Spec.Containers[0].Args)
	assert.Equal(t, corev1.PullNever, pod.Spec.Containers[0].ImagePullPolicy)
	assert.Equal(t, "/reports", pod.Spec.Containers[0].VolumeMounts[0].MountPath)
	assert.Equal(t, "procns", pod.Spec.ServiceAccountName)
	assert.NotNil(t, pod.Spec.Volumes[0].EmptyDir)
}
