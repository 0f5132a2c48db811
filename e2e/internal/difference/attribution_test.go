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

// TestRulesMatch: rules name resources, and what they leave out, in the ways that the API server reads.
func TestRulesMatch(t *testing.T) {
	const pods, ephemeral = "pods", "pods/ephemeralcontainers"
	for name, row := range map[string]struct {
		rule, exclude string
		matches       []string
	}{
		"pods":                          {"resources: [pods]", "", []string{pods}},
		"pods and their subresources":   {`resources: ["pods/*"]`, "", []string{pods, ephemeral}},
		"everything":                    {`resources: ["*/*"]`, "", []string{pods, ephemeral}},
		"every resource":                {`resources: ["*"]`, "", []string{pods}},
		"one subresource":               {`resources: [pods/ephemeralcontainers]`, "", []string{ephemeral}},
		"one subresource of whatever":   {`resources: ["*/ephemeralcontainers"]`, "", []string{ephemeral}},
		"another's subresources":        {`resources: ["deployments/*"]`, "", nil},
		"without pods":                  {`resources: ["*/*"]`, "resources: [pods]", []string{ephemeral}},
		"without pods of some name":     {`resources: ["*/*"]`, "resourceNames: [kube-proxy], resources: [pods]", []string{pods, ephemeral}},
		"without pods of old versions":  {"resources: [pods]", "resources: [pods], apiVersions: [v1beta1]", []string{pods}},
		"without what has no namespace": {"resources: [pods]", `resources: ["*"], scope: Cluster`, []string{pods}},
		"without what has one":          {"resources: [pods]", `resources: ["*"], scope: Namespaced`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			read := func(rule string) []admissionregistrationv1.NamedRuleWithOperations {
				if rule == "" {
					return nil
				}
				one := admissionregistrationv1.NamedRuleWithOperations{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
					Operations: []admissionregistrationv1.OperationType{"*"},
					Rule:       admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}},
				}}
				require.NoError(t, yaml.UnmarshalStrict([]byte("{"+rule+"}"), &one))
				return []admissionregistrationv1.NamedRuleWithOperations{one}
			}
			all := Mutating{
				Policies: []admissionregistrationv1.MutatingAdmissionPolicy{{Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
					MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: read(row.rule), ExcludeResourceRules: read(row.exclude)},
				}}},
				Bindings: []admissionregistrationv1.MutatingAdmissionPolicyBinding{{}},
			}
			var matched []string
			for _, resource := range []string{pods, ephemeral} {
				if len(all.Match(Subject{Version: "v1", Resource: resource})) > 0 {
					matched = append(matched, resource)
				}
			}
			assert.Equal(t, row.matches, matched)
		})
	}
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
