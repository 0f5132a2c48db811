package suite

import (
	"fmt"
	"strings"
	"time"

	"procns/e2e/internal/difference"
)

// Submission says what is done with a case's manifest.
type Submission string

const (
	// Runs: the pod is created, and runs.
	Runs Submission = ""
	// DryRun: the manifest goes to the API server with dryRun=All, which admits or
	// refuses it and stores nothing. The answer is in the observation.
	DryRun Submission = "dry-run"
	// DryRunBaseline and DryRunRestricted: the same, into a namespace that
	// enforces this level of the Pod Security Standards.
	DryRunBaseline   Submission = "dry-run-baseline"
	DryRunRestricted Submission = "dry-run-restricted"
	// Stored: the pod is created; nothing waits for it to run.
	Stored Submission = "stored"
)

// Dry tells whether nothing is stored.
func (s Submission) Dry() bool { return strings.HasPrefix(string(s), string(DryRun)) }

// PodSecurity is the level that the namespace enforces; empty means the run's
// own namespace, which enforces none.
func (s Submission) PodSecurity() string {
	return strings.TrimPrefix(strings.TrimPrefix(string(s), string(DryRun)), "-")
}

// Request is one request to the API server, in the run's namespace.
type Request struct {
	Verb string // GET, POST, PUT, PATCH
	// API is the group and version; empty means "v1".
	API string
	// Path is the resource, and where there is one the object's name and its
	// subresource: "pods", "pods/NAME", "pods/NAME/status". With a slash before it,
	// it is the server's own: "/openapi/v3".
	Path        string
	Query       map[string]string
	ContentType string // of Body; empty means JSON
	Accept      string // empty means JSON
	Body        []byte
	// Until makes the request a watch, whose answer is the first event that Until
	// accepts; without a body, where there was none Within the time. A watch that the
	// server closes is opened again.
	Until  func(event []byte) bool
	Within time.Duration
	// Keep chooses what the observation keeps of the answer's body. Nil keeps all.
	Keep func(body string) string
}

// Answer is the API server's answer to a request.
type Answer struct {
	Code int `json:"code"` // of HTTP
	// Reason, Message, Kind (of the object) and Causes are those of the Status that a
	// refusal comes with. Who refused is Refusal's to tell.
	Reason   string   `json:"reason,omitempty"`
	Message  string   `json:"message,omitempty"`
	Kind     string   `json:"kind,omitempty"`
	Causes   []Cause  `json:"causes,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Doubt says why the answer tells nothing of the level of Pod Security that the run
	// gave the namespace: somebody changed it, or it is not enforced.
	Doubt string `json:"doubt,omitempty"`
	// Sharing is the field in the object that was returned, or in its pod
	// template: "true", "false" or "absent"; empty where there is no object.
	Sharing string `json:"sharing,omitempty"`
	// Changes are what the cluster made of the pod, or the pod template, that was
	// sent to be created; nil where nothing.
	Changes *Changes `json:"changes,omitempty"`
	// Protobuf says that the object came in Kubernetes' protobuf form.
	Protobuf bool `json:"protobuf,omitempty"`
	// Body is the answer's text where the act asked for no object of Kubernetes'.
	Body string `json:"body,omitempty"`
}

// Cause is one cause of a refusal, as the Status' details tell of it: what is wrong
// with a field, or, without a field, what a policy says.
type Cause struct {
	Type    string `json:"type,omitempty"` // such as "FieldValueInvalid"
	Field   string `json:"field,omitempty"`
	Message string `json:"message,omitempty"` // empty where there is a field
}

// Accepted tells whether the server did what it was asked to.
func (a Answer) Accepted() bool { return a.Code >= 200 && a.Code < 300 }

// changed is what the server made of what was sent to be created.
func (a Answer) changed() []difference.Difference {
	if a.Changes == nil {
		return nil
	}
	return a.Changes.Differences
}

func (a Answer) String() string {
	if a.Code == 0 {
		return "no answer"
	}
	text := fmt.Sprintf("HTTP %d", a.Code)
	if a.Reason != "" {
		text += " " + a.Reason
	}
	if refusal := a.Refusal(); refusal.byOthers() {
		text += ": " + refusal.String()
	} else if a.Message != "" {
		text += ": " + a.Message
	}
	if a.Doubt != "" {
		text += "; " + a.Doubt
	}
	if a.Sharing != "" {
		text += ", shareProcessNamespace " + a.Sharing
	}
	return text
}
