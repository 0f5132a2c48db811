package suite

import (
	"regexp"
	"strings"
)

// Kind is what a target keeps from night to night, and through an upgrade, even where
// its node is replaced: no version, and no name that is made up for a cluster.
type Kind struct{ RuntimeClass, System, Runtime, Architecture string }

var (
	versions    = regexp.MustCompile(`[0-9(].*$`)
	runtimeName = regexp.MustCompile(`://.*$`)
	otherThanID = regexp.MustCompile(`[^a-z0-9]+`)
)

// Kind is the target's.
func (t Target) Kind() Kind {
	return Kind{
		t.RuntimeClass, strings.TrimSpace(versions.ReplaceAllString(t.OSImage, "")),
		runtimeName.ReplaceAllString(t.Runtime, ""), t.Architecture,
	}
}

// ID names the kind in lower-case letters, digits and dashes, such as
// "containerd-debian-gnu-linux-amd64", with the runtime class before it.
func (k Kind) ID() string {
	text := strings.ToLower(strings.Join([]string{k.RuntimeClass, k.Runtime, k.System, k.Architecture}, "-"))
	const longest = 100
	id := strings.Trim(otherThanID.ReplaceAllString(text, "-"), "-")
	if id == "" {
		return "target"
	}
	return strings.Trim(id[:min(longest, len(id))], "-")
}

// Model is what nodes have in common of which one is enough for a sample: the runtime
// class, and what the node says of itself (status.nodeInfo), with all versions. Unlike
// Kind it changes with an upgrade.
type Model struct {
	RuntimeClass string `json:"runtimeClass,omitempty"`
	OSImage      string `json:"osImage"`
	Kernel       string `json:"kernel"`
	Architecture string `json:"architecture"`
	Runtime      string `json:"runtime"`
	Kubelet      string `json:"kubelet"`
}

// Model is the target's.
func (t Target) Model() Model {
	return Model{t.RuntimeClass, t.OSImage, t.Kernel, t.Architecture, t.Runtime, t.Kubelet}
}
