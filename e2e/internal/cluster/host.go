package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"
)

// Host is what of this machine decides how kind's nodes must be configured.
type Host struct {
	// CgroupV1 is true unless the unified hierarchy is mounted at /sys/fs/cgroup.
	CgroupV1 bool
	// CanLowerOOMScore is whether the capability bounding set holds
	// CAP_SYS_RESOURCE, without which no process can lower its oom_score_adj.
	CanLowerOOMScore bool
}

// capSysResource is the capability's number (capabilities(7)).
const capSysResource = 24

// DetectHost reads the host's cgroup mode and capabilities below root ("/").
func DetectHost(root string) (Host, error) {
	var h Host
	// cgroups(7): only a cgroup v2 mount has this file at its root.
	_, err := os.Stat(filepath.Join(root, "sys/fs/cgroup/cgroup.controllers"))
	h.CgroupV1 = os.IsNotExist(err)
	status, err := os.ReadFile(filepath.Join(root, "proc/self/status"))
	if err != nil {
		return h, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "CapBnd:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil {
				return h, fmt.Errorf("the capability bounding set: %w", err)
			}
			h.CanLowerOOMScore = set&(1<<capSysResource) != 0
		}
	}
	return h, nil
}

// instancesOfANode is how many inotify instances systemd, containerd and kubelet of a kind node hold
// together: with 128, which is Linux's default, kubelet started on seven of twelve nodes.
const instancesOfANode = 18

// ScarceInstances says that a user has too few inotify instances for so many nodes, below root ("/"), or
// "". kubelet does not start without any ("inotify_init: too many open files"), and the node never joins.
func ScarceInstances(root string, nodes int) string {
	raw, err := os.ReadFile(filepath.Join(root, "proc/sys/fs/inotify/max_user_instances"))
	if err != nil {
		return ""
	}
	has, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || has >= nodes*instancesOfANode {
		return ""
	}
	return fmt.Sprintf("this machine has %d inotify instances for a user, which may be too few for %d nodes: if they do not get Ready, raise them (sysctl -w fs.inotify.max_user_instances=%d)",
		has, nodes, max(512, 2*nodes*instancesOfANode))
}

// Change is one change to kind's configuration that this host needs.
type Change struct {
	Cause string
	Apply func(*v1alpha4.Cluster)
}

// Changes lists what the host needs, each with its cause.
func (h Host) Changes() []Change {
	var changes []Change
	if h.CgroupV1 {
		changes = append(changes, Change{
			Cause: "the host has cgroup v1, which kubelet refuses from v1.35 on: failCgroupV1 is set to false",
			Apply: func(c *v1alpha4.Cluster) {
				c.KubeadmConfigPatches = append(c.KubeadmConfigPatches,
					"kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nfailCgroupV1: false\n")
			},
		})
	}
	if !h.CanLowerOOMScore {
		changes = append(changes, Change{
			Cause: "the host withholds CAP_SYS_RESOURCE: containerd is told not to lower OOM scores (restrict_oom_score_adj)",
			Apply: func(c *v1alpha4.Cluster) {
				c.ContainerdConfigPatches = append(c.ContainerdConfigPatches, restrictOOMScore...)
			},
		})
	}
	return changes
}

// restrictOOMScore is one patch for each version of containerd's configuration:
// kind applies those that name the version in use.
var restrictOOMScore = []string{
	"version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nrestrict_oom_score_adj = true\n",
	"version = 3\n[plugins.\"io.containerd.cri.v1.runtime\"]\nrestrict_oom_score_adj = true\n",
}

// Configure applies the changes to kind's configuration, and returns it as it will
// be used, with the number of its nodes and the causes of the changes.
func (h Host) Configure(raw []byte) (effective []byte, nodes int, causes []string, err error) {
	var config v1alpha4.Cluster
	if err := yaml.UnmarshalStrict(raw, &config); err != nil {
		return nil, 0, nil, fmt.Errorf("kind-config.yaml: %w", err)
	}
	for _, change := range h.Changes() {
		change.Apply(&config)
		causes = append(causes, change.Cause)
	}
	if len(config.Nodes) == 0 {
		config.Nodes = []v1alpha4.Node{{Role: v1alpha4.ControlPlaneRole}}
	}
	if !slices.ContainsFunc(config.Nodes, func(n v1alpha4.Node) bool { return n.Role == v1alpha4.WorkerRole }) {
		causes = append(causes, "kind-config.yaml has no worker: the control plane is the target")
	}
	effective, err = yaml.Marshal(&config)
	return effective, len(config.Nodes), causes, err
}
