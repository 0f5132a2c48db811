package suite

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"procns/e2e/internal/probe"
)

// RunLabel is on every object that a run creates, with the run's ID.
const RunLabel = "procns.run"

// Manifest is a decoded fixture: one pod, or the workload that makes it, and the
// Secrets and ConfigMaps that it mounts.
type Manifest struct {
	File string
	// Pod may list ephemeral containers, which the API server refuses in a new
	// pod: they are added when it runs.
	Pod *corev1.Pod
	// Workload makes the pod, whose template Pod then is; nil for a plain pod.
	Workload   runtime.Object
	Secrets    []*corev1.Secret
	ConfigMaps []*corev1.ConfigMap
	// Markers are the random texts planted in place of MARKER-name.
	Markers map[string]string
	// Documented are the images that the manifest names, by container, whatever is used
	// in their place.
	Documented map[string]string
}

var markerName = regexp.MustCompile(`MARKER-([a-z0-9-]+)`)

// DecodeManifest reads a fixture strictly: an unknown or repeated field is an
// error. Each MARKER-name in it becomes a random text of its own, the same
// wherever the name stands.
func DecodeManifest(file string, raw []byte) (Manifest, error) { return decodeManifest(file, raw, nil) }

// DecodePlanted is DecodeManifest with the texts that are known for markers: those
// that are not, it makes.
func DecodePlanted(file string, raw []byte, known map[string]string) (Manifest, error) {
	return decodeManifest(file, raw, known)
}

func decodeManifest(file string, raw []byte, known map[string]string) (Manifest, error) {
	m := Manifest{File: file, Markers: merged(known, nil)}
	raw = markerName.ReplaceAllFunc(raw, func(found []byte) []byte {
		name := strings.TrimPrefix(string(found), "MARKER-")
		if m.Markers[name] == "" {
			m.Markers[name] = "marker" + probe.RandomHex(10)
		}
		return []byte(m.Markers[name])
	})
	documents := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(raw)))
	defer func() { _ = documents.Close() }()
	buffer := make([]byte, len(raw)+1)
	for {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return m, fmt.Errorf("fixture %s: %w", file, err)
		}
		if err := m.decode(buffer[:n]); err != nil {
			return m, fmt.Errorf("fixture %s: %w", file, err)
		}
	}
	if m.Pod == nil {
		return m, fmt.Errorf("fixture %s: holds no Pod", file)
	}
	return m, nil
}

// SameSpec tells whether two manifests describe the same pod, whatever its name.
// A fixture that is its own control cannot prove anything.
func SameSpec(a, b []byte) bool {
	spec := func(raw []byte) *corev1.PodSpec {
		// With the same texts in both, only what the manifests say can differ.
		m, err := DecodeManifest("", bytes.ReplaceAll(raw, []byte("MARKER-"), []byte("marker-")))
		if err != nil {
			return nil // said where it is decoded to be created
		}
		return &m.Pod.Spec
	}
	specA, specB := spec(a), spec(b)
	return specA != nil && specB != nil && reflect.DeepEqual(specA, specB)
}

func (m *Manifest) decode(document []byte) error {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return err
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Pod":
		if m.Pod != nil {
			return errors.New("holds more than one Pod")
		}
		m.Pod = &corev1.Pod{}
		return yaml.UnmarshalStrict(document, m.Pod)
	case "v1 Secret":
		secret := &corev1.Secret{}
		m.Secrets = append(m.Secrets, secret)
		return yaml.UnmarshalStrict(document, secret)
	case "v1 ConfigMap":
		configMap := &corev1.ConfigMap{}
		m.ConfigMaps = append(m.ConfigMaps, configMap)
		return yaml.UnmarshalStrict(document, configMap)
	case " ":
		return nil // comments only
	}
	if workload, ok := newWorkload(kind.APIVersion, kind.Kind); ok {
		if m.Pod != nil {
			return errors.New("holds more than one Pod")
		}
		m.Workload = workload
		if err := yaml.UnmarshalStrict(document, m.Workload); err != nil {
			return err
		}
		parts := partsOf(m.Workload)
		m.Pod = &corev1.Pod{ObjectMeta: parts.template.ObjectMeta, Spec: parts.template.Spec}
		m.Pod.Name = parts.meta.Name
		return nil
	}
	return fmt.Errorf("holds a %s %s; only v1 Pod, Secret and ConfigMap and the workloads of apps/v1 and batch/v1 are known", kind.APIVersion, kind.Kind)
}

