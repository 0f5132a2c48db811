package difference

import (
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
)

// TestAppArmorAnnotation: an annotation that says what a field says, as servers add it for
// older nodes, is no change; one that says another thing is.
func TestAppArmorAnnotation(t *testing.T) {
	mine := "mine"
	profile := func(of corev1.AppArmorProfileType) *corev1.AppArmorProfile {
		p := &corev1.AppArmorProfile{Type: of}
		if of == corev1.AppArmorProfileTypeLocalhost {
			p.LocalhostProfile = &mine
		}
		return p
	}
	for name, row := range map[string]struct {
		pod, container *corev1.AppArmorProfile
		annotation     string
		want           int
	}{
		"unconfined":            {nil, profile("Unconfined"), "unconfined", 0},
		"the runtime's":         {nil, profile("RuntimeDefault"), "runtime/default", 0},
		"a profile of the node": {nil, profile("Localhost"), "localhost/mine", 0},
		"the pod's":             {profile("Unconfined"), nil, "unconfined", 0},
		"the container's first": {profile("Unconfined"), profile("RuntimeDefault"), "runtime/default", 0},
		"another":               {nil, profile("Unconfined"), "localhost/mine", 1},
		"without a field":       {nil, nil, "unconfined", 1},
	} {
		t.Run(name, func(t *testing.T) {
			sent := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "killer"}}}}
			if row.pod != nil {
				sent.Spec.SecurityContext = &corev1.PodSecurityContext{AppArmorProfile: row.pod}
			}
			if row.container != nil {
				sent.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{AppArmorProfile: row.container}
			}
			stored := sent.DeepCopy()
			stored.Annotations = map[string]string{"container.apparmor.security.beta.kubernetes.io/killer": row.annotation}
			found := Pods(sent, stored, Options{})
			assert.Len(t, found, row.want)
			for _, d := range found {
				assert.Equal(t, AppArmor, d.Class)
			}
		})
	}
}
