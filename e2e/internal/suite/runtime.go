package suite

import "strings"

// Runtime is what is known of a container runtime on its node, besides its name.
type Runtime struct {
	Name string
	// Units are its systemd units.
	Units []string
	// Endpoint is where it serves the CRI.
	Endpoint string
}

// runtimes are those that say their name in a node's status, with the units and sockets
// that they have by default.
var runtimes = []Runtime{
	{"containerd", []string{"containerd"}, "unix:///run/containerd/containerd.sock"},
	{"cri-o", []string{"crio"}, "unix:///run/crio/crio.sock"},
	{"docker", []string{"docker", "cri-docker"}, "unix:///run/cri-dockerd.sock"},
}

// RuntimeOf is the runtime that a node reports as name://version
// (status.nodeInfo.containerRuntimeVersion). Of one that is not known there is the name.
func RuntimeOf(reported string) Runtime {
	name, _, _ := strings.Cut(reported, "://")
	for _, r := range runtimes {
		if r.Name == name {
			return r
		}
	}
	return Runtime{Name: name}
}
