package suite

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"procns/e2e/internal/servertext"
)

// Refuser is who refused a request. A refusal is the answer to a claim about the
// API server only where the server's own rules made it.
type Refuser string

const (
	// Nobody: the request was accepted.
	Nobody Refuser = ""
	// ByValidation: the API server's validation of the object, or of a change to a
	// field that may not be changed.
	ByValidation Refuser = "validation"
	// ByDecoding: the API server could not read what was sent, or, with strict field
	// validation, not all of it.
	ByDecoding Refuser = "decoding"
	// ByPodSecurity: the admission plugin PodSecurity, at the level that is the Name.
	ByPodSecurity Refuser = "pod security"
	// ByPolicy: a ValidatingAdmissionPolicy or a MutatingAdmissionPolicy.
	ByPolicy Refuser = "policy"
	// ByWebhook: an admission webhook, also one that could not be called.
	ByWebhook Refuser = "webhook"
	// ByConstraint: OpenShift's security context constraints, or a PodSecurityPolicy.
	ByConstraint Refuser = "security context constraint"
	// ByPlugin: another admission plugin of the server's.
	ByPlugin Refuser = "admission plugin"
	// ByAuthorizer: the user may not do it, or the server does not know the user.
	ByAuthorizer Refuser = "authorizer"
	// ByQuota: a ResourceQuota or a LimitRange.
	ByQuota Refuser = "quota"
	// ByBudget: a PodDisruptionBudget.
	ByBudget Refuser = "disruption budget"
	// ByConflict: somebody else changed the object meanwhile, or it exists already.
	ByConflict Refuser = "conflict"
	// ByAbsence: there is no such object, or the server has no such resource.
	ByAbsence Refuser = "not found"
	// ByTrouble: the server has troubles of its own, or is asked too much.
	ByTrouble Refuser = "server trouble"
	// ByUnknown: nobody knows who. Proxies answer as well.
	ByUnknown Refuser = "unknown"
)

// Refusal is a refusal's author, as the answer tells.
type Refusal struct {
	By Refuser
	// Name is the policy's, the webhook's or the quota's, or the level of Pod Security.
	Name string
	// Rule is the policy behind a webhook of a policy engine, where it says.
	Rule string
	// Said is the reason in the refuser's own words, in one line.
	Said string
	// Down: it is a webhook that the API server could not call.
	Down bool
	// NotDry: it is a webhook that is not asked in a dry run, which is refused therefore: what is stored
	// may be admitted.
	NotDry bool
}

// notDry is how the API server says so.
const notDry = "does not support dry run"

