package difference

import (
	"slices"
	"strings"
)

// The facts: what is no change of the pod. Every API server fills in the defaults,
// and every cluster's own admission and controllers add the rest.

// defaults are what the API server fills in where a manifest says nothing, or what
// the absence means. Source: Kubernetes, pkg/apis/core/v1/defaults.go, and the API
// reference. "C" is a container of any list, "P" a probe or hook of one.
var defaults = map[string]any{
	"spec.restartPolicy":                            "Always",
	"spec.dnsPolicy":                                "ClusterFirst",
	"spec.schedulerName":                            "default-scheduler",
	"spec.terminationGracePeriodSeconds":            30.0,
	"spec.enableServiceLinks":                       true,
	"spec.automountServiceAccountToken":             true,
	"spec.preemptionPolicy":                         "PreemptLowerPriority",
	"spec.priority":                                 0.0,
	"spec.serviceAccountName":                       "default",
	"spec.serviceAccount":                           "default",
	"spec.hostUsers":                                true,
	"spec.setHostnameAsFQDN":                        false,
	"spec.os.name":                                  "linux",
	"spec.securityContext.runAsNonRoot":             false,
	"spec.securityContext.fsGroupChangePolicy":      "Always",
	"spec.securityContext.supplementalGroupsPolicy": "Merge",
	"spec.volumes[].secret.defaultMode":             420.0,
	"spec.volumes[].secret.optional":                false,
	"spec.volumes[].configMap.defaultMode":          420.0,
	"spec.volumes[].projected.defaultMode":          420.0,
	"spec.volumes[].downwardAPI.defaultMode":        420.0,
	"C.terminationMessagePath":                      "/dev/termination-log",
	"C.terminationMessagePolicy":                    "File",
	"C.securityContext.procMount":                   "Default",
	"C.securityContext.privileged":                  false,
	"C.securityContext.allowPrivilegeEscalation":    true,
	"C.securityContext.readOnlyRootFilesystem":      false,
	"C.securityContext.runAsNonRoot":                false,
	"C.env[].valueFrom.fieldRef.apiVersion":         "v1",
	"C.env[].valueFrom.secretKeyRef.optional":       false,
	"C.env[].valueFrom.configMapKeyRef.optional":    false,
	"C.ports[].protocol":                            "TCP",
	"C.volumeMounts[].recursiveReadOnly":            "Disabled",
	"P.timeoutSeconds":                              1.0,
	"P.periodSeconds":                               10.0,
	"P.successThreshold":                            1.0,
	"P.failureThreshold":                            3.0,
	"P.httpGet.scheme":                              "HTTP",
	"P.httpGet.path":                                "/",
	"spec.volumes[].projected.sources[].serviceAccountToken.expirationSeconds":   3600.0,
	"spec.volumes[].projected.sources[].downwardAPI.items[].fieldRef.apiVersion": "v1",
	"spec.volumes[].downwardAPI.items[].fieldRef.apiVersion":                     "v1",
}

// ownLabels, ownAnnotations and ownFinalizers are put on pods by Kubernetes' own
// controllers and admission, and by the suite itself (procns/). One that ends with a
// slash or a dot stands for all that begin so.
var (
	ownLabels = []string{
		"pod-template-hash", "controller-revision-hash", "pod-template-generation", "statefulset.kubernetes.io/pod-name",
		"apps.kubernetes.io/pod-index", "job-name", "controller-uid", "batch.kubernetes.io/",
		"topology.kubernetes.io/", // PodTopologyLabels
	}
	ownAnnotations = []string{
		"kubernetes.io/config.", "kubernetes.io/limit-ranger", "batch.kubernetes.io/", "procns/",
		// What the fields say as well, until v1.26.
		"seccomp.security.alpha.kubernetes.io/", "container.seccomp.security.alpha.kubernetes.io/",
	}
	ownFinalizers = []string{"batch.kubernetes.io/job-tracking"}
	// ownTolerations are those of DefaultTolerationSeconds, of Priority and of the
	// DaemonSets' controller.
	ownTolerations = []string{
		"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "node.kubernetes.io/disk-pressure",
		"node.kubernetes.io/memory-pressure", "node.kubernetes.io/pid-pressure", "node.kubernetes.io/unschedulable",
		"node.kubernetes.io/network-unavailable",
	}
)

