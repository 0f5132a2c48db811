package suite

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"procns/e2e/internal/probe"
)

// Outcome is what became of one case on one target.
type Outcome string

const (
	// Conformant: the claim holds, and the control showed that it need not.
	Conformant Outcome = "conformant"
	// NonConformant: the cluster is wrong.
	NonConformant Outcome = "non-conformant"
	// Inconclusive: we could not tell.
	Inconclusive Outcome = "inconclusive"
	// Skipped: the case does not apply, for a proved reason. It was not run, a security
	// module of the node refused what it needs, or what was seen proves that the target
	// has nothing that it is about.
	Skipped Outcome = "skipped"
	// Planned: the case would have been run. Like Skipped, it is never a pass.
	Planned Outcome = "planned"
	// Exempted: the case did not pass, and the user said beforehand that it would
	// not, and why. It is never a pass either.
	Exempted Outcome = "exempted"
)

// Failed tells that a case that was run did not pass: the cluster is wrong, or nobody can tell.
func (o Outcome) Failed() bool { return o == NonConformant || o == Inconclusive }

// Exemption is why a result that is no pass does not count.
type Exemption struct {
	Found  Outcome `json:"found"` // what the outcome would be
	Reason string  `json:"reason"`
	Link   string  `json:"link"`
}

// Target is one kind of place on which every case is run.
type Target struct {
	Node         string `json:"node"`
	RuntimeClass string `json:"runtimeClass,omitempty"`
	OSImage      string `json:"osImage"`
	Kernel       string `json:"kernel"`
	Architecture string `json:"architecture"`
	Runtime      string `json:"runtime"` // name and version, as kubelet reports them
	Kubelet      string `json:"kubelet"`
	CgroupMode   string `json:"cgroupMode"` // "v1", "v2" or "unknown"
	// UserNamespaces is what the runtime says of itself in the node's status:
	// "yes" or "no", or "unknown" where it says nothing (before v1.30).
	UserNamespaces string `json:"userNamespaces,omitempty"`
	// Images are the images that ran, as kubelet reports them (imageID, with their
	// digests), by the manifests' names for them. Labels are what the security module
	// calls the processes of containers that ask for nothing of it: "none" without one,
	// and of SELinux without its level, which differs from pod to pod.
	Images map[string]string `json:"images,omitzero"`
	Labels []string          `json:"securityLabels,omitempty"`
	// BootID is that of the node's kernel (status.nodeInfo.bootID).
	BootID string `json:"bootID,omitempty"`
	// Made says that the suite itself made the cluster.
	Made bool `json:"-"`
	// Simulated says that no machine and no runtime is behind the node: what comes of its
	// cases says nothing about either.
	Simulated bool `json:"simulated,omitempty"`
}

// SimulatedAnnotation is on the nodes that KWOK plays (kwok.sigs.k8s.io).
const SimulatedAnnotation = "kwok.x-k8s.io/node"

// Name is the target's name in reports: the node, and the runtime class if any.
func (t Target) Name() string {
	if t.RuntimeClass == "" {
		return t.Node
	}
	return t.Node + "/" + t.RuntimeClass
}

// facts is what judges may know of the target's node.
func (t Target) facts() NodeFacts {
	return NodeFacts{Kernel: probe.Kernel{BootID: t.BootID, Release: t.Kernel}, Runtime: t.Runtime}
}

// Result is one case's outcome on one target.
type Result struct {
	Case     Case
	Target   Target
	Outcome  Outcome
	Reason   string // one line: why the outcome is what it is
	Expected string
	Observed string
	Evidence string // process tables and transcripts
	Recorded string // what the case records when it conforms
	Remark   string // what a reader must know besides of a conformant result
	Labels   Labels // of the fixture's pod, by the node's security module
	Folder   string // where the evidence lies, below the report's folder
	// ControlFolder is where that of the control's pod lies.
	ControlFolder string
	Pod           string // the fixture's pod
	From          string // the container to look from
	// Ephemeral says that the fixture's pod has ephemeral containers, which are
	// added when it runs.
	Ephemeral bool
	Images    []string
	// Duration is the case's own time: see duration.go.
	Duration time.Duration
	// Exemption is set where the outcome is Exempted.
	Exemption *Exemption

	notRun bool // for want of a pod: the run was stopped
}

// LookByHand are the commands that create the fixture's pod, as the run did, and
// look. kubectl is how kubectl is called; folder is the report's.
func (r Result) LookByHand(kubectl, folder string) string {
	if r.Pod == "" {
		return ""
	}
	evidence := filepath.Join(folder, r.Folder)
	manifest := filepath.Join(evidence, "manifest.yaml")
	if r.Case.Submit.Dry() {
		return kubectl + " create --dry-run=server -f " + manifest
	}
	var steps []string
	do := func(format string, args ...any) { steps = append(steps, kubectl+" "+fmt.Sprintf(format, args...)) }
	if r.Ephemeral {
		kubectl += " -n default" // the raw path below has to name its namespace
	}
	do("create -f %s", manifest)
	do("wait --for='jsonpath={.status.phase}=Running' pod/%s", r.Pod)
	if r.Ephemeral {
		do("replace --raw /api/v1/namespaces/default/pods/%s/ephemeralcontainers -f %s", r.Pod, filepath.Join(evidence, EphemeralFile))
		do("wait --for='jsonpath={.status.ephemeralContainerStatuses[0].state.running.startedAt}' pod/%s", r.Pod)
	}
	do("exec %s -c %s -- ps ax", r.Pod, r.From)
	return strings.Join(steps, "; ")
}

// judged is what a judge said of the fixture and of the control.
type judged struct {
	fixture, control error
	hasControl       bool
}

// decide turns the two answers into the case's result: conformant only when the
// judge says yes to the fixture and no to the control.
func (j judged) decide(r *Result) {
	var f *Finding
	if errors.As(j.fixture, &f) {
		r.Expected, r.Observed, r.Evidence = f.Expected, f.Observed, f.Evidence
	}
	switch {
	case j.fixture != nil && IsViolation(j.fixture):
		r.Outcome, r.Reason = NonConformant, j.fixture.Error()
	case IsForbidden(j.fixture):
		r.Outcome, r.Reason = Skipped, "a security module of the node forbids it: "+j.fixture.Error()
	case IsInapplicable(j.fixture):
		r.Outcome, r.Reason = Skipped, "it does not apply: "+j.fixture.Error()
	case j.fixture != nil:
		r.Outcome, r.Reason = Inconclusive, "cannot tell: "+j.fixture.Error()
	case !j.hasControl, IsViolation(j.control):
		r.Outcome = Conformant
	case j.control == nil:
		r.Outcome = Inconclusive
		r.Reason = fmt.Sprintf("the check also passes on the control pod, %s: the case is inconclusive", r.Case.Control)
	case IsForbidden(j.control):
		r.Outcome, r.Reason = Skipped, "a security module of the node forbids it on the control: "+j.control.Error()
	case IsInapplicable(j.control):
		r.Outcome, r.Reason = Skipped, "its control does not apply: "+j.control.Error()
	default:
		r.Outcome = Inconclusive
		r.Reason = "the control could not be judged: " + j.control.Error()
		if sees := r.Case.controlSees; len(sees) > 0 {
			r.Reason = fmt.Sprintf("the check does not fail on the control pod, %s, as far as it was looked into, from %s: %s",
				r.Case.Control, strings.Join(sees, ", "), j.control.Error())
		}
		if errors.As(j.control, &f) {
			r.Expected, r.Observed, r.Evidence = f.Expected, f.Observed, f.Evidence
		}
	}
}
