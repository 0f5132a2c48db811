package preflight

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUseOf(t *testing.T) {
	for request, want := range map[string]string{
		"GET /api/v1/nodes":                                                            "list nodes",
		"GET /api/v1/nodes/a/proxy/metrics":                                            "get nodes/proxy",
		"GET /api/v1/namespaces":                                                       "list namespaces",
		"GET /api/v1/namespaces/kube-system":                                           "get namespaces",
		"GET /api/v1/namespaces?fieldSelector=metadata.name%3Da&watch=true":            "watch namespaces",
		"DELETE /api/v1/namespaces/a":                                                  "delete namespaces",
		"POST /api/v1/namespaces/a/pods?dryRun=All":                                    "create pods",
		"DELETE /api/v1/namespaces/a/pods":                                             "deletecollection pods",
		"PUT /api/v1/namespaces/a/pods/b/ephemeralcontainers":                          "update pods/ephemeralcontainers",
		"GET /api/v1/namespaces/a/pods/b/exec?command=true":                            "get pods/exec",
		"POST /api/v1/namespaces/a/pods/b/eviction":                                    "create pods/eviction",
		"PATCH /apis/apps/v1/namespaces/a/deployments/b":                               "patch deployments.apps",
		"GET /apis/batch/v1/namespaces/a/jobs?fieldSelector=metadata.name%3Db&watch=1": "watch jobs.batch",
		"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews":                  "create selfsubjectaccessreviews.authorization.k8s.io",
		"GET /version":           "",
		"GET /openapi/v3/api/v1": "",
		"GET /apis":              "",
		"GET /apis/apps/v1":      "",
		"GET /api/v1":            "",
	} {
		method, url, _ := strings.Cut(request, " ")
		r, err := http.NewRequest(method, "https://api.example"+url, nil)
		require.NoError(t, err)
		use, ok := UseOf(r)
		assert.Equal(t, want != "", ok, request)
		if ok {
			assert.Equal(t, want, use.String(), request)
		}
	}
}

func TestUnlisted(t *testing.T) {
	uses := []Use{
		{"create", "", "pods"}, {"list", "", "secrets"}, {"get", "", "nodes/proxy"}, {"create", "", "bindings"},
		{"get", "", "secrets"}, {"list", "node.k8s.io", "runtimeclasses"},
	}
	assert.Equal(t, []Use{{"create", "", "bindings"}, {"get", "", "secrets"}, {"list", "node.k8s.io", "runtimeclasses"}, {"list", "", "secrets"}},
		Unlisted(uses, Needs{}))
	assert.Equal(t, []Use{{"create", "", "bindings"}, {"list", "", "secrets"}}, Unlisted(uses, Needs{SecretFrom: "a/b", RuntimeClasses: true}))
}