// The texts are those of k8s.io/apiserver and of the admission plugins. Each is
// matched from the beginning of the message: what a policy or a webhook says
// comes behind its name, so that neither can pass for the server.
var (
	// pkg/admission/plugin/webhook/errors
	webhookDenied = regexp.MustCompile(`(?s)^admission webhook "((?:[^"\\]|\\.)*)" denied the request(?:: ?| ?)(.*)$`)
	// the same, and pkg/admission/plugin/webhook/mutating: what a webhook cannot do for the request
	webhookUnfit = regexp.MustCompile(`(?s)^(?:Internal error occurred: )?admission webhook "((?:[^"\\]|\\.)*)" (does not support dry run|attempted to modify the object, which is not supported for this operation)$`)
	// pkg/util/webhook, wrapped into an internal error or not
	webhookFailed = regexp.MustCompile(`(?s)^(?:Internal error occurred: )?failed calling webhook "((?:[^"\\]|\\.)*)"(.*)$`)
	// pkg/admission/plugin/policy/validating
	policyDenied = regexp.MustCompile(`(?s)^ValidatingAdmissionPolicy '([^']*)'(?: with binding '[^']*')? denied request: (.*)$`)
	// pkg/admission/plugin/policy/generic, for MutatingAdmissionPolicies
	mutationDenied = regexp.MustCompile(`(?s)^policy ['"]([^'"]*)['"](?: with binding '[^']*')? denied request: (.*)$`)
	// apimachinery's NewForbidden
	forbidden = regexp.MustCompile(`(?s)^(?:[^\s"]+ )?(?:"(?:[^"\\]|\\.)*" )?(?:is )?forbidden: (.*)$`)
	// apimachinery's NewInvalid. A patch that makes no object of the kind has neither kind nor name.
	invalid = regexp.MustCompile(`(?s)^[A-Za-z0-9.-]* ?"(?:[^"\\]|\\.)*" is invalid(?:: (.*))?$`)
	// pkg/endpoints/handlers
	undecodable = regexp.MustCompile(`(?s)^(?:[A-Za-z0-9]+ in version "[^"]*" cannot be handled as a [A-Za-z0-9]+: |strict decoding error: )(.*)$`)
	// pod-security-admission
	podSecurityDenied = regexp.MustCompile(`(?s)^violates PodSecurity "([a-z]+)(?::[^"]*)?": (.*)$`)
	// plugin resourcequota and plugin limitranger
	quotaDenied = regexp.MustCompile(`(?s)^(?:exceeded|failed) quota: ([^,:\s]+)[,:]|^(?:insufficient quota|status unknown for quota)|` +
		`^\[?(?:minimum|maximum) \S+ usage per \S+ is|^\[?\S+ max limit to request ratio per`)
	// OpenShift's plugin, and the plugin of PodSecurityPolicies (before v1.25)
	constraintDenied = regexp.MustCompile(`^unable to validate against any (?:security context constraint|pod security policy)|^PodSecurityPolicy: `)
	// pkg/endpoints/handlers/responsewriters
	userMayNot = regexp.MustCompile(`^User "(?:[^"\\]|\\.)*" cannot `)

	// How policies ask for labels and annotations.
	demandsLabel = regexp.MustCompile(`(?i)\b(?:label|annotation)s?\b`)

	// What stands behind a webhook's name where it is a policy engine's.
	kyvernoRule    = regexp.MustCompile(`following policies\s+(\S+):`)
	gatekeeperRule = regexp.MustCompile(`^\[(?:denied by )?([^\]\s]+)\]`)
)

// Refusal tells who refused, whatever the HTTP code: policies and webhooks choose
// theirs freely.
func (a Answer) Refusal() Refusal {
	if a.Accepted() {
		return Refusal{}
	}
	r := a.refusal()
	r.Said = oneLine(r.Said)
	return r
}

func (a Answer) refusal() Refusal {
	if m := webhookDenied.FindStringSubmatch(a.Message); m != nil {
		return Refusal{By: ByWebhook, Name: m[1], Rule: ruleIn(m[2]), Said: m[2]}
	}
	if m := webhookUnfit.FindStringSubmatch(a.Message); m != nil {
		return Refusal{By: ByWebhook, Name: m[1], Said: "it " + m[2], NotDry: m[2] == notDry}
	}
	if m := webhookFailed.FindStringSubmatch(a.Message); m != nil {
		return Refusal{By: ByWebhook, Name: m[1], Said: "the API server could not call it" + m[2], Down: true}
	}
	if m := mutationDenied.FindStringSubmatch(a.Message); m != nil {
		return Refusal{By: ByPolicy, Name: m[1], Said: m[2]}
	}
	if m := forbidden.FindStringSubmatch(a.Message); m != nil {
		return a.byAdmission(m[1])
	}
	said := a.Message
	switch {
	case a.Code == http.StatusUnprocessableEntity && invalid.MatchString(a.Message):
		return Refusal{By: ByValidation, Said: invalid.FindStringSubmatch(a.Message)[1]}
	case a.Code == http.StatusBadRequest && undecodable.MatchString(a.Message):
		return Refusal{By: ByDecoding, Said: undecodable.FindStringSubmatch(a.Message)[1]}
	case a.Code == http.StatusTooManyRequests && strings.Contains(a.Message, "disruption budget"):
		return Refusal{By: ByBudget, Said: a.said()}
	case a.Code == http.StatusUnauthorized:
		return Refusal{By: ByAuthorizer, Said: said}
	case a.Code == http.StatusConflict:
		return Refusal{By: ByConflict, Said: said}
	case a.Code == http.StatusNotFound:
		return Refusal{By: ByAbsence, Said: said}
	case a.Code >= http.StatusInternalServerError, a.Code == http.StatusTooManyRequests, a.Code == http.StatusRequestTimeout:
		return Refusal{By: ByTrouble, Said: said}
	}
	return Refusal{By: ByUnknown, Said: said}
}

