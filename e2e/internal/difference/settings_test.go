package difference

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// TestWorkloads: what queues and policies make of a workload besides its template. What the API server
// fills in is no change.
func TestWorkloads(t *testing.T) {
	for name, row := range map[string]struct {
		sent, stored string
		says         string // "" where nothing is changed
		idle         bool   // it makes no pod
	}{
		"a Deployment as it is filled in": {"{}", "{replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600, strategy: {type: RollingUpdate}}", "", false},
		"a Job as it is filled in":        {"{backoffLimit: 0}", "{backoffLimit: 0, parallelism: 1, completions: 1, suspend: false, completionMode: NonIndexed}", "", false},
		"a DaemonSet":                     {"{}", "{updateStrategy: {type: RollingUpdate}, revisionHistoryLimit: 10}", "", false},
		"a Job that a queue holds back":   {"{}", "{suspend: true}", "sets spec.suspend to true", true},
		"a Job of another cluster":        {"{}", "{managedBy: kueue.x-k8s.io/multikueue}", `sets spec.managedBy to "kueue.x-k8s.io/multikueue"`, true},
		"a Deployment that is held back":  {"{}", "{paused: true}", "sets spec.paused to true", true},
		"one that sleeps":                 {"{replicas: 1}", "{replicas: 0}", "changes spec.replicas from 1 to 0", true},
		"one more for availability":       {"{}", "{replicas: 2}", "sets spec.replicas to 2", false},
		"later available":                 {"{}", "{minReadySeconds: 30}", "sets spec.minReadySeconds to 30", false},
		"available at once":               {"{minReadySeconds: 5}", "{minReadySeconds: 0}", "changes spec.minReadySeconds from 5 to 0", false},
		"a Job of several":                {"{}", "{parallelism: 2, completions: 3}", "sets spec.completions to 3; sets spec.parallelism to 2", false},
		"a setting that is taken away":    {"{suspend: true}", "{}", "changes spec.suspend from true to false", false},
		"what keeps a Job afterwards":     {"{}", "{ttlSecondsAfterFinished: 60, activeDeadlineSeconds: 3600}", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			var sent, stored any
			require.NoError(t, yaml.Unmarshal([]byte("{spec: "+row.sent+"}"), &sent))
			require.NoError(t, yaml.Unmarshal([]byte("{spec: "+row.stored+"}"), &stored))
			found := Workloads(sent, stored)
			assert.Equal(t, row.says, Say(found))
			assert.Equal(t, row.idle, len(Idle(found)) > 0)
			for _, d := range found {
				assert.Equal(t, WorkloadSettings, d.Class)
				assert.False(t, d.Class.Harmless())
			}
		})
	}
	assert.Empty(t, Workloads(nil, map[string]any{}), "an answer without a specification")
	assert.Contains(t, Classes, WorkloadSettings)
}
