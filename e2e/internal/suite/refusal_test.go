package suite

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The texts are those that API servers, plugins and policy engines send.
const (
	byVAP    = `pods "lookout-1" is forbidden: ValidatingAdmissionPolicy 'no-host-pid' with binding 'no-host-pid' denied request: host PID is not allowed here`
	byMAP    = `policy 'set-user' with binding 'everywhere' denied request: composited variable 'x' fails to compile`
	bySCC    = `pods "share-1" is forbidden: unable to validate against any security context constraint: [provider "anyuid": Forbidden: not usable by user or serviceaccount, provider restricted-v2: .containers[1].capabilities.add: Invalid value: "SYS_PTRACE": capability may not be added]`
	byPSP    = `pods "share-1" is forbidden: PodSecurityPolicy: unable to admit pod: [spec.securityContext.hostPID: Invalid value: true: Host PID is not allowed to be used]`
	byOldPSP = `pods "share-1" is forbidden: unable to validate against any pod security policy: [spec.securityContext.hostPID: Invalid value: true: Host PID is not allowed to be used]`
	byPSA    = `pods "share-1" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities (container "shell" must not include "SYS_PTRACE" in securityContext.capabilities.add)`
	byRBAC   = `pods "share-1" is forbidden: User "system:serviceaccount:procns:procns" cannot patch resource "pods/resize" in API group "" in the namespace "procns-1"`
	byKyv    = "admission webhook \"validate.kyverno.svc-fail\" denied the request: \n\nresource Pod/procns-1/lookout-1 was blocked due to the following policies \n\ndisallow-host-namespaces:\n  host-namespaces: 'validation error: Sharing the host namespaces is disallowed. rule host-namespaces failed at path /spec/hostPID/'\n"
	byGate   = `admission webhook "validation.gatekeeper.sh" denied the request: [psp-host-namespace] Sharing the host namespace is not allowed: lookout-1`
	byOldGK  = `admission webhook "validation.gatekeeper.sh" denied the request: [denied by psp-host-namespace] Sharing the host namespace is not allowed: lookout-1`
	bothSet  = `Pod "lookout-1" is invalid: spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled`
)

