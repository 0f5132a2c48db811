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