// byAdmission tells who is behind an error of apimachinery's NewForbidden, which
// admission plugins and authorizers answer with. Validating policies change its code
// and reason.
func (a Answer) byAdmission(said string) Refusal {
	if m := policyDenied.FindStringSubmatch(said); m != nil {
		return Refusal{By: ByPolicy, Name: m[1], Said: m[2]}
	}
	if m := podSecurityDenied.FindStringSubmatch(said); m != nil {
		return Refusal{By: ByPodSecurity, Name: m[1], Said: m[2]}
	}
	if m := quotaDenied.FindStringSubmatch(said); m != nil {
		return Refusal{By: ByQuota, Name: m[1], Said: said}
	}
	switch {
	case userMayNot.MatchString(said):
		return Refusal{By: ByAuthorizer, Said: said}
	case constraintDenied.MatchString(said):
		return Refusal{By: ByConstraint, Said: said}
	}
	return Refusal{By: ByPlugin, Said: said}
}

// said is the message with what the causes add to it.
func (a Answer) said() string {
	said := a.Message
	for _, c := range a.Causes {
		if c.Message != "" && !strings.Contains(said, c.Message) {
			said += " " + c.Message
		}
	}
	return said
}

// ruleIn is the policy that Kyverno or Gatekeeper name in what they say.
func ruleIn(said string) string {
	for _, named := range []*regexp.Regexp{kyvernoRule, gatekeeperRule} {
		if m := named.FindStringSubmatch(said); m != nil {
			return m[1]
		}
	}
	return ""
}

// oneLine is a text that others wrote, short enough for a reason.
func oneLine(text string) string {
	const most = 300
	line := strings.Join(strings.Fields(servertext.WithoutPage(text)), " ")
	if runes := []rune(line); len(runes) > most {
		line = string(runes[:most]) + "…"
	}
	return line
}

// Own tells whether the API server refused by rules of its own: only then does
// the refusal say something about them. Pod Security's is its own as well, but at
// the level that the namespace enforces, which has to be the one that is meant.
func (r Refusal) Own() bool { return r.By == ByValidation || r.By == ByDecoding }

// byOthers tells whether the refusal's author is known, and is not the server itself.
func (r Refusal) byOthers() bool {
	switch r.By {
	case Nobody, ByValidation, ByDecoding, ByConflict, ByAbsence, ByTrouble, ByUnknown:
		return false
	}
	return true
}

// Author tells a refuser apart from others, whatever its words; it is "" where nobody knows who refused, and
// where it was the server's own doing, whose words are the reason.
func (r Refusal) Author() string {
	if !r.byOthers() {
		return ""
	}
	return strings.Join([]string{string(r.By), r.Name, r.Rule}, "/")
}

// String says in one line who refused, with what words, and what to do where
// something of the cluster's own is in the way.
func (r Refusal) String() string {
	text := r.who()
	if r.Said != "" {
		text += ": " + r.Said
	}
	if out := r.wayOut(); out != "" {
		text += " (" + out + ")"
	}
	return text
}