func TestRefusal(t *testing.T) {
	for name, test := range map[string]struct {
		answer Answer
		want   Refusal // without Said
		said   string  // how it begins
	}{
		"accepted":      {Answer{Code: 201, Sharing: "true"}, Refusal{}, ""},
		"no answer":     {Answer{}, Refusal{By: ByUnknown}, ""},
		"validation":    {Answer{Code: 422, Reason: "Invalid", Message: bothSet}, Refusal{By: ByValidation}, "spec.shareProcessNamespace: Invalid value"},
		"of a template": {Answer{Code: 422, Reason: "Invalid", Message: `DaemonSet.apps "w" is invalid: spec.template.spec.hostPID: Invalid value: true: x`}, Refusal{By: ByValidation}, "spec.template"},
		"immutable":     {Answer{Code: 422, Reason: "Invalid", Message: "Pod \"p\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`\n@@ -1 @@"}, Refusal{By: ByValidation}, "spec: Forbidden"},
		"a patch":       {Answer{Code: 422, Reason: "Invalid", Message: ` "" is invalid: patch: Invalid value: "map[spec:1]": cannot restore map from string`}, Refusal{By: ByValidation}, "patch: "},
		"decoding":      {Answer{Code: 400, Reason: "BadRequest", Message: `Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field PodSpec.spec.shareProcessNamespace of type bool`}, Refusal{By: ByDecoding}, "json: cannot unmarshal"},
		"old decoding":  {Answer{Code: 400, Reason: "BadRequest", Message: `Pod in version "v1" cannot be handled as a Pod: v1.Pod.Spec: v1.PodSpec.ShareProcessNamespace: ReadBool: expect t or f, but found ", error found in #10 byte`}, Refusal{By: ByDecoding}, "v1.Pod.Spec"},
		"strict":        {Answer{Code: 400, Reason: "BadRequest", Message: `strict decoding error: unknown field "spec.sharedProcessNamespace"`}, Refusal{By: ByDecoding}, "unknown field"},

		"Pod Security":             {Answer{Code: 403, Reason: "Forbidden", Message: byPSA}, Refusal{By: ByPodSecurity, Name: "baseline"}, "non-default capabilities"},
		"Pod Security, a version":  {Answer{Code: 403, Reason: "Forbidden", Message: `pods "p" is forbidden: violates PodSecurity "restricted:v1.30": host namespaces (hostPID=true)`}, Refusal{By: ByPodSecurity, Name: "restricted"}, "host namespaces"},
		"Pod Security's webhook":   {Answer{Code: 403, Reason: "Forbidden", Message: `admission webhook "pod-security-webhook.kubernetes.io" denied the request: ` + byPSA}, Refusal{By: ByWebhook, Name: "pod-security-webhook.kubernetes.io"}, `pods "share-1"`},
		"a policy":                 {Answer{Code: 422, Reason: "Invalid", Message: byVAP}, Refusal{By: ByPolicy, Name: "no-host-pid"}, "host PID is not allowed here"},
		"a policy with Forbidden":  {Answer{Code: 403, Reason: "Forbidden", Message: byVAP}, Refusal{By: ByPolicy, Name: "no-host-pid"}, "host PID"},
		"a policy, Unauthorized":   {Answer{Code: 401, Reason: "Unauthorized", Message: byVAP}, Refusal{By: ByPolicy, Name: "no-host-pid"}, "host PID"},
		"a policy, too large":      {Answer{Code: 413, Reason: "RequestEntityTooLarge", Message: byVAP}, Refusal{By: ByPolicy, Name: "no-host-pid"}, "host PID"},
		"a policy without binding": {Answer{Code: 422, Reason: "Invalid", Message: `jobs.batch "j" is forbidden: ValidatingAdmissionPolicy 'no-jobs' denied request: no`}, Refusal{By: ByPolicy, Name: "no-jobs"}, "no"},
		"a policy in our words":    {Answer{Code: 422, Reason: "Invalid", Message: `pods "p" is forbidden: ValidatingAdmissionPolicy 'x' denied request: ` + bothSet}, Refusal{By: ByPolicy, Name: "x"}, `Pod "lookout-1"`},
		"a mutating policy":        {Answer{Code: 403, Reason: "Forbidden", Message: byMAP}, Refusal{By: ByPolicy, Name: "set-user"}, "composited"},

		"a webhook":                 {Answer{Code: 403, Reason: "Forbidden", Message: `admission webhook "policy.example" denied the request: no`}, Refusal{By: ByWebhook, Name: "policy.example"}, "no"},
		"a webhook without a word":  {Answer{Code: 400, Message: `admission webhook "policy.example" denied the request without explanation`}, Refusal{By: ByWebhook, Name: "policy.example"}, "without explanation"},
		"a webhook with our status": {Answer{Code: 422, Reason: "Invalid", Message: `admission webhook "policy.example" denied the request: ` + bothSet, Kind: "Pod", Causes: []Cause{{Type: "FieldValueInvalid", Field: "spec.hostPID"}}}, Refusal{By: ByWebhook, Name: "policy.example"}, `Pod "lookout-1"`},
		"Kyverno":                   {Answer{Code: 400, Message: byKyv}, Refusal{By: ByWebhook, Name: "validate.kyverno.svc-fail", Rule: "disallow-host-namespaces"}, "resource Pod/"},
		"Gatekeeper":                {Answer{Code: 403, Reason: "Forbidden", Message: byGate}, Refusal{By: ByWebhook, Name: "validation.gatekeeper.sh", Rule: "psp-host-namespace"}, "[psp-host-namespace]"},
		"Gatekeeper before 3.6":     {Answer{Code: 403, Reason: "Forbidden", Message: byOldGK}, Refusal{By: ByWebhook, Name: "validation.gatekeeper.sh", Rule: "psp-host-namespace"}, "[denied by"},
		"a webhook that is down":    {Answer{Code: 500, Reason: "InternalError", Message: `Internal error occurred: failed calling webhook "mesh.example": failed to call webhook: Post "https://mesh:443/": dial tcp: connection refused`}, Refusal{By: ByWebhook, Name: "mesh.example", Down: true}, "the API server could not call it"},

		"a webhook without dry runs":    {Answer{Code: 400, Reason: "BadRequest", Message: `admission webhook "old.example" does not support dry run`}, Refusal{By: ByWebhook, Name: "old.example", NotDry: true}, "it does not support dry run"},
		"a webhook that may not change": {Answer{Code: 500, Reason: "InternalError", Message: `Internal error occurred: admission webhook "m.example" attempted to modify the object, which is not supported for this operation`}, Refusal{By: ByWebhook, Name: "m.example"}, "it attempted to modify"},
		"a webhook that quotes it":      {Answer{Code: 400, Message: `admission webhook "a.example" denied the request: admission webhook "b.example" does not support dry run`}, Refusal{By: ByWebhook, Name: "a.example"}, `admission webhook "b`},

		"SCC":                   {Answer{Code: 403, Reason: "Forbidden", Message: bySCC}, Refusal{By: ByConstraint}, "unable to validate"},
		"PodSecurityPolicy":     {Answer{Code: 403, Reason: "Forbidden", Message: byPSP}, Refusal{By: ByConstraint}, "PodSecurityPolicy"},
		"old PodSecurityPolicy": {Answer{Code: 403, Reason: "Forbidden", Message: byOldPSP}, Refusal{By: ByConstraint}, "unable to validate"},
		"quota":                 {Answer{Code: 403, Reason: "Forbidden", Message: `pods "p" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=2, limited: pods=2`}, Refusal{By: ByQuota, Name: "compute"}, "exceeded quota"},
		"quota needs limits":    {Answer{Code: 403, Reason: "Forbidden", Message: `pods "p" is forbidden: failed quota: compute: must specify limits.cpu for: shell`}, Refusal{By: ByQuota, Name: "compute"}, "failed quota"},
		"LimitRange":            {Answer{Code: 403, Reason: "Forbidden", Message: `pods "p" is forbidden: [maximum cpu usage per Container is 1, but limit is 2, minimum memory usage per Pod is 1Gi]`}, Refusal{By: ByQuota}, "[maximum"},
		"RBAC":                  {Answer{Code: 403, Reason: "Forbidden", Message: byRBAC}, Refusal{By: ByAuthorizer}, `User "system`},
		"RBAC, of a path":       {Answer{Code: 403, Reason: "Forbidden", Message: `forbidden: User "one" cannot get path "/openapi/v3/api/v1"`}, Refusal{By: ByAuthorizer}, `User "one"`},
		"who are you":           {Answer{Code: 401, Reason: "Unauthorized", Message: "Unauthorized"}, Refusal{By: ByAuthorizer}, "Unauthorized"},
		"ImagePolicyWebhook":    {Answer{Code: 403, Reason: "Forbidden", Message: `pods "p" is forbidden: image policy webhook backend denied one or more images: no`}, Refusal{By: ByPlugin}, "image policy"},
		"PodNodeSelector":       {Answer{Code: 403, Reason: "Forbidden", Message: `pods "p" is forbidden: pod node label selector conflicts with its namespace node label selector`}, Refusal{By: ByPlugin}, "pod node label"},
		"NodeRestriction":       {Answer{Code: 403, Reason: "Forbidden", Message: `pods "p" is forbidden: node "n" can only create mirror pods`}, Refusal{By: ByPlugin}, "node "},
		"terminating":           {Answer{Code: 403, Reason: "Forbidden", Message: `pods "p" is forbidden: unable to create new content in namespace x because it is being terminated`}, Refusal{By: ByPlugin}, "unable to create"},

		"budget":           {Answer{Code: 429, Reason: "TooManyRequests", Message: "Cannot evict pod as it would violate the pod's disruption budget.", Causes: []Cause{{Type: "DisruptionBudget", Message: "The disruption budget web needs 2 healthy pods and has 2 currently"}}}, Refusal{By: ByBudget}, "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget web needs"},
		"too many":         {Answer{Code: 429, Reason: "TooManyRequests", Message: "the server has received too many requests and has asked us to try again later"}, Refusal{By: ByTrouble}, "the server"},
		"conflict":         {Answer{Code: 409, Reason: "Conflict", Message: `Operation cannot be fulfilled on pods "p": the object has been modified`}, Refusal{By: ByConflict}, "Operation"},
		"not found":        {Answer{Code: 404, Reason: "NotFound", Message: `pods "p" not found`}, Refusal{By: ByAbsence}, "pods"},
		"etcd":             {Answer{Code: 500, Reason: "InternalError", Message: "etcdserver: request timed out"}, Refusal{By: ByTrouble}, "etcd"},
		"a proxy's page":   {Answer{Code: 403, Message: "<html>\n<title>403 Forbidden</title>\n<body>pods is forbidden: User cannot</body></html>"}, Refusal{By: ByUnknown}, "a page of HTML titled “403 Forbidden”"},
		"a proxy":          {Answer{Code: 400, Message: "<html>Bad Request</html>"}, Refusal{By: ByUnknown}, "a page of HTML without a title"},
		"validation's 400": {Answer{Code: 400, Message: bothSet}, Refusal{By: ByUnknown}, "Pod"},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.answer.Refusal()
			assert.True(t, len(got.Said) >= len(test.said) && got.Said[:len(test.said)] == test.said, "%q", got.Said)
			got.Said = ""
			assert.Equal(t, test.want, got)
		})
	}
}

