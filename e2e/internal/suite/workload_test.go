package suite

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const template = `
  template:
    spec:
      shareProcessNamespace: true
      containers:
      - {name: app, image: busybox}
`

func TestPlaceWorkload(t *testing.T) {
	for kind, raw := range map[string]string{
		"Deployment":  "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:" + template,
		"ReplicaSet":  "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web}\nspec:" + template,
		"StatefulSet": "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: web}\nspec:" + template,
		"DaemonSet":   "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: web}\nspec:" + template,
		"Job":         "apiVersion: batch/v1\nkind: Job\nmetadata: {name: web}\nspec:" + template,
	} {
		t.Run(kind, func(t *testing.T) {
			m, err := DecodeManifest("web.yaml", []byte(raw))
			require.NoError(t, err)
			assert.Equal(t, "true", sharing(m.Pod))
			placed := m.Place(Placement{RunID: "run", Target: Target{Node: "n"}, Images: map[string]string{"busybox": "mirror/busybox:1"}})
			parts := partsOf(placed.Workload)
			assert.Equal(t, placed.Pod.Name, parts.meta.Name)
			assert.Equal(t, "run", parts.meta.Labels[RunLabel], "it can be found and cleaned up")
			assert.Equal(t, "run", parts.template.Labels[RunLabel])
			assert.Equal(t, placed.Pod.Name, parts.template.Labels[PodLabel], "its pod can be found")
			assert.Equal(t, "mirror/busybox:1", parts.template.Spec.Containers[0].Image)
			assert.NotNil(t, parts.template.Spec.Affinity, "it is pinned to the target")
			if parts.selector != nil {
				assert.Equal(t, placed.Pod.Name, (*parts.selector).MatchLabels[PodLabel])
			}
			word, ok := SharingOf(placed.Workload)
			require.True(t, ok)
			assert.Equal(t, "true", word)
			assert.Contains(t, placed.YAML(), "kind: "+kind)
			assert.Equal(t, "web", partsOf(m.Workload).meta.Name, "the manifest itself stays")
		})
	}
}

// TestWorkloadKinds: each kind is found by its name, and knows its objects.
func TestWorkloadKinds(t *testing.T) {
	for kind, want := range map[string]struct {
		api, resource string
		object        runtime.Object
	}{
		"Deployment":  {"apps/v1", "deployments", &appsv1.Deployment{}},
		"ReplicaSet":  {"apps/v1", "replicasets", &appsv1.ReplicaSet{}},
		"StatefulSet": {"apps/v1", "statefulsets", &appsv1.StatefulSet{}},
		"DaemonSet":   {"apps/v1", "daemonsets", &appsv1.DaemonSet{}},
		"Job":         {"batch/v1", "jobs", &batchv1.Job{}},
		"CronJob":     {"batch/v1", "cronjobs", &batchv1.CronJob{}},
	} {
		object, ok := newWorkload(want.api, kind)
		require.True(t, ok, kind)
		assert.IsType(t, want.object, object)
		api, resource := ResourceOf(object)
		assert.Equal(t, []string{want.api, want.resource}, []string{api, resource})
		word, ok := SharingOf(object)
		assert.True(t, ok)
		assert.Equal(t, "absent", word)
		partsOf(object).meta.Name = "web"
		_, ok = newWorkload("extensions/v1beta1", kind)
		assert.False(t, ok, "the API's group and version count")
	}
	assert.Len(t, workloadKinds, 6)
	api, resource := ResourceOf(&corev1.Pod{})
	assert.Equal(t, []string{"v1", "pods"}, []string{api, resource})
	word, ok := SharingOf(&corev1.Pod{})
	assert.True(t, ok)
	assert.Equal(t, "absent", word)
	_, ok = SharingOf(&corev1.Secret{})
	assert.False(t, ok)
}

func TestDecodeManifestTakesOnePod(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app, image: busybox}]\n---\n"
	_, err := DecodeManifest("two.yaml", []byte(pod+"apiVersion: batch/v1\nkind: Job\nmetadata: {name: web}\nspec:"+template))
	assert.ErrorContains(t, err, "more than one Pod")
}

