package simulated

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"gotest.tools/v3/assert"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/tools/clientcmd"
)

// TestPrepare: each user comes in with a token of its own, and nobody else reads what is written.
func TestPrepare(t *testing.T) {
	c := &ControlPlane{Folder: t.TempDir()}
	assert.NilError(t, c.Prepare())
	tokens := map[string]string{}
	for _, user := range []string{Admin, Suite} {
		config, err := clientcmd.LoadFromFile(c.Kubeconfig(user))
		assert.NilError(t, err)
		tokens[user] = config.AuthInfos[user].Token
		host, _, err := net.SplitHostPort(config.Clusters["simulated"].Server[len("https://"):])
		assert.NilError(t, err)
		assert.Equal(t, host, "127.0.0.1")
	}
	assert.Check(t, tokens[Admin] != tokens[Suite] && len(tokens[Suite]) > 20)
	table, err := os.ReadFile(c.file("tokens.csv"))
	assert.NilError(t, err)
	assert.Equal(t, string(table), tokens[Admin]+",admin,admin,system:masters\n"+tokens[Suite]+",procns,procns\n")
	files, err := filepath.Glob(c.file("*"))
	assert.NilError(t, err)
	for _, name := range files {
		about, err := os.Stat(name)
		assert.NilError(t, err)
		assert.Equal(t, about.Mode().Perm(), os.FileMode(0o600), name)
	}
	assert.ErrorContains(t, (&ControlPlane{Folder: c.file("nowhere")}).Prepare(), "nowhere")
}

// TestManifests: KWOK's stages and the audit policy are YAML, each document of one kind.
func TestManifests(t *testing.T) {
	kinds := map[string]int{}
	for _, raw := range [][]byte{stages, auditPolicy} {
		documents := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(raw), len(raw))
		for {
			var one struct{ Kind string }
			err := documents.Decode(&one)
			if errors.Is(err, io.EOF) {
				break
			}
			assert.NilError(t, err)
			kinds[one.Kind]++
		}
	}
	assert.DeepEqual(t, kinds, map[string]int{"Stage": 3, "Policy": 1})
}

// TestAnswers: whoever is not ready at first is asked again.
func TestAnswers(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	assert.NilError(t, answers(t.Context(), server.Client(), server.URL))
	assert.Equal(t, asked, 2)
}
