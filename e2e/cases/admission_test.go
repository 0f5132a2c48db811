package cases

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// stored is a fault: the server stores the field as another value.
func stored(value string) breakage {
	return answered("the field is stored as "+value, "create", suite.Answer{Code: 201, Sharing: value})
}

// answered is a fault: the server answers a request otherwise.
func answered(what, request string, answer suite.Answer) breakage {
	return breakage{request + ": " + what, func(o *suite.Observation) { o.Answers[request] = answer }}
}

// admits is a fault: the server accepts what it must refuse.
func admits(request string) breakage {
	return answered("it is accepted", request, suite.Answer{Code: 201, Sharing: "true"})
}

// loses is a fault: the server accepts, but returns the field as another value.
func loses(request, value string) breakage {
	return answered("the field comes back as "+value, request, suite.Answer{Code: 201, Sharing: value})
}

// invalid is a fault: the server refuses what it must accept, or for a reason
// other than the one it must have.
func invalid(request string) breakage {
	return answered("it is invalid for another reason", request, suite.Answer{
		Code: 422, Reason: "Invalid", Message: `Pod "one" is invalid: spec.containers: Required value`,
	})
}

// insecure is a fault: Pod Security refuses at this level, for a reason other than
// SYS_PTRACE.
func insecure(level, request string) breakage {
	return answered("Pod Security has another objection", request, suite.Answer{
		Code: 403, Reason: "Forbidden", Message: `pods "one" is forbidden: violates PodSecurity "` + level + `:latest": host namespaces (hostPID=true)`,
	})
}

// sneaks is a fault: an update is refused, but changes the field all the same.
func sneaks(witness, value string) breakage {
	return answered("meanwhile the field has become "+value, witness, suite.Answer{Code: 200, Sharing: value})
}

var namespaceLeft = breakage{"the update moves a container into another PID namespace", func(o *suite.Observation) {
	o.After["two"].Namespaces["pid"]++
}}

// asked is a fault: kubelet asks the runtime for another PID mode.
func asked(mode string) breakage {
	return breakage{"the mode is " + mode, func(o *suite.Observation) { o.Ran["inspect"] = probe.CommandResult{Stdout: mode} }}
}

func templatesRefused() []breakage {
	var all []breakage
	for _, w := range workloads {
		all = append(all, admits(w.kind), invalid(w.kind))
	}
	return all
}

