package suite

import "maps"

// OptOut is how a pod, or a namespace, says to a component that many clusters have
// that it wants nothing of it.
type OptOut struct {
	Of string // the component
	// Namespace are labels of namespaces; Labels and Annotations are pods'.
	Namespace, Labels, Annotations map[string]string
}

// OptOuts are the well-known ones, which all that a run creates has.
var OptOuts = []OptOut{
	{
		Of:          "Istio: no sidecar is injected",
		Namespace:   map[string]string{"istio-injection": "disabled"},
		Labels:      map[string]string{"sidecar.istio.io/inject": "false"},
		Annotations: map[string]string{"sidecar.istio.io/inject": "false"},
	},
	{Of: "Linkerd: no proxy is injected", Annotations: map[string]string{"linkerd.io/inject": "disabled"}},
	{Of: "Consul: no proxy is injected", Annotations: map[string]string{"consul.hashicorp.com/connect-inject": "false"}},
	{
		Of:        "Kuma: no sidecar is injected",
		Namespace: map[string]string{"kuma.io/sidecar-injection": "disabled"},
		Labels:    map[string]string{"kuma.io/sidecar-injection": "disabled"},
	},
	{Of: "Karpenter: the node is not disrupted while the pod runs", Annotations: map[string]string{"karpenter.sh/do-not-disrupt": "true"}},
	{Of: "cluster-autoscaler: the pod is not evicted", Annotations: map[string]string{"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}},
	{
		Of:        "OpenShift: the namespace's level of Pod Security is not synchronized",
		Namespace: map[string]string{"security.openshift.io/scc.podSecurityLabelSync": "false"},
	},
}

// OptOutLabels are those of the run's namespaces.
func OptOutLabels() map[string]string {
	all := map[string]string{}
	for _, o := range OptOuts {
		maps.Copy(all, o.Namespace)
	}
	return all
}

// podLabels and podAnnotations are those of every pod, in the order of their weight:
// the opt-outs, what the user asked for, what the manifest says.
func (p Placement) podLabels(own map[string]string) map[string]string {
	all := map[string]string{}
	for _, o := range OptOuts {
		maps.Copy(all, o.Labels)
	}
	return merged(merged(all, p.PodLabels), own)
}

func (p Placement) podAnnotations(own map[string]string) map[string]string {
	all := map[string]string{}
	for _, o := range OptOuts {
		maps.Copy(all, o.Annotations)
	}
	return merged(merged(all, p.PodAnnotations), own)
}
