package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

func ready(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// cgroupMode reads the node's cgroup version from kubelet's metrics
// (kubelet_cgroup_version, v1.35 and later). It is for the report only, so a
// server that does not let us read it yields "unknown".
func cgroupMode(ctx context.Context, client kubernetes.Interface, node string) string {
	const bound = 5 * time.Second // no run waits longer for a detail
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	raw, err := client.CoreV1().RESTClient().Get().Resource("nodes").Name(node).SubResource("proxy").Suffix("metrics").DoRaw(ctx)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, "kubelet_cgroup_version "); ok {
			return "v" + strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// watchNodes notes the nodes that are selected, and each change of them, until
// it is enough.
func watchNodes(ctx context.Context, client kubernetes.Interface, which fields.Selector, note func(*corev1.Node), enough func() bool) error {
	lw := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "nodes", "", which)
	_, err := watchtools.UntilWithSync(ctx, lw, &corev1.Node{}, func(store cache.Store) (bool, error) {
		for _, item := range store.List() {
			if node, ok := item.(*corev1.Node); ok {
				note(node)
			}
		}
		return enough(), nil
	}, func(e watch.Event) (bool, error) {
		if node, ok := e.Object.(*corev1.Node); ok {
			note(node)
		}
		return enough(), nil
	})
	return err
}

// AwaitNodes watches until at least count nodes exist, and every one is Ready
// and free of the taints that a new node has.
// Its error names those that are not, with kubelet's reason.
func AwaitNodes(ctx context.Context, client kubernetes.Interface, count int) error {
	states := map[string]string{}
	note := func(node *corev1.Node) {
		states[node.Name] = ""
		if ready(node) {
			// The node controller takes its own taints off a little later.
			if slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return strings.HasPrefix(t.Key, "node.kubernetes.io/") }) {
				states[node.Name] = "Ready, but its taints are not lifted yet"
			}
			return
		}
		states[node.Name] = "has not reported yet"
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady {
				states[node.Name] = c.Reason + ": " + c.Message
			}
		}
	}
	enough := func() bool {
		if len(states) < count {
			return false
		}
		for _, state := range states {
			if state != "" {
				return false
			}
		}
		return true
	}
	err := watchNodes(ctx, client, fields.Everything(), note, enough)
	if err == nil {
		return nil
	}
	var missing []string
	for node, state := range states {
		if state != "" {
			missing = append(missing, node+": "+state)
		}
	}
	slices.Sort(missing)
	said := fmt.Sprintf("%d of %d nodes registered", len(states), count)
	if len(missing) > 0 {
		said += "; not Ready: " + strings.Join(missing, "; ")
	}
	return fmt.Errorf("%s: %w", said, err)
}

// Server is the cluster's identity.
type Server struct {
	Version  string // gitVersion
	Platform string
	UID      string // of the kube-system namespace, which lives as long as the cluster
}

// Identify asks the server for its version, and for the cluster's identity where
// we may read it.
func Identify(ctx context.Context, client kubernetes.Interface) (Server, error) {
	raw, err := client.Discovery().RESTClient().Get().AbsPath("/version").DoRaw(ctx)
	if err != nil {
		return Server{}, err
	}
	var info struct{ GitVersion, Platform string }
	if err := json.Unmarshal(raw, &info); err != nil {
		return Server{}, fmt.Errorf("/version is not the JSON that an API server answers with: %w", err)
	}
	server := Server{Version: info.GitVersion, Platform: info.Platform, UID: "unknown"}
	if system, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{}); err == nil {
		server.UID = string(system.UID)
	}
	return server, nil
}
