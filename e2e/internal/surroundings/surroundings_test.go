package surroundings

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRead(t *testing.T) {
	for name, row := range map[string]struct {
		environment map[string]string
		is          Surroundings
		folder      string
	}{
		"nobody": {nil, Surroundings{}, ""},
		"Prow":   {map[string]string{"ARTIFACTS": "/logs/artifacts"}, Surroundings{Artifacts: "/logs/artifacts"}, "/logs/artifacts"},
		"a pod":  {map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, Surroundings{InPod: true}, ""},
		"Sonobuoy": {
			map[string]string{"SONOBUOY_RESULTS_DIR": "/tmp/sonobuoy/results", "SONOBUOY_PROGRESS_PORT": "8099", "KUBERNETES_SERVICE_HOST": "10.0.0.1"},
			Surroundings{Sonobuoy: "/tmp/sonobuoy/results", ProgressPort: "8099", InPod: true}, "/tmp/sonobuoy/results/procns",
		},
		"Hydrophone": {
			map[string]string{
				"E2E_FOCUS": `\[Conformance\]`, "E2E_SKIP": "Slow", "E2E_PROVIDER": "skeleton", "E2E_VERBOSITY": "4",
				"E2E_USE_GO_RUNNER": "true", "E2E_EXTRA_ARGS": "--nodes=all", "E2E_DRYRUN": "true", "KUBERNETES_SERVICE_HOST": "10.0.0.1",
			},
			Surroundings{Hydrophone: "/tmp/results", Focus: `\[Conformance\]`, Skip: "Slow", Arguments: "--nodes=all", DryRun: true, InPod: true}, "/tmp/results",
		},
		"Hydrophone, elsewhere": {
			map[string]string{"E2E_FOCUS": "a", "E2E_USE_GO_RUNNER": "true", "RESULTS_DIR": "/r", "KUBERNETES_SERVICE_HOST": "10.0.0.1"},
			Surroundings{Hydrophone: "/r", Focus: "a", InPod: true}, "/r",
		},
		"a shell in no pod that knows both": {
			map[string]string{"E2E_FOCUS": "a", "E2E_USE_GO_RUNNER": "true", "RESULTS_DIR": "/r", "E2E_DRYRUN": "true"},
			Surroundings{}, "",
		},
		"a script that knows one of its variables": {map[string]string{"E2E_FOCUS": "a"}, Surroundings{}, ""},
		"a job of Prow's that knows both": {
			map[string]string{"E2E_FOCUS": "a", "E2E_USE_GO_RUNNER": "true", "ARTIFACTS": "/a"},
			Surroundings{Artifacts: "/a"}, "/a",
		},
		"Sonobuoy, with Hydrophone's variables": {
			map[string]string{"E2E_FOCUS": "a", "E2E_USE_GO_RUNNER": "true", "SONOBUOY_RESULTS_DIR": "/r", "RESULTS_DIR": "/r"},
			Surroundings{Sonobuoy: "/r"}, "/r/procns",
		},
		"both": {
			map[string]string{"SONOBUOY_RESULTS_DIR": "/r", "ARTIFACTS": "/a"},
			Surroundings{Sonobuoy: "/r", Artifacts: "/a"}, "/r/procns",
		},
	} {
		read := Read(func(variable string) string { return row.environment[variable] })
		assert.Equal(t, row.is, read, name)
		assert.Equal(t, row.folder, read.ReportFolder(), name)
	}
}
