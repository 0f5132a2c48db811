// Package surroundings tells from the environment who runs the suite: Sonobuoy, Hydrophone,
// a CI system, or nobody in particular.
package surroundings

import (
	"path/filepath"

	"procns/e2e/internal/hydrophone"
)

// Surroundings is what the environment says. It never overrides a flag.
type Surroundings struct {
	// Artifacts is the folder of which Prow and kubetest2 keep everything ($ARTIFACTS).
	Artifacts string
	// Sonobuoy is where Sonobuoy's worker waits for results ($SONOBUOY_RESULTS_DIR), and
	// ProgressPort where it listens for progress ($SONOBUOY_PROGRESS_PORT).
	Sonobuoy, ProgressPort string
	// Hydrophone is where Hydrophone fetches the results; empty: it does not run the suite. The
	// others are what it was told: which cases, with what, and whether only in theory.
	Hydrophone             string
	Focus, Skip, Arguments string
	DryRun                 bool
	// InPod says that procns runs in a pod of a cluster.
	InPod bool
}

// Read reads the environment.
func Read(getenv func(string) string) Surroundings {
	s := Surroundings{
		Artifacts: getenv("ARTIFACTS"),
		Sonobuoy:  getenv("SONOBUOY_RESULTS_DIR"), ProgressPort: getenv("SONOBUOY_PROGRESS_PORT"),
		InPod: getenv("KUBERNETES_SERVICE_HOST") != "",
	}
	// Sonobuoy's own plugin and jobs of Prow's know the same variables; they set others as well. So does
	// the shell of who works on the image that they are of; Hydrophone always runs a pod.
	asked := getenv(hydrophone.FocusVariable) != "" && getenv(hydrophone.RunnerVariable) == "true"
	if !asked || !s.InPod || s.Sonobuoy != "" || s.Artifacts != "" {
		return s
	}
	s.Hydrophone = getenv(hydrophone.FolderVariable)
	if s.Hydrophone == "" {
		s.Hydrophone = hydrophone.Folder
	}
	s.Focus, s.Skip, s.Arguments = getenv(hydrophone.FocusVariable), getenv(hydrophone.SkipVariable), getenv(hydrophone.ExtraVariable)
	s.DryRun = getenv(hydrophone.DryRunVariable) == "true"
	return s
}

// Waited tells whether somebody waits for results in a form of their own, whatever becomes of
// the run.
func (s Surroundings) Waited() bool { return s.Sonobuoy != "" || s.Hydrophone != "" }

// ReportFolder is the folder that the reports go into where no flag names another, or "".
func (s Surroundings) ReportFolder() string {
	if s.Sonobuoy != "" {
		return filepath.Join(s.Sonobuoy, "procns")
	}
	if s.Hydrophone != "" {
		return s.Hydrophone
	}
	return s.Artifacts
}
