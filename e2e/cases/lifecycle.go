package cases

import (
	"slices"

	"procns/e2e/internal/suite"
)

// lifecycleCases state what becomes of a pod when its processes end.
func lifecycleCases() []suite.Case {
	return slices.Concat(killCases(), endCases(), execCases(), sandboxCases(), stopCases(), graceCases(), deletionCases(), aliveCases(), nodeCases())
}

// The sources of these claims.
const (
	kubeletRestarts = "Kubernetes documentation, Pod Lifecycle, Container restarts"
	kubeletStops    = "Kubernetes documentation, Pod Lifecycle, Termination of Pods"
	initSignals     = "pid_namespaces(7), The namespace init process; signal(7)"
)