func (r Refusal) who() string {
	named := func(what string) string {
		if r.Name != "" {
			what += fmt.Sprintf(" %q", r.Name)
		}
		if r.Rule != "" {
			what += fmt.Sprintf(" by its policy %q", r.Rule)
		}
		return what + " refused it"
	}
	switch r.By {
	case Nobody:
		return "nobody refused it"
	case ByValidation:
		return "the API server found it invalid"
	case ByDecoding:
		return "the API server could not decode it"
	case ByPodSecurity:
		return fmt.Sprintf("Pod Security at the level %q refused it", r.Name)
	case ByPolicy:
		return named("the admission policy")
	case ByWebhook:
		return named("the admission webhook")
	case ByConstraint:
		return "a security context constraint or pod security policy refused it"
	case ByPlugin:
		return "an admission plugin of the API server refused it"
	case ByAuthorizer:
		return "the API server does not allow it to this user"
	case ByQuota:
		return named("a quota or a limit of the namespace")
	case ByBudget:
		return "a PodDisruptionBudget refused it"
	case ByConflict:
		return "it conflicts with what is stored"
	case ByAbsence:
		return "there is no such object or resource"
	case ByTrouble:
		return "the API server could not do it"
	}
	return "it was refused, and nothing tells by whom"
}

// wayOut is what the user can do about it.
func (r Refusal) wayOut() string {
	exempt := "exempt namespaces with the label " + RunLabel + " from it while the suite runs"
	if demandsLabel.MatchString(r.Said) {
		exempt += ", or set what it asks for with -namespace-label, -pod-label or -pod-annotation"
	}
	switch r.By {
	case ByPolicy, ByWebhook:
		return exempt
	case ByConstraint:
		return "allow the run's ServiceAccount, default, what the pod asks for"
	case ByQuota:
		return "raise it for namespaces with the label " + RunLabel
	case ByAuthorizer:
		return "-print-rbac prints what a run needs"
	case ByPodSecurity:
		return "the namespace's label pod-security.kubernetes.io/enforce says the level: find who sets it"
	}
	return ""
}

// Lasting tells whether somebody other than the server refused for a reason that is
// there the next time as well.
func (r Refusal) Lasting() bool {
	switch r.By {
	case ByPolicy, ByWebhook, ByPodSecurity, ByConstraint, ByAuthorizer:
		return !r.Down
	}
	return false
}

// toldBy is what controllers (in the event FailedCreate) and client-go (of an exec over
// SPDY) write in front of the server's answer.
var toldBy = regexp.MustCompile(`^(?:Error creating: |[Cc]reate Pod \S+ in StatefulSet \S+ failed error: |unable to upgrade connection: )`)

// RefusalIn is the refusal that a text tells of which others wrote: of the server's
// answer it has the message only.
func RefusalIn(text string) Refusal {
	told := Answer{Code: http.StatusForbidden, Message: text[len(toldBy.FindString(text)):]}
	if invalid.MatchString(told.Message) {
		told.Code = http.StatusUnprocessableEntity
	}
	return told.Refusal()
}

// AnswerOf is the API server's answer that an error of client-go's carries.
func AnswerOf(err error) (Answer, bool) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return Answer{}, false
	}
	s := status.Status()
	answer := Answer{Code: int(s.Code), Reason: string(s.Reason), Message: s.Message}
	if s.Details != nil {
		answer.Kind = s.Details.Kind
		for _, c := range s.Details.Causes {
			answer.Causes = append(answer.Causes, causeOf(c))
		}
	}
	return answer, true
}

// causeOf keeps the words of a cause only where it names no field: those of the
// others stand in the message.
func causeOf(c metav1.StatusCause) Cause {
	kept := Cause{Type: string(c.Type), Field: c.Field}
	if c.Field == "" {
		kept.Message = c.Message
	}
	return kept
}

// RefusedError is a request that the suite cannot do without, and that was refused.
type RefusedError struct {
	Doing   string // completes "… was refused"
	Refusal Refusal
	Cause   error
}

func (e *RefusedError) Error() string { return e.Doing + ": " + e.Refusal.String() }

// Unwrap returns client-go's error.
func (e *RefusedError) Unwrap() error { return e.Cause }

// Failed says what could not be done: in one line by whom it was refused, where
// err is the API server's answer.
func Failed(err error, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	if answer, ok := AnswerOf(err); ok {
		return &RefusedError{Doing: doing, Refusal: answer.Refusal(), Cause: err}
	}
	return fmt.Errorf("%s: %w", doing, err)
}
