// Package surroundings tells from the environment who runs the suite: Sonobuoy, a CI
// system, or nobody in particular.
package surroundings

import "path/filepath"

// Surroundings is what the environment says. It never overrides a flag.
type Surroundings struct {
	// Artifacts is the folder of which Prow and kubetest2 keep everything ($ARTIFACTS).
	Artifacts string
	// Sonobuoy is where Sonobuoy's worker waits for results ($SONOBUOY_RESULTS_DIR), and
	// ProgressPort where it listens for progress ($SONOBUOY_PROGRESS_PORT).
	Sonobuoy, ProgressPort string
	// InPod says that procns runs in a pod of a cluster.
	InPod bool
}

// Read reads the environment.
func Read(getenv func(string) string) Surroundings {
	return Surroundings{
		Artifacts: getenv("ARTIFACTS"),
		Sonobuoy:  getenv("SONOBUOY_RESULTS_DIR"), ProgressPort: getenv("SONOBUOY_PROGRESS_PORT"),
		InPod: getenv("KUBERNETES_SERVICE_HOST") != "",
	}
}

// ReportFolder is the folder that the reports go into where no flag names another, or "".
func (s Surroundings) ReportFolder() string {
	if s.Sonobuoy != "" {
		return filepath.Join(s.Sonobuoy, "procns")
	}
	return s.Artifacts
}