// tokenMount and tokenVolume are what the ServiceAccount admission adds.
const (
	tokenMount  = "/var/run/secrets/kubernetes.io/serviceaccount"
	tokenVolume = "kube-api-access-"
)

// made are the values that tell of what makes the pod: the facts depend on it.
type made struct {
	// by is the kind of the pod's controller: "StatefulSet", "DaemonSet", …
	by string
	// later says that ephemeral containers are still to be added.
	later bool
	// annotations are those that say what the pod's fields say.
	annotations map[string]string
}

// fact tells whether the API server, or what every cluster has, makes this of a
// manifest. above are the objects in which the path lies, the innermost last.
func fact(at path, sent, stored any, above []pair, made made) bool {
	pattern := at.pattern()
	switch pattern {
	case "spec.nodeName": // the scheduler's
		return sent == nil
	case "spec.hostname", "spec.subdomain":
		return made.by == "StatefulSet" && sent == nil
	case "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms":
		return made.by == "DaemonSet"
	case "spec.tolerations[]":
		toleration, _ := stored.(map[string]any)
		key, _ := toleration["key"].(string)
		return sent == nil && slices.Contains(ownTolerations, key)
	case "spec.volumes[]":
		return sent == nil && strings.HasPrefix(at.key(), tokenVolume)
	case "C.volumeMounts[]":
		return sent == nil && at.key() == tokenMount
	case "metadata.labels[]":
		return sent == nil && begins(at.key(), ownLabels)
	case "metadata.annotations[]":
		same, ok := made.annotations[at.key()]
		return sent == nil && (begins(at.key(), ownAnnotations) || ok && stored == same)
	case "metadata.finalizers[]":
		return sent == nil && begins(at.key(), ownFinalizers)
	case "spec.ephemeralContainers[]":
		return stored == nil && made.later
	case "C.imagePullPolicy":
		// Defaults are filled in before webhooks and policies change an image.
		in := above[len(above)-1]
		return sent == nil && (stored == pullPolicy(in.sent["image"]) || stored == pullPolicy(in.stored["image"]))
	case "C.resources.requests[]": // a limit is a request as well
		limits, _ := above[len(above)-2].stored["limits"].(map[string]any)
		return sent == nil && limits[at.last()] == stored
	case "C.resizePolicy[]":
		policy, _ := stored.(map[string]any)
		return sent == nil && policy["restartPolicy"] == "NotRequired"
	}
	return sent == nil && (isDefault(pattern, stored) || isDefault(probePattern(pattern), stored))
}

func isDefault(pattern string, value any) bool {
	known, ok := defaults[pattern]
	return ok && known == value
}

// probePattern is a pattern inside of a probe or hook, which begins with "P".
func probePattern(pattern string) string {
	for _, probe := range []string{"C.livenessProbe.", "C.readinessProbe.", "C.startupProbe.", "C.lifecycle.postStart.", "C.lifecycle.preStop."} {
		if inside, ok := strings.CutPrefix(pattern, probe); ok {
			return "P." + inside
		}
	}
	return ""
}

func begins(name string, with []string) bool {
	return slices.ContainsFunc(with, func(known string) bool {
		if strings.HasSuffix(known, "/") || strings.HasSuffix(known, ".") {
			return strings.HasPrefix(name, known)
		}
		return name == known
	})
}

// pullPolicy is the default: Always for the tag latest.
func pullPolicy(image any) any {
	reference, _ := image.(string)
	if _, tag, digest := parts(reference); tag == "latest" && digest == "" {
		return "Always"
	}
	return "IfNotPresent"
}
