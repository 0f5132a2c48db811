package suite

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const sample = `# A comment.
apiVersion: v1
kind: Secret
metadata:
  name: files
stringData:
  password: MARKER-secret
---
apiVersion: v1
kind: Pod
metadata:
  name: files
spec:
  shareProcessNamespace: true
  containers:
  - name: app
    image: registry.example:5000/library/busybox:1.36
    command: ["sh", "MARKER-app", "MARKER-app", "MARKER-secret"]
  - name: other
    image: elsewhere
  volumes:
  - name: secret
    secret:
      secretName: files
`

func decoded(t *testing.T) Manifest {
	t.Helper()
	m, err := DecodeManifest("sample.yaml", []byte(sample))
	require.NoError(t, err)
	return m
}

func TestDecodeManifestPlantsMarkers(t *testing.T) {
	m := decoded(t)
	assert.Len(t, m.Markers, 2)
	assert.NotEqual(t, m.Markers["app"], m.Markers["secret"])
	command := m.Pod.Spec.Containers[0].Command
	assert.Equal(t, []string{"sh", m.Markers["app"], m.Markers["app"], m.Markers["secret"]}, command)
	assert.Equal(t, m.Markers["secret"], m.Secrets[0].StringData["password"])
	assert.NotEqual(t, m.Markers["app"], decoded(t).Markers["app"], "markers are new for each pod")
}

func TestDecodeManifestIsStrict(t *testing.T) {
	for name, row := range map[string]struct{ text, says string }{
		"misspelt field": {strings.Replace(sample, "shareProcessNamespace", "sharedProcessNamespace", 1), "sharedProcessNamespace"},
		"repeated field": {strings.Replace(sample, "  shareProcessNamespace: true\n", "  hostPID: true\n  hostPID: true\n", 1), "hostPID"},
		"wrong type":     {strings.Replace(sample, "shareProcessNamespace: true", "shareProcessNamespace: perhaps", 1), "bool"},
		"unknown kind":   {strings.Replace(sample, "kind: Secret", "kind: Service", 1), "Service"},
		"no pod":         {strings.SplitN(sample, "---\n", 2)[0], "no Pod"},
		"two pods":       {sample + "---\n" + strings.SplitN(sample, "---\n", 2)[1], "more than one Pod"},
		"no YAML":        {"{", "sample.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeManifest("sample.yaml", []byte(row.text))
			require.Error(t, err)
			assert.Contains(t, err.Error(), row.says)
			assert.Contains(t, err.Error(), "sample.yaml")
		})
	}
}

func TestPlace(t *testing.T) {
	m := decoded(t)
	placed := m.Place(Placement{
		RunID: "r1", Target: Target{Node: "node-a", RuntimeClass: "gvisor"},
		Images: map[string]string{"busybox": "mirror/busybox@sha256:1"}, PullSecret: "pull",
	})
	pod := placed.Pod
	assert.NotEqual(t, m.Pod.Name, pod.Name)
	assert.Equal(t, "r1", pod.Labels[RunLabel])
	assert.Equal(t, "r1", placed.Secrets[0].Labels[RunLabel])
	assert.Equal(t, placed.Secrets[0].Name, pod.Spec.Volumes[0].Secret.SecretName, "the volume follows the Secret's name")
	assert.Equal(t, "mirror/busybox@sha256:1", pod.Spec.Containers[0].Image)
	assert.Equal(t, corev1.PullIfNotPresent, pod.Spec.Containers[0].ImagePullPolicy)
	assert.Equal(t, "elsewhere", pod.Spec.Containers[1].Image, "an image without a replacement stays")
	assert.Equal(t, corev1.PullIfNotPresent, pod.Spec.Containers[1].ImagePullPolicy, "what is on the node serves")
	assert.Equal(t, "gvisor", *pod.Spec.RuntimeClassName)
	assert.Equal(t, []string{"node-a"},
		pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchFields[0].Values)
	assert.Equal(t, []corev1.LocalObjectReference{{Name: "pull"}}, pod.Spec.ImagePullSecrets)
	assert.Nil(t, m.Pod.Spec.Affinity, "the decoded manifest stays as it is")
	assert.Equal(t, "files", m.Pod.Spec.Volumes[0].Secret.SecretName)
}

