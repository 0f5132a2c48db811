package suite

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// A manifest as it is sent, and as a reader can send it again.

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
