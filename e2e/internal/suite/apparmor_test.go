package suite

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// TestSayAppArmor: a profile is a field where the server's API has it, and an annotation
// before; nothing else of the pod changes.
func TestSayAppArmor(t *testing.T) {
	const manifest = `apiVersion: v1
kind: Pod
metadata: {name: app, annotations: {kept: "yes"}}
spec:
  initContainers:
  - {name: first, image: busybox, securityContext: {appArmorProfile: {type: Localhost, localhostProfile: mine}}}
  containers:
  - {name: killer, image: busybox, securityContext: {appArmorProfile: {type: Unconfined}}}
  - {name: root, image: busybox, securityContext: {runAsUser: 0, appArmorProfile: {type: RuntimeDefault}}}
  - {name: plain, image: busybox, securityContext: {runAsUser: 0}}
`
	m, err := DecodeManifest("app.yaml", []byte(manifest))
	require.NoError(t, err)
	const prefix = "container.apparmor.security.beta.kubernetes.io/"
	for name, row := range map[string]struct {
		server      Version
		annotations map[string]string
	}{
		"not known": {Version{}, map[string]string{"kept": "yes"}},
		"v1.37":     {Version{1, 37}, map[string]string{"kept": "yes"}},
		"v1.30":     {Version{1, 30}, map[string]string{"kept": "yes"}},
		"v1.29": {Version{1, 29}, map[string]string{
			"kept": "yes", prefix + "first": "localhost/mine", prefix + "killer": "unconfined", prefix + "root": "runtime/default",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := m.Place(Placement{Server: row.server}).Pod
			got := map[string]string{} // besides what every pod of a run is given
			for key, value := range pod.Annotations {
				if key == "kept" || strings.HasPrefix(key, prefix) {
					got[key] = value
				}
			}
			assert.Equal(t, row.annotations, got)
			fields := len(row.annotations) == 1
			killer, root := pod.Spec.Containers[0].SecurityContext, pod.Spec.Containers[1].SecurityContext
			if fields {
				assert.Equal(t, corev1.AppArmorProfileTypeUnconfined, killer.AppArmorProfile.Type)
				assert.NotNil(t, root.AppArmorProfile)
			} else {
				assert.Nil(t, killer, "an empty context would be a difference to the pod that is stored")
				assert.Nil(t, root.AppArmorProfile)
			}
			assert.EqualValues(t, 0, *root.RunAsUser)
			assert.Equal(t, m.Pod.Spec.Containers[2].SecurityContext, pod.Spec.Containers[2].SecurityContext)
		})
	}
	assert.NotNil(t, m.Pod.Spec.Containers[0].SecurityContext.AppArmorProfile, "the decoded manifest stays as it is")
}
