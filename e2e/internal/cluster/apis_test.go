package cluster

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/preflight"
)

// apis answers discovery, in the aggregated form or in that of older servers.
type apis struct {
	aggregated bool
	down       bool // metrics.k8s.io
	refuses    bool
}

func (a apis) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if a.refuses {
		refuse(w, http.StatusForbidden, "Forbidden", "not you")
		return
	}
	if a.aggregated {
		w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		freshness := "Current"
		if a.down {
			freshness = "Stale"
		}
		groups := `{"metadata":{"name":""},"versions":[{"version":"v1","freshness":"Current","resources":[{"resource":"pods","scope":"Namespaced","responseKind":{"group":"","version":"v1","kind":"Pod"},"verbs":["get"]}]}]}`
		if r.URL.Path == "/apis" {
			groups = fmt.Sprintf(`{"metadata":{"name":"metrics.k8s.io"},"versions":[{"version":"v1beta1","freshness":%q}]}`, freshness)
		}
		fmt.Fprintf(w, `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[%s]}`, groups)
		return
	}
	switch r.URL.Path {
	case "/api":
		fmt.Fprint(w, `{"kind":"APIVersions","versions":["v1"]}`)
	case "/apis":
		fmt.Fprint(w, `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"metrics.k8s.io","versions":[{"groupVersion":"metrics.k8s.io/v1beta1","version":"v1beta1"}]}]}`)
	case "/apis/metrics.k8s.io/v1beta1":
		if a.down {
			refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", "the server is currently unable to handle the request")
			return
		}
		fallthrough
	default:
		fmt.Fprint(w, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"metrics.k8s.io/v1beta1","resources":[]}`)
	}
}

// TestAPIsAnswer: an API that does not answer is named before anything runs, and no
// permission is needed to find out.
func TestAPIsAnswer(t *testing.T) {
	for name, row := range map[string]struct {
		apis  apis
		state preflight.State // "": no line
		says  string
	}{
		"all answer":                  {apis{aggregated: true}, preflight.OK, "all answer"},
		"one is down":                 {apis{aggregated: true, down: true}, preflight.Warn, "metrics.k8s.io/v1beta1 (stale GroupVersion discovery: metrics.k8s.io/v1beta1): not answering"},
		"all answer, an older server": {apis{}, preflight.OK, "all answer"},
		"one is down, older server":   {apis{down: true}, preflight.Warn, "metrics.k8s.io/v1beta1 (the server is currently unable to handle the request): not answering"},
		"not told":                    {apis{refuses: true}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			checks := apisAnswer(t.Context(), clientOf(t, row.apis))
			if row.state == "" {
				assert.Empty(t, checks)
				return
			}
			require.Len(t, checks, 1)
			assert.Equal(t, row.state, checks[0].State)
			assert.Contains(t, checks[0].Said, row.says)
		})
	}
}