func TestEphemeralContainersAreAddedLater(t *testing.T) {
	m, err := DecodeManifest("debug.yaml", []byte(`
apiVersion: v1
kind: Pod
metadata: {name: debug}
spec:
  containers: [{name: app, image: nginx}]
  ephemeralContainers: [{name: late, image: busybox, targetContainerName: app}]
`))
	require.NoError(t, err)
	placed := m.Place(Placement{Images: map[string]string{"busybox": "mirror/busybox:1"}})
	assert.Empty(t, placed.New().Spec.EphemeralContainers, "the API server refuses them in a new pod")
	require.Len(t, placed.Ephemeral(), 1)
	assert.Equal(t, "mirror/busybox:1", placed.Ephemeral()[0].Image)
	assert.Contains(t, placed.YAML(), "ephemeral containers are added")
}

func TestObservable(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 0}}
	pod := &corev1.Pod{
		Spec: corev1.PodSpec{
			InitContainers:      []corev1.Container{{Name: "init"}, {Name: "sidecar", RestartPolicy: &always}},
			Containers:          []corev1.Container{{Name: "runs"}, {Name: "waits"}, {Name: "over"}},
			EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "late"}}},
		},
		Status: corev1.PodStatus{
			InitContainerStatuses:      []corev1.ContainerStatus{{Name: "init", State: ended}, {Name: "sidecar", State: running}},
			ContainerStatuses:          []corev1.ContainerStatus{{Name: "runs", State: running}, {Name: "waits", State: waiting, LastTerminationState: ended}, {Name: "over", State: ended}},
			EphemeralContainerStatuses: []corev1.ContainerStatus{{Name: "late", State: running}},
		},
	}
	assert.Equal(t, []string{"sidecar", "runs", "waits", "late"}, (&stage{}).observable(pod, nil))
	assert.Equal(t, []string{"over"}, (&stage{}).observable(pod, []string{"over"}), "what is named is looked into: it may be started again")
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	assert.Equal(t, []string{"runs"}, (&stage{}).observable(pod, []string{"runs", "over"}), "but nothing is over and looked into")
	pod.Spec.RestartPolicy = ""
	pod.Status.InitContainerStatuses[0].State = running
	crashed := pod.Status.ContainerStatuses[1]
	pod.Status.ContainerStatuses[1] = corev1.ContainerStatus{Name: "waits", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}}
	assert.Equal(t, []string{"init", "sidecar", "runs", "late"}, (&stage{}).observable(pod, nil), "what waits for an init container is not asked")
	pod.Status.InitContainerStatuses[0].State = ended
	assert.Equal(t, []string{"sidecar", "runs", "waits", "late"}, (&stage{}).observable(pod, nil), "it will be there soon")
	pod.Status.ContainerStatuses[1] = crashed
	beside := &stage{added: map[string]bool{"runs": true, "sidecar": true}}
	assert.Equal(t, []string{"waits", "late"}, beside.observable(pod, nil), "what the cluster added is not entered")
	assert.Equal(t, []string{"runs", "sidecar"}, beside.state(pod).Injected)
	assert.NotContains(t, beside.state(pod).Containers, "runs")
	state := StateOf(pod)
	assert.Equal(t, "init", state.Containers["init"].Kind)
	assert.Equal(t, "sidecar", state.Containers["sidecar"].Kind)
	assert.Equal(t, "ephemeral", state.Containers["late"].Kind)
	assert.Equal(t, "CrashLoopBackOff", state.Containers["waits"].Waiting)
	assert.Equal(t, 0, *state.Containers["waits"].ExitCode, "its previous instance's")
}

func TestSubmission(t *testing.T) {
	for submission, row := range map[Submission]struct {
		dry   bool
		level string
	}{
		Runs:             {false, ""},
		Stored:           {false, ""},
		DryRun:           {true, ""},
		DryRunBaseline:   {true, "baseline"},
		DryRunRestricted: {true, "restricted"},
	} {
		assert.Equal(t, row.dry, submission.Dry(), submission)
		if row.dry {
			assert.Equal(t, row.level, submission.PodSecurity(), submission)
		}
	}
}
