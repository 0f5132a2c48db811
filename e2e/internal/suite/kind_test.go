package suite

import (
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func TestKindID(t *testing.T) {
	for want, target := range map[string]Target{
		"containerd-debian-gnu-linux-amd64":                   {OSImage: "Debian GNU/Linux 12 (bookworm)", Runtime: "containerd://2.4.2", Architecture: "amd64"},
		"gvisor-containerd-ubuntu-arm64":                      {RuntimeClass: "gvisor", OSImage: "Ubuntu 24.04.1 LTS", Runtime: "containerd://1.7.27", Architecture: "arm64"},
		"cri-o-red-hat-enterprise-linux-coreos-amd64":         {OSImage: "Red Hat Enterprise Linux CoreOS 418.94.202501", Runtime: "cri-o://1.31.4", Architecture: "amd64"},
		"containerd-talos-amd64":                              {OSImage: "Talos (v1.9.1)", Runtime: "containerd://2.0.1", Architecture: "amd64"},
		"containerd-container-optimized-os-from-google-amd64": {OSImage: "Container-Optimized OS from Google", Runtime: "containerd://1.7.24", Architecture: "amd64"},
		"target":                 {Node: "worker-1"},
		strings.Repeat("x", 100): {OSImage: strings.Repeat("X", 300)},
	} {
		assert.Equal(t, target.Kind().ID(), want)
		target.Node, target.Kubelet, target.Kernel = "another", "v1.99.0", "7.0"
		assert.Equal(t, target.Kind().ID(), want, "neither a name nor a version")
	}
}