// TestRefusalSaysWhoAndWhatToDo: one line, with the name, the reason and the way out.
func TestRefusalSaysWhoAndWhatToDo(t *testing.T) {
	assert.Equal(t, `HTTP 422 Invalid: the admission policy "no-host-pid" refused it: host PID is not allowed here `+
		`(exempt namespaces with the label procns.run from it while the suite runs)`,
		Answer{Code: 422, Reason: "Invalid", Message: byVAP}.String())
	for said, more := range map[string]bool{
		"you must provide labels: {\"owner\"}": true, "The label `team` is required": true, "Annotation cost-centre is missing": true,
		"host PID is not allowed here": false, "not on the labelled node": false,
	} {
		policy := Answer{Code: 422, Reason: "Invalid", Message: `pods "p" is forbidden: ValidatingAdmissionPolicy 'p' denied request: ` + said}.String()
		assert.Equal(t, more, strings.Contains(policy, "or set what it asks for with -namespace-label, -pod-label or -pod-annotation"), policy)
	}
	kyverno := Answer{Code: 400, Message: byKyv}.String()
	assert.NotContains(t, kyverno, "\n")
	assert.Contains(t, kyverno, `the admission webhook "validate.kyverno.svc-fail" by its policy "disallow-host-namespaces" refused it: resource Pod/procns-1`)
	assert.Equal(t, "HTTP 422 Invalid: "+bothSet, Answer{Code: 422, Reason: "Invalid", Message: bothSet}.String(), "the server's own words are kept")
}

