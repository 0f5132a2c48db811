// Package campaign makes a cluster, breaks it in every way that the list of mutants has,
// runs the suite against each, and collects what it found.
package campaign

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"procns/e2e/internal/sabotage/mutants"
)

// inNode is where the folder with the mutants' programs is in every node.
const inNode = "/opt/procns-sabotage"

// program is the name, in that folder, of the one program that all links lead to.
const program = "sabotaged-runtime"

// Two mutants run at one time, with what their pods leave behind for a while: more than
// kubelet's 110 pods fit onto a node.
const kubeletConfiguration = `kind: KubeletConfiguration
apiVersion: kubelet.config.k8s.io/v1beta1
podPidsLimit: 1024
maxPods: 220
`

// KindConfig is kind's configuration for a cluster whose nodes have a runtime handler for
// each mutant that wraps the runtime. folder is the host's folder with the programs.
func KindConfig(folder string, all []mutants.Mutant) ([]byte, error) {
	mount := []map[string]any{{"hostPath": folder, "containerPath": inNode, "readOnly": true}}
	config := map[string]any{
		"kind":                 "Cluster",
		"apiVersion":           "kind.x-k8s.io/v1alpha4",
		"networking":           map[string]any{"podSubnet": "10.244.0.0/16"},
		"kubeadmConfigPatches": []string{kubeletConfiguration},
		"nodes":                []map[string]any{{"role": "control-plane", "extraMounts": mount}, {"role": "worker", "extraMounts": mount}},
		// kind applies the patches that name the version in use.
		"containerdConfigPatches": []string{
			handlers(2, "io.containerd.grpc.v1.cri", all),
			handlers(3, "io.containerd.cri.v1.runtime", all),
		},
	}
	return yaml.Marshal(config)
}

// handlers is a part of containerd's configuration: one runtime for each mutant, like the
// node's own runc but for the program. What runc's own has is the same in kind's node
// image and in ours.
func handlers(version int, plugin string, all []mutants.Mutant) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version = %d\n", version)
	for _, m := range all {
		if m.Runtime == nil {
			continue
		}
		at := fmt.Sprintf("plugins.%q.containerd.runtimes.%s", plugin, m.Name)
		fmt.Fprintf(&b, "[%s]\nruntime_type = \"io.containerd.runc.v2\"\nbase_runtime_spec = \"/etc/containerd/cri-base.json\"\n", at)
		fmt.Fprintf(&b, "[%s.options]\nSystemdCgroup = true\nBinaryName = %q\n", at, inNode+"/"+m.Name)
	}
	return b.String()
}
