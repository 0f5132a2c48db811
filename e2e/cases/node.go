package cases

import "procns/e2e/internal/suite"

// What is asked of a pod's node.

// findGroups prints a pod's control groups on its node, by either cgroup driver's
// name for them. POD_UID comes through the environment; without it all pods' would match.
const findGroups = `find /sys/fs/cgroup -type d \( -name "*pod${POD_UID:?}*" -o -name "*pod$(echo "$POD_UID" | tr - _)*" \) -prune 2>/dev/null`

// podUID is what the node's control groups and the runtime know a pod by.
func podUID(pod suite.PodClient) string {
	metadata, _ := pod.Stored()["metadata"].(map[string]any)
	uid, _ := metadata["uid"].(string)
	return uid
}

// withCRI is a command on a pod's node, with variables before it, in which crictl is told
// where the node's own runtime serves the CRI. Of one that is not known, the node's
// crictl.yaml tells.
func withCRI(pod suite.PodClient, command ...string) []string {
	env := []string{"env"}
	if endpoint := suite.RuntimeOf(pod.Before().Node.Runtime).Endpoint; endpoint != "" {
		env = append(env, "CONTAINER_RUNTIME_ENDPOINT="+endpoint)
	}
	return append(env, command...)
}