// TestAnswerOf: the answer that an error carries has the details by which it is known.
func TestAnswerOf(t *testing.T) {
	_, ok := AnswerOf(errors.New("connection refused"))
	assert.False(t, ok)
	path := field.NewPath("spec", "shareProcessNamespace")
	err := fmt.Errorf("creating: %w", apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "one", field.ErrorList{field.Invalid(path, true, "no")}))
	answer, ok := AnswerOf(err)
	require.True(t, ok)
	assert.Equal(t, Answer{
		Code: 422, Reason: "Invalid", Kind: "Pod", Message: `Pod "one" is invalid: spec.shareProcessNamespace: Invalid value: true: no`,
		Causes: []Cause{{Type: "FieldValueInvalid", Field: "spec.shareProcessNamespace"}},
	}, answer)
	assert.True(t, answer.Refusal().Own())

	policy := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "one", errors.New("ValidatingAdmissionPolicy 'x' denied request: no"))
	policy.ErrStatus.Details.Causes = []metav1.StatusCause{{Message: "ValidatingAdmissionPolicy 'x' denied request: no"}}
	answer, _ = AnswerOf(policy)
	assert.Equal(t, []Cause{{Message: "ValidatingAdmissionPolicy 'x' denied request: no"}}, answer.Causes)

	failed := Failed(policy, "creating pod %s", "one")
	assert.EqualError(t, failed, `creating pod one: the admission policy "x" refused it: no (exempt namespaces with the label procns.run from it while the suite runs)`)
	assert.True(t, apierrors.IsForbidden(failed), "it can still be told by its cause")
	assert.EqualError(t, Failed(errors.New("cut"), "creating pod %s", "one"), "creating pod one: cut")
}

