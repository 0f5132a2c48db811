package suite

import (
	"testing"

	"gotest.tools/v3/assert"
)

// TestRuntimeOf: of each runtime that names itself so there are its units and its socket,
// and of no other one are containerd's taken.
func TestRuntimeOf(t *testing.T) {
	for reported, want := range map[string]Runtime{
		"containerd://2.4.2":    {"containerd", []string{"containerd"}, "unix:///run/containerd/containerd.sock"},
		"cri-o://1.37.0":        {"cri-o", []string{"crio"}, "unix:///run/crio/crio.sock"},
		"docker://28.5.2":       {"docker", []string{"docker", "cri-docker"}, "unix:///run/cri-dockerd.sock"},
		"containerd-like://1.0": {Name: "containerd-like"},
		"":                      {},
		"containerd":            {"containerd", []string{"containerd"}, "unix:///run/containerd/containerd.sock"},
	} {
		assert.DeepEqual(t, RuntimeOf(reported), want)
	}
}