// Placement is where and how a manifest is created.
type Placement struct {
	RunID  string
	Target Target
	// Server is the API server's version; zero: not known.
	Server Version
	// Images and Registry say what is used in place of the images that manifests
	// name: see Image.
	Images map[string]string // by ImageName
	// Pinned are the references, with their digests, of images that manifests name
	// without one: by the manifests' name, or by ImageName.
	Pinned     map[string]string
	Registry   string
	PullSecret string
	// PodLabels and PodAnnotations are put on every pod, besides the opt-outs.
	PodLabels, PodAnnotations map[string]string
	// Tolerations are those that pods get on a node, by its name.
	Tolerations map[string][]corev1.Toleration
}

// Place pins the manifest to its target and gives all its objects names of
// their own. Only the name, the labels and annotations, the placement and the images' references
// (with imagePullPolicy IfNotPresent, so that a loaded image serves) change.
func (m Manifest) Place(p Placement) Manifest {
	suffix := "-" + probe.RandomHex(4)
	labels := map[string]string{RunLabel: p.RunID}
	placed := Manifest{File: m.File, Pod: m.Pod.DeepCopy(), Markers: m.Markers, Documented: m.imagesByContainer()}
	pod := placed.Pod
	pod.Name += suffix
	pod.Labels = p.podLabels(merged(pod.Labels, labels))
	pod.Annotations = p.podAnnotations(pod.Annotations)
	for _, s := range m.Secrets {
		s = s.DeepCopy()
		s.Name, s.Labels = s.Name+suffix, merged(s.Labels, labels)
		placed.Secrets = append(placed.Secrets, s)
	}
	for _, c := range m.ConfigMaps {
		c = c.DeepCopy()
		c.Name, c.Labels = c.Name+suffix, merged(c.Labels, labels)
		placed.ConfigMaps = append(placed.ConfigMaps, c)
	}
	follow(pod, suffix)
	p.sayAppArmor(pod)
	use := func(image *string, policy *corev1.PullPolicy) {
		// The server's default for an image without a tag is Always, which asks a
		// registry even where the image is on the node.
		*image, *policy = p.Image(*image), corev1.PullIfNotPresent
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			use(&containers[i].Image, &containers[i].ImagePullPolicy)
		}
	}
	for i := range pod.Spec.EphemeralContainers {
		use(&pod.Spec.EphemeralContainers[i].Image, &pod.Spec.EphemeralContainers[i].ImagePullPolicy)
	}
	if p.PullSecret != "" {
		pod.Spec.ImagePullSecrets = append(pod.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: p.PullSecret})
	}
	if p.Target.RuntimeClass != "" {
		pod.Spec.RuntimeClassName = &p.Target.RuntimeClass
	}
	if p.Target.Node != "" {
		pod.Spec.Affinity = onNode(p.Target.Node)
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, p.Tolerations[p.Target.Node]...)
	}
	if m.Workload != nil {
		placed.Workload = placedWorkload(m.Workload, pod)
	}
	return placed
}

// follow has a pod name the Secrets and ConfigMaps that were renamed with it.
func follow(pod *corev1.Pod, suffix string) {
	secret := func(source *corev1.SecretProjection) {
		if source != nil {
			source.Name += suffix
		}
	}
	configMap := func(source *corev1.ConfigMapProjection) {
		if source != nil {
			source.Name += suffix
		}
	}
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if v.Secret != nil {
			v.Secret.SecretName += suffix
		}
		if v.ConfigMap != nil {
			v.ConfigMap.Name += suffix
		}
		if v.Projected != nil {
			for _, source := range v.Projected.Sources {
				secret(source.Secret)
				configMap(source.ConfigMap)
			}
		}
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			followEnvironment(containers[i].EnvFrom, containers[i].Env, suffix)
		}
	}
	for i := range pod.Spec.EphemeralContainers {
		c := &pod.Spec.EphemeralContainers[i]
		followEnvironment(c.EnvFrom, c.Env, suffix)
	}
}

func followEnvironment(whole []corev1.EnvFromSource, single []corev1.EnvVar, suffix string) {
	for i := range whole {
		if from := whole[i].SecretRef; from != nil {
			from.Name += suffix
		}
		if from := whole[i].ConfigMapRef; from != nil {
			from.Name += suffix
		}
	}
	for i := range single {
		from := single[i].ValueFrom
		if from == nil {
			continue
		}
		if from.SecretKeyRef != nil {
			from.SecretKeyRef.Name += suffix
		}
		if from.ConfigMapKeyRef != nil {
			from.ConfigMapKeyRef.Name += suffix
		}
	}
}

// New is the pod as it can be created.
func (m Manifest) New() *corev1.Pod {
	pod := m.Pod.DeepCopy()
	pod.Spec.EphemeralContainers = nil
	return pod
}

// Ephemeral is what is added to the pod when it runs.
func (m Manifest) Ephemeral() []corev1.EphemeralContainer { return m.Pod.Spec.EphemeralContainers }

