package difference

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func owner(kind string, controller *bool) metav1.OwnerReference {
	return metav1.OwnerReference{Kind: kind, Controller: controller}
}

const policyOfPods = `
metadata: {name: inject}
spec:
  matchConstraints:
    namespaceSelector: {matchExpressions: [{key: procns.run, operator: Exists}]}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
`

const webhookOfPods = `
metadata: {name: istio}
webhooks:
- name: object.sidecar-injector.istio.io
  objectSelector: {matchExpressions: [{key: sidecar.istio.io/inject, operator: NotIn, values: ["false"]}]}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
`

func TestMatch(t *testing.T) {
	read := func(text string, into any) {
		require.NoError(t, yaml.UnmarshalStrict([]byte(text), into))
	}
	var policy admissionregistrationv1.MutatingAdmissionPolicy
	read(policyOfPods, &policy)
	var hook admissionregistrationv1.MutatingWebhookConfiguration
	read(webhookOfPods, &hook)
	binding := func(name string) []admissionregistrationv1.MutatingAdmissionPolicyBinding {
		return []admissionregistrationv1.MutatingAdmissionPolicyBinding{{Spec: admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: name}}}
	}
	pods := Subject{Version: "v1", Resource: "pods", Namespace: map[string]string{"procns.run": "r1"}}
	other := pods
	other.Namespace = nil
	optedOut := pods
	optedOut.Labels = map[string]string{"sidecar.istio.io/inject": "false"}
	deployments := pods
	deployments.Group, deployments.Resource = "apps", "deployments"
	all := Mutating{
		Policies: []admissionregistrationv1.MutatingAdmissionPolicy{policy},
		Webhooks: []admissionregistrationv1.MutatingWebhookConfiguration{hook}, Bindings: binding("inject"),
	}
	unbound := all
	unbound.Bindings = binding("another")
	policyOnly, hookOnly := []string{"policy inject"}, []string{"webhook istio/object.sidecar-injector.istio.io"}
	assert.Equal(t, append(policyOnly, hookOnly...), all.Match(pods))
	assert.Equal(t, hookOnly, all.Match(other), "another namespace")
	assert.Equal(t, hookOnly, unbound.Match(pods), "a policy without a binding does nothing")
	assert.Equal(t, policyOnly, all.Match(optedOut))
	assert.Empty(t, all.Match(deployments))
	changed := pods
	changed.Update = true
	assert.Empty(t, all.Match(changed), "neither is asked for updates")
	assert.Equal(t, append(policyOnly, hookOnly...), all.Match(deployments, pods))
}

func TestAttribution(t *testing.T) {
	var unknown *Attribution
	assert.False(t, unknown.Server())
	assert.Contains(t, unknown.String(), "may not list")
	assert.True(t, (&Attribution{}).Server())
	assert.Contains(t, (&Attribution{}).String(), "API server itself")
	assert.False(t, (&Attribution{Unread: "forbidden"}).Server())
	assert.Equal(t, "policy a, field manager b", (&Attribution{Matching: []string{"policy a"}, Managers: []string{"b"}}).String())
}

func TestManagers(t *testing.T) {
	var stored metav1.ObjectMeta
	require.NoError(t, yaml.Unmarshal([]byte(`
managedFields:
- {manager: procns, operation: Update, fieldsV1: {f:spec: {f:containers: {'k:{"name":"app"}': {.: {}, f:image: {}}}}}}
- {manager: kubelet, operation: Update, subresource: status, fieldsV1: {f:spec: {f:hostPID: {}}}}
- {manager: injector, operation: Update, fieldsV1: {f:metadata: {f:labels: {f:team: {}}}, f:spec: {f:containers: {'k:{"name":"proxy"}': {.: {}, f:name: {}}}}}}
`), &stored))
	for path, want := range map[string][]string{
		"spec.containers[proxy]":     {"injector"},
		"metadata.labels[team]":      {"injector"},
		"spec.containers[app].image": nil,
		"spec.hostPID":               nil,
	} {
		assert.Equal(t, want, Managers(stored, []Difference{{Path: path}}), path)
	}
}
