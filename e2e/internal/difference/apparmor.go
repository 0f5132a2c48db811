package difference

import corev1 "k8s.io/api/core/v1"

// AppArmorAnnotation is the key and the value by which servers before v1.30 are told a
// container's AppArmor profile (Kubernetes documentation, “Restrict a Container's Access to
// Resources with AppArmor”).
func AppArmorAnnotation(container string, profile corev1.AppArmorProfile) (key, value string) {
	key = appArmorAnnotation + container
	switch profile.Type {
	case corev1.AppArmorProfileTypeUnconfined:
		return key, corev1.DeprecatedAppArmorBetaProfileNameUnconfined
	case corev1.AppArmorProfileTypeLocalhost:
		if profile.LocalhostProfile != nil {
			return key, corev1.DeprecatedAppArmorBetaProfileNamePrefix + *profile.LocalhostProfile
		}
	}
	return key, corev1.DeprecatedAppArmorBetaProfileRuntimeDefault
}

// appArmorAnnotations are those that a server, for the sake of nodes before v1.30, adds to a
// pod whose containers' fields say the same (KEP-24, version skew).
func appArmorAnnotations(pod *corev1.Pod) map[string]string {
	annotations := map[string]string{}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range containers {
			var profile *corev1.AppArmorProfile
			if pod.Spec.SecurityContext != nil {
				profile = pod.Spec.SecurityContext.AppArmorProfile
			}
			if c.SecurityContext != nil && c.SecurityContext.AppArmorProfile != nil {
				profile = c.SecurityContext.AppArmorProfile
			}
			if profile != nil {
				key, value := AppArmorAnnotation(c.Name, *profile)
				annotations[key] = value
			}
		}
	}
	return annotations
}