// admissionBreakages are the faults that the cases of admission must find.
var admissionBreakages = map[string][]breakage{
	"admission/false-is-kept":       {stored("absent"), stored("true")},
	"admission/absent-stays-absent": {stored("false"), stored("true")},
	"admission/same-in-json-and-protobuf": {
		answered("the protobuf form lost it", "protobuf", suite.Answer{Code: 200, Sharing: "absent", Protobuf: true}),
		answered("the JSON form lost it", "label", suite.Answer{Code: 200, Sharing: "absent"}),
	},
	"admission/host-pid-excludes-sharing":  {admits("create"), invalid("create")},
	"admission/sharing-excludes-host-pid":  {admits("create"), loses("create", "false")},
	"admission/host-pid-goes-with-false":   {invalid("create"), loses("create", "absent")},
	"admission/templates-exclude-host-pid": templatesRefused(),
	"admission/windows-excludes-true":      {admits("create"), invalid("create")},
	"admission/windows-excludes-false":     {loses("create", "false"), loses("create", "absent"), invalid("create")},
	"admission/linux-goes-with-true":       {invalid("create"), loses("create", "absent")},
	"admission/text-is-refused":            {admits("text"), loses("text", "absent"), invalid("text")},
	"admission/number-is-refused":          {admits("number"), loses("number", "absent")},
	"admission/null-is-absent":             {admits("null"), loses("null", "false"), invalid("null")},
	"admission/typo-strict":                {loses("strict", "absent"), invalid("strict")},
	"admission/typo-warned":                {loses("warn", "absent"), invalid("warn"), admits("warn")},
	"admission/typo-ignored": {
		admits("ignore"), invalid("ignore"),
		answered("it warns", "ignore", suite.Answer{Code: 201, Sharing: "absent", Warnings: []string{"unknown field"}}),
	},
	"admission/baseline-refuses-ptrace":        {admits("create"), insecure(atBaseline, "create")},
	"admission/baseline-admits-without-ptrace": {insecure(atBaseline, "create"), loses("create", "false")},
	"admission/baseline-admits-sharing":        {insecure(atBaseline, "create"), loses("create", "absent")},
	"admission/restricted-refuses-ptrace":      {admits("create"), insecure(atRestricted, "create")},
	"admission/restricted-admits-sharing":      {insecure(atRestricted, "create"), loses("create", "absent")},
	"admission/restricted-pod-shares":          {namespaceOf("two"), hidden("one", "two"), pidReused("two", "one")},
	"admission/immutable-by-merge-patch": {
		loses("merge-absent", "absent"), loses("merge-false", "false"), invalid("merge-absent"), sneaks("label", "absent"), namespaceLeft, sandboxReplaced("one"),
	},
	"admission/immutable-by-strategic-patch":           {loses("strategic-absent", "absent"), sneaks("label", "absent"), namespaceLeft},
	"admission/immutable-by-apply":                     {loses("apply-false", "false"), sneaks("label", "false"), sandboxReplaced("one")},
	"admission/immutable-by-replacement":               {loses("replace-absent", "absent"), sneaks("label", "absent"), namespaceLeft},
	"admission/immutable-where-absent":                 {admits("merge-true"), admits("apply-true"), admits("replace-true"), sneaks("label", "true"), sandboxReplaced("one")},
	"admission/immutable-through-status":               {loses("status-false", "false"), sneaks("label", "false"), namespaceLeft},
	"admission/immutable-through-ephemeral-containers": {loses("ephemeral-false", "false"), sneaks("label", "false"), namespaceLeft},
	"admission/immutable-through-resize":               {loses("resize-false", "false"), sneaks("label", "false"), namespaceLeft},
	"admission/immutable-when-gated": {
		loses("merge-absent", "absent"), loses("merge-false", "false"), loses("replace-absent", "absent"), sneaks("node-selector", "false"),
	},
	"admission/immutable-when-gated-and-absent": {admits("merge-true"), admits("replace-true"), sneaks("node-selector", "true")},
	"admission/asks-for-a-pod-namespace":        {asked("CONTAINER"), asked("NODE"), asked("TARGET")},
	"admission/asks-for-container-namespaces":   {asked("POD"), asked("NODE")},
	"admission/asks-for-the-node-namespace":     {asked("POD"), asked("CONTAINER")},
	"admission/reference-text": {
		answered("it has no such field", "reference", suite.Answer{Code: 200}),
		answered("it does not speak of hostPID", "reference", suite.Answer{Code: 200, Body: "… will not be assigned PID 1."}),
		answered("it does not speak of PID 1", "reference", suite.Answer{Code: 200, Body: "HostPID and ShareProcessNamespace cannot both be set."}),
	},
}

// TestRefusalsByOthers: that a policy or a webhook objects, with whatever code, that
// somebody may not, that a quota is used up, that Pod Security enforces another
// level than the run set or the server fails, says nothing about the field.
func TestRefusalsByOthers(t *testing.T) {
	const policy = `pods "one" is forbidden: ValidatingAdmissionPolicy 'no-host-pid' with binding 'all' denied request: `
	for name, answer := range map[string]suite.Answer{
		"no answer":                   {},
		"no right to":                 {Code: 403, Reason: "Forbidden", Message: `pods is forbidden: User "one" cannot create resource "pods" in API group "" in the namespace "two"`},
		"a policy":                    {Code: 422, Reason: "Invalid", Message: policy + "host PID is not allowed here"},
		"a policy in our words":       {Code: 422, Reason: "Invalid", Message: policy + `Pod "one" is invalid: shareProcessNamespace: ` + bothEnabled},
		"a policy in Pod Security's":  {Code: 403, Reason: "Forbidden", Message: policy + `violates PodSecurity "baseline:latest": SYS_PTRACE`},
		"quota":                       {Code: 403, Reason: "Forbidden", Message: `pods "one" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=1, limited: pods=1`},
		"webhook":                     {Code: 403, Reason: "Forbidden", Message: `admission webhook "policy.example" denied the request`},
		"webhook without a code":      {Code: 400, Message: `admission webhook "validate.kyverno.svc-fail" denied the request: shareProcessNamespace is not allowed`},
		"webhook with 422":            {Code: 422, Reason: "Invalid", Message: `admission webhook "policy.example" denied the request: Pod "one" is invalid: ` + bothEnabled},
		"Pod Security at another one": {Code: 403, Reason: "Forbidden", Message: `pods "one" is forbidden: violates PodSecurity "privileged:latest": shareProcessNamespace, SYS_PTRACE`},
		"a proxy":                     {Code: 400, Message: "Bad Request"},
		"no such path":                {Code: 404, Reason: "NotFound"},
		"conflict":                    {Code: 409, Reason: "Conflict"},
		"the server ails":             {Code: 500, Reason: "InternalError"},
	} {
		t.Run(name, func(t *testing.T) {
			o := suite.Observation{Answers: map[string]suite.Answer{"create": answer, "late": {Code: 200}, "unknown": answer}}
			for _, err := range []error{
				refused(o, "create", bothEnabled), accepted(o, "create", "true"), undecodable(o, "create"), ineffective("create")(o),
				refusedAt(atBaseline, o, "create", podSecurity, sysPtrace), acceptedAt(atRestricted, o, "create", "true"),
				rolledOut("create", sharesAsTold)(o), unknownTargetRefused(o),
			} {
				require.Error(t, err)
				assert.False(t, suite.IsViolation(err), "%v", err)
			}
		})
	}
}