// TestPlaceFollows: whatever names a Secret or ConfigMap of the manifest names it
// after it was renamed.
func TestPlaceFollows(t *testing.T) {
	const manifest = `apiVersion: v1
kind: Secret
metadata: {name: passwords}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
---
apiVersion: v1
kind: Pod
metadata: {name: app}
spec:
  initContainers:
  - name: init
    image: busybox
    envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: passwords}}]
  containers:
  - name: app
    image: busybox
    env:
    - {name: A, valueFrom: {secretKeyRef: {name: passwords, key: a}}}
    - {name: B, valueFrom: {configMapKeyRef: {name: settings, key: b}}}
    - {name: C, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: D, value: d}
  volumes:
  - name: both
    projected: {sources: [{secret: {name: passwords}}, {configMap: {name: settings}}]}
`
	m, err := DecodeManifest("app.yaml", []byte(manifest))
	require.NoError(t, err)
	placed := m.Place(Placement{})
	secret, configMap := placed.Secrets[0].Name, placed.ConfigMaps[0].Name
	require.NotEqual(t, "passwords", secret)
	spec := placed.Pod.Spec
	assert.Equal(t, configMap, spec.InitContainers[0].EnvFrom[0].ConfigMapRef.Name)
	assert.Equal(t, secret, spec.InitContainers[0].EnvFrom[1].SecretRef.Name)
	assert.Equal(t, secret, spec.Containers[0].Env[0].ValueFrom.SecretKeyRef.Name)
	assert.Equal(t, configMap, spec.Containers[0].Env[1].ValueFrom.ConfigMapKeyRef.Name)
	assert.Equal(t, secret, spec.Volumes[0].Projected.Sources[0].Secret.Name)
	assert.Equal(t, configMap, spec.Volumes[0].Projected.Sources[1].ConfigMap.Name)
	assert.Equal(t, "passwords", m.Pod.Spec.Containers[0].Env[0].ValueFrom.SecretKeyRef.Name, "the decoded manifest stays as it is")
}

func TestImageName(t *testing.T) {
	for image, want := range map[string]string{
		"nginx":                                "nginx",
		"nginx:1.27":                           "nginx",
		"registry.example:5000/library/nginx":  "nginx",
		"registry.k8s.io/pause:3.10.2":         "pause",
		"docker.io/library/busybox@sha256:abc": "busybox",
	} {
		assert.Equal(t, want, ImageName(image), image)
	}
}

// TestEphemeralContainers: the manifest lists them as the pod's own; the new pod
// has none, and the evidence keeps what is added.
func TestEphemeralContainers(t *testing.T) {
	m, err := DecodeManifest("sample.yaml", []byte(sample+`  ephemeralContainers:
  - name: debugger
    image: busybox
    command: ["sh", "MARKER-debugger"]
    targetContainerName: app
`))
	require.NoError(t, err)
	placed := m.Place(Placement{RunID: "r1", Images: map[string]string{"busybox": "mirror/busybox"}})
	assert.Empty(t, placed.New().Spec.EphemeralContainers)
	require.Len(t, placed.Ephemeral(), 1)
	assert.Equal(t, "mirror/busybox", placed.Ephemeral()[0].Image)
	assert.Contains(t, placed.YAML(), EphemeralFile)
	assert.NotContains(t, placed.YAML(), m.Markers["debugger"])

	var sent corev1.Pod
	require.NoError(t, json.Unmarshal([]byte(placed.EphemeralJSON()), &sent))
	assert.Equal(t, placed.Pod.Name, sent.Name)
	assert.Equal(t, placed.Ephemeral(), sent.Spec.EphemeralContainers)
}

// TestDebugCopy follows kubectl's own generatePodCopyWithDebugContainer and its
// profile general.
func TestDebugCopy(t *testing.T) {
	original := decoded(t).Place(Placement{RunID: "r1", Target: Target{Node: "node-a"}}).Pod
	original.Labels["app"] = "shop"
	original.Annotations = map[string]string{"note": "of the original"}
	original.OwnerReferences = []metav1.OwnerReference{{Name: "a-replica-set"}}
	original.Spec.NodeName = "node-a"
	original.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: "busybox"}}
	original.Spec.EphemeralContainers = []corev1.EphemeralContainer{{TargetContainerName: "app"}}
	probe := &corev1.Probe{}
	original.Spec.Containers[0].LivenessProbe, original.Spec.Containers[0].ReadinessProbe = probe, probe
	original.Spec.Containers[0].StartupProbe = probe
	before := original.DeepCopy()

	for _, share := range []bool{true, false} {
		made := (Placement{}).debugCopy(original, share, "mirror/busybox", "-copy")
		assert.Equal(t, before, original, "the original stays as it is")
		assert.Equal(t, original.Name+"-copy", made.Name)
		assert.Equal(t, share, *made.Spec.ShareProcessNamespace)
		assert.Equal(t, (Placement{}).podLabels(map[string]string{RunLabel: "r1"}), made.Labels)
		assert.Equal(t, (Placement{}).podAnnotations(nil), made.Annotations)
		assert.Empty(t, made.OwnerReferences)
		assert.Empty(t, made.Spec.NodeName)
		assert.Empty(t, made.Spec.EphemeralContainers)
		assert.Equal(t, original.Spec.InitContainers, made.Spec.InitContainers, "init containers run in the copy as well")
		assert.Equal(t, original.Spec.Affinity, made.Spec.Affinity)
		require.Len(t, made.Spec.Containers, len(original.Spec.Containers)+1)
		first := made.Spec.Containers[0]
		assert.Equal(t, original.Spec.Containers[0].Command, first.Command)
		assert.Nil(t, first.LivenessProbe)
		assert.Nil(t, first.ReadinessProbe)
		assert.Nil(t, first.StartupProbe)
		added := made.Spec.Containers[len(made.Spec.Containers)-1]
		assert.Equal(t, DebugContainer, added.Name)
		assert.Equal(t, "mirror/busybox", added.Image)
		assert.True(t, added.Stdin)
		assert.True(t, added.TTY)
		assert.Equal(t, []corev1.Capability{"SYS_PTRACE"}, added.SecurityContext.Capabilities.Add)
	}
}

