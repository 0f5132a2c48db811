package suite

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// TestOptOuts: every pod has them, whoever makes it, and whatever was asked for
// besides; the manifest's own say stays.
func TestOptOuts(t *testing.T) {
	placement := Placement{RunID: "r1", PodLabels: map[string]string{"team": "a", "sidecar.istio.io/inject": "true"}, PodAnnotations: map[string]string{"note": "b"}}
	m := decoded(t)
	m.Pod.Labels = map[string]string{"team": "own"}
	placed := m.Place(placement)
	workload, err := DecodeManifest("job.yaml", []byte("apiVersion: batch/v1\nkind: Job\nmetadata: {name: job}\nspec: {template: {spec: {containers: [{name: one, image: busybox}]}}}\n"))
	require.NoError(t, err)
	template, ok := TemplateOf(workload.Place(placement).Workload)
	require.True(t, ok)
	for name, pod := range map[string]*corev1.Pod{"pod": placed.Pod, "template": template, "copy": placement.debugCopy(placed.Pod, true, "busybox", "-copy")} {
		assert.Equal(t, "r1", pod.Labels[RunLabel], name)
		assert.Equal(t, "disabled", pod.Labels["kuma.io/sidecar-injection"], name)
		assert.Equal(t, "true", pod.Labels["sidecar.istio.io/inject"], "%s: who asks for it gets it", name)
		assert.Equal(t, "disabled", pod.Annotations["linkerd.io/inject"], name)
		assert.Equal(t, "true", pod.Annotations["karpenter.sh/do-not-disrupt"], name)
		assert.Equal(t, "b", pod.Annotations["note"], name)
	}
	assert.Equal(t, "own", placed.Pod.Labels["team"])
	assert.Equal(t, "a", template.Labels["team"])
	assert.Equal(t, "disabled", OptOutLabels()["istio-injection"])
	for _, o := range OptOuts {
		assert.NotEmpty(t, o.Of)
		for _, all := range []map[string]string{o.Namespace, o.Labels, o.Annotations} {
			for key, value := range all {
				assert.Empty(t, validation.IsQualifiedName(key))
				assert.Empty(t, validation.IsValidLabelValue(value))
			}
		}
	}
}