// TestPodSecurityAnswersAtItsLevel: what Pod Security refuses is an answer in the
// namespace whose level the run set, and nowhere else.
func TestPodSecurityAnswersAtItsLevel(t *testing.T) {
	answer := suite.Answer{Code: 403, Reason: "Forbidden", Message: `pods "one" is forbidden: violates PodSecurity "restricted:v1.30": ` +
		`unrestricted capabilities (container "shell" must not include "SYS_PTRACE" in securityContext.capabilities.add)`}
	o := suite.Observation{Answers: map[string]suite.Answer{"create": answer}}
	for level, decides := range map[string]bool{"": false, atBaseline: false, atRestricted: true} {
		assert.Equal(t, decides, suite.IsViolation(acceptedAt(level, o, "create", "true")), level)
		assert.Equal(t, decides, refusedAt(level, o, "create", podSecurity, sysPtrace) == nil, level)
	}
}

// TestDoubtfulLevel: where somebody changed the namespace's level, or it is not enforced,
// no answer of the server's says something about it.
func TestDoubtfulLevel(t *testing.T) {
	for _, id := range []string{
		"admission/baseline-refuses-ptrace", "admission/baseline-admits-without-ptrace", "admission/baseline-admits-sharing",
		"admission/restricted-refuses-ptrace", "admission/restricted-admits-sharing",
	} {
		c := caseOf(t, id)
		for _, manifest := range []string{c.Fixture, c.Control} {
			o := recorded(t, c, manifest)
			answer := o.Answers["create"]
			answer.Doubt = "somebody changed the label"
			o.Answers["create"] = answer
			err := c.Judge(o)
			require.ErrorContains(t, err, answer.Doubt, id)
			assert.False(t, suite.IsViolation(err), id)
		}
	}
}

// TestOthersWarn: a warning that is not about the misspelt field is somebody else's.
func TestOthersWarn(t *testing.T) {
	o := suite.Observation{Answers: map[string]suite.Answer{
		"create": {Code: 201, Sharing: "true"},
		"ignore": {Code: 201, Sharing: "absent", Warnings: []string{`would violate PodSecurity "restricted:latest": runAsNonRoot != true`}},
	}}
	judge := caseOf(t, "admission/typo-ignored").Judge
	require.NoError(t, judge(o))
	o.Answers["ignore"] = suite.Answer{Code: 201, Sharing: "absent", Warnings: []string{`unknown field "spec.sharedProcessNamespace"`}}
	assert.True(t, suite.IsViolation(judge(o)))
}

// TestDescriptionOfField: a document that is none, or has no such field, has no text.
func TestDescriptionOfField(t *testing.T) {
	for document, text := range map[string]string{
		"":                              "",
		"404 page not found":            "",
		`{"components":{"schemas":{}}}`: "",
		`{"components":{"schemas":{"io.k8s.api.core.v1.PodSpec":{"properties":{"shareProcessNamespace":{"description":"Share."}}}}}}`: "Share.",
	} {
		assert.Equal(t, text, descriptionOfField(document))
	}
}