// TestRefusalIn: what a controller's event says of the pod that it could not create, and
// client-go of an exec.
func TestRefusalIn(t *testing.T) {
	for message, want := range map[string]Refusal{
		"Error creating: " + byVAP:                                                                         {By: ByPolicy, Name: "no-host-pid"},
		"create Pod w-0 in StatefulSet w failed error: " + byPSA:                                           {By: ByPodSecurity, Name: "baseline"},
		"Create Pod w-0 in StatefulSet w failed error: " + byPSA:                                           {By: ByPodSecurity, Name: "baseline"},
		"Error creating: " + byGate:                                                                        {By: ByWebhook, Name: "validation.gatekeeper.sh", Rule: "psp-host-namespace"},
		`Error creating: pods "w-1" is forbidden: exceeded quota: one, requested: pods=1`:                  {By: ByQuota, Name: "one"},
		`Error creating: Internal error occurred: failed calling webhook "m": no endpoints available`:      {By: ByWebhook, Name: "m", Down: true},
		`Error creating: pods "w-1" is forbidden: error looking up service account one/default: not found`: {By: ByPlugin},
		`Error creating: Pod "w-1" is invalid: spec.containers[1].image: Required value`:                   {By: ByValidation},
		"Error creating: timeout":                                                                          {By: ByUnknown},
		"":                                                                                                 {By: ByUnknown},
	} {
		got := RefusalIn(message)
		got.Said = ""
		assert.Equal(t, want, got, message)
		assert.Equal(t, want.By == ByPolicy || want.By == ByPodSecurity || want.Rule != "", got.Lasting(), message)
	}
}

// FuzzRefusal: whatever a policy or a webhook says, it is not taken for the server.
func FuzzRefusal(f *testing.F) {
	for _, text := range []string{byVAP, byMAP, bySCC, byPSP, byPSA, byRBAC, byKyv, byGate, bothSet, `strict decoding error: unknown field "x"`, "", `" is invalid: `, "\xff"} {
		f.Add(text, 422)
	}
	f.Fuzz(func(t *testing.T, said string, code int) {
		free := Answer{Code: code, Message: said}
		if r := free.Refusal(); r.Own() && (code != 400 && code != 422) {
			t.Errorf("%d %q is taken for the server's own: %+v", code, said, r)
		}
		if utf8.ValidString(said) && !utf8.ValidString(free.String()) {
			t.Errorf("%q makes an unreadable line", said)
		}
		for _, by := range []struct {
			before string
			want   Refuser
		}{
			{`admission webhook "a.example" denied the request: `, ByWebhook},
			{`Internal error occurred: failed calling webhook "a.example": `, ByWebhook},
			{`pods "p" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: `, ByPolicy},
			{`policy 'p' with binding 'b' denied request: `, ByPolicy},
		} {
			a := Answer{Code: code, Message: by.before + said}
			if !a.Accepted() && a.Refusal().By != by.want {
				t.Errorf("%q is taken for %q", a.Message, a.Refusal().By)
			}
		}
	})
}
