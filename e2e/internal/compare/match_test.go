package compare

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"procns/e2e/internal/suite"
)

// TestChangedFacts: another digest behind the same name, and another label of the
// security module, are told; what one of the two reports does not know is not.
func TestChangedFacts(t *testing.T) {
	known := func(nginx, label string) *suite.Target {
		return &suite.Target{Kubelet: "v1", Images: map[string]string{"nginx": nginx, "busybox": "sha256:b"}, Labels: []string{label}}
	}
	before := known("nginx@sha256:1", "none")
	for name, row := range map[string]struct {
		now  *suite.Target
		says string
	}{
		"as before":       {known("nginx@sha256:1", "none"), "kubelet v1, , as before"},
		"another digest":  {known("nginx@sha256:2", "none"), "image nginx sha256:1 → sha256:2"},
		"another name":    {known("import-2@sha256:1", "none"), "kubelet v1, , as before"},
		"another label":   {known("nginx@sha256:1", "docker-default (enforce)"), "security label none → docker-default (enforce)"},
		"an older report": {&suite.Target{Kubelet: "v1"}, "kubelet v1, , as before"},
	} {
		assert.Equal(t, row.says, Pair{Before: before, Now: row.now}.changed(), name)
	}
}
