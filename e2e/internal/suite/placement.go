package suite

import (
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

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
	// Together says that the pods are deleted with those of other nodes, by NodeLabel.
	Together bool
	// Tolerations are those that pods get on a node, by its name.
	Tolerations map[string][]corev1.Toleration
}

// Place pins the manifest to its target and gives all its objects names of
// their own. Only the name, the labels and annotations, the placement and the images' references
// (with imagePullPolicy IfNotPresent, so that a loaded image serves) change.
func (m Manifest) Place(p Placement) Manifest {
	suffix := "-" + probe.RandomHex(4)
	labels := map[string]string{RunLabel: p.RunID}
	if p.Together {
		labels[NodeLabel] = IDOfNode(p.Target.Node)
	}
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
