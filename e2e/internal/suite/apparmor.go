package suite

import (
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/difference"
)

// appArmorVersion is the first version whose API has securityContext.appArmorProfile.
// Servers before it drop the field, or refuse the pod; the same is said there by an
// annotation for each container (Kubernetes documentation, “Restrict a Container's Access
// to Resources with AppArmor”).
var appArmorVersion = Version{1, 30}

// sayAppArmor says the containers' AppArmor profiles as the server understands it. A
// server of which nothing is known is taken for a recent one.
func (p Placement) sayAppArmor(pod *corev1.Pod) {
	if p.Server == (Version{}) || !p.Server.Before(appArmorVersion) {
		return
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			c := &containers[i]
			if c.SecurityContext == nil || c.SecurityContext.AppArmorProfile == nil {
				continue
			}
			key, value := difference.AppArmorAnnotation(c.Name, *c.SecurityContext.AppArmorProfile)
			pod.Annotations = merged(pod.Annotations, map[string]string{key: value})
			c.SecurityContext.AppArmorProfile = nil
			if *c.SecurityContext == (corev1.SecurityContext{}) {
				c.SecurityContext = nil
			}
		}
	}
}