// YAML is the manifest as kubectl can create it.
func (m Manifest) YAML() string {
	var documents []string
	add := func(kind string, object any) {
		text, err := yaml.Marshal(object)
		if err != nil {
			text = fmt.Appendf(nil, "# cannot be shown: %v\n", err)
		}
		documents = append(documents, "apiVersion: v1\nkind: "+kind+"\n"+string(text))
	}
	for _, c := range m.ConfigMaps {
		c = c.DeepCopy()
		c.TypeMeta = metav1.TypeMeta{}
		add("ConfigMap", c)
	}
	for _, s := range m.Secrets {
		s = s.DeepCopy()
		s.TypeMeta = metav1.TypeMeta{}
		add("Secret", s)
	}
	if m.Workload != nil {
		text, err := yaml.Marshal(m.Workload)
		if err != nil {
			text = fmt.Appendf(nil, "# cannot be shown: %v\n", err)
		}
		return strings.Join(append(documents, string(text)), "---\n")
	}
	pod := m.New()
	pod.TypeMeta = metav1.TypeMeta{}
	add("Pod", pod)
	if len(m.Ephemeral()) > 0 {
		documents = append(documents, "# When it runs, its ephemeral containers are added: see "+EphemeralFile+"\n")
	}
	return strings.Join(documents, "---\n")
}

// EphemeralFile is the evidence that holds a pod's ephemeral containers.
const EphemeralFile = "ephemeral.json"

// EphemeralJSON is what `kubectl replace --raw` can send to the pod's
// subresource ephemeralcontainers, which takes nothing else of the pod. (kubectl
// debug cannot set a security context, and patch not every subresource.)
func (m Manifest) EphemeralJSON() string {
	text, err := json.MarshalIndent(map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": m.Pod.Name},
		"spec":     map[string]any{"ephemeralContainers": m.Ephemeral()},
	}, "", " ")
	if err != nil {
		text = fmt.Append(nil, err)
	}
	return string(text) + "\n"
}

// onNode pins a pod by the node's name, through the scheduler, as a DaemonSet's
// pods are: taints and resources still count, which spec.nodeName would bypass.
func onNode(node string) *corev1.Affinity {
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchFields: []corev1.NodeSelectorRequirement{{
					Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{node},
				}},
			}},
		},
	}}
}

// PinnedTo is the node that a placed pod is pinned to, or "".
func PinnedTo(pod *corev1.Pod) string {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.NodeAffinity == nil || pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return ""
	}
	for _, term := range pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, field := range term.MatchFields {
			if field.Key == "metadata.name" && len(field.Values) == 1 {
				return field.Values[0]
			}
		}
	}
	return ""
}

func merged(a, b map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

// sharing is spec.shareProcessNamespace as a word: "true", "false" or "absent".
func sharing(pod *corev1.Pod) string {
	if pod.Spec.ShareProcessNamespace == nil {
		return "absent"
	}
	return fmt.Sprint(*pod.Spec.ShareProcessNamespace)
}

// StateOf extracts what judges may know of a pod.
func StateOf(pod *corev1.Pod) PodState {
	state := PodState{
		Name: pod.Name, Node: pod.Spec.NodeName, Sharing: sharing(pod), HostPID: pod.Spec.HostPID,
		Phase: string(pod.Status.Phase), Reason: pod.Status.Reason, Containers: map[string]ContainerState{},
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			state.Ready = c.Status == corev1.ConditionTrue
		}
	}
	kinds := map[string]string{}
	for _, c := range pod.Spec.InitContainers {
		kinds[c.Name] = "init"
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			kinds[c.Name] = "sidecar"
		}
	}
	for _, c := range pod.Spec.EphemeralContainers {
		kinds[c.Name] = "ephemeral"
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses) {
		state.Containers[c.Name] = containerState(c, kinds[c.Name])
	}
	return state
}

func containerState(c corev1.ContainerStatus, kind string) ContainerState {
	state := ContainerState{
		Kind: kind, ID: c.ContainerID, Image: c.Image, Ready: c.Ready, Running: c.State.Running != nil, Restarts: int(c.RestartCount),
	}
	if c.State.Running != nil {
		state.StartedAt = c.State.Running.StartedAt.Unix()
	}
	if c.State.Waiting != nil {
		state.Waiting, state.Message = cmp.Or(c.State.Waiting.Reason, "unknown"), c.State.Waiting.Message
	}
	for _, ended := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
		if ended != nil && state.ExitCode == nil {
			code := int(ended.ExitCode)
			state.ExitCode, state.ExitReason, state.EndedAt = &code, ended.Reason, ended.FinishedAt.Unix()
		}
	}
	return state
}