func TestStateOf(t *testing.T) {
	pod := decoded(t).Pod
	pod.Spec.NodeName = "node-a"
	pod.Status = corev1.PodStatus{
		Phase:      corev1.PodRunning,
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		ContainerStatuses: []corev1.ContainerStatus{
			{Name: "app", Ready: true, RestartCount: 2, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137}}},
			{Name: "other", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 0}}},
		},
		EphemeralContainerStatuses: []corev1.ContainerStatus{
			{Name: "late", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerError", Message: "no such target"}}},
		},
	}
	state := StateOf(pod)
	assert.Equal(t, "true", state.Sharing)
	assert.True(t, state.Ready)
	assert.Equal(t, 137, *state.Containers["app"].ExitCode)
	assert.True(t, state.Containers["app"].Running)
	assert.Equal(t, 0, *state.Containers["other"].ExitCode)
	assert.False(t, state.Containers["other"].Running)
	assert.Equal(t, "CreateContainerError", state.Containers["late"].Waiting)
	assert.Equal(t, "no such target", state.Containers["late"].Message)
}

// TestReadyBehindGates: somebody's readiness gate, which nobody may ever open, keeps no pod from being looked into.
func TestReadyBehindGates(t *testing.T) {
	yes, no := corev1.ConditionTrue, corev1.ConditionFalse
	for name, row := range map[string]struct {
		gates             int
		ready, containers corev1.ConditionStatus
		want              bool
	}{
		"no gate":                    {0, yes, yes, true},
		"not ready, without a gate":  {0, no, yes, false},
		"behind a gate":              {1, no, yes, true},
		"behind gates, and starting": {2, no, no, false},
		"the gate is open":           {1, yes, yes, true},
	} {
		pod := decoded(t).Pod
		pod.Spec.ReadinessGates = make([]corev1.PodReadinessGate, row.gates)
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: row.ready}, {Type: corev1.ContainersReady, Status: row.containers}}
		assert.Equal(t, row.want, StateOf(pod).Ready, name)
	}
}

// TestReadyBesideOthers: whether a container that the cluster added becomes ready, or ends again and again, is
// not waited for.
func TestReadyBesideOthers(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	for name, row := range map[string]struct {
		ready string // the containers that are
		added []string
		want  bool
	}{
		"all but the mesh's":             {"app sidecar", []string{"mesh"}, true},
		"not its own":                    {"sidecar mesh", []string{"mesh"}, false},
		"not its own sidecar":            {"app mesh", []string{"mesh"}, false},
		"none as yet":                    {"", []string{"mesh"}, false},
		"all but one of its own":         {"app sidecar", nil, false},
		"the mesh's in a sidecar's form": {"app mesh", []string{"sidecar"}, true},
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "once"}, {Name: "sidecar", RestartPolicy: &always}},
			Containers:     []corev1.Container{{Name: "mesh"}, {Name: "app"}},
		}}
		for _, c := range []string{"app", "mesh"} {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: c, Ready: slices.Contains(strings.Fields(row.ready), c)})
		}
		pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "sidecar", Ready: slices.Contains(strings.Fields(row.ready), "sidecar")}}
		s := &stage{added: map[string]bool{}}
		for _, c := range row.added {
			s.added[c] = true
		}
		assert.Equal(t, row.want, s.state(pod).Ready, name)
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		assert.True(t, s.state(pod).Ready, name)
	}
}

// TestYAMLDecodesAgain: what the evidence shows is what was created.
func TestYAMLDecodesAgain(t *testing.T) {
	placed := decoded(t).Place(Placement{RunID: "r1", Target: Target{Node: "node-a"}})
	again, err := DecodeManifest("manifest.yaml", []byte(placed.YAML()))
	require.NoError(t, err)
	assert.Equal(t, placed.Pod.Spec, again.Pod.Spec)
	assert.Equal(t, placed.Pod.Name, again.Pod.Name)
	assert.Equal(t, placed.Secrets[0].StringData, again.Secrets[0].StringData)
}

// TestNodeLabel: pods that are deleted with those of other nodes have a label for it, whatever the node's name, and
// no other pod has.
func TestNodeLabel(t *testing.T) {
	raw, err := manifestFor("fixture.yaml")
	require.NoError(t, err)
	m, err := DecodeManifest("fixture.yaml", raw)
	require.NoError(t, err)
	long := Target{Node: strings.Repeat("node.", 50) + "example"}
	assert.NotContains(t, m.Place(Placement{RunID: "r1", Target: long}).Pod.Labels, NodeLabel)
	labels := m.Place(Placement{RunID: "r1", Target: long, Together: true}).Pod.Labels
	assert.Equal(t, IDOfNode(long.Node), labels[NodeLabel])
	assert.Len(t, labels[NodeLabel], 20)
	assert.NotEqual(t, IDOfNode("a"), IDOfNode("b"))
}
