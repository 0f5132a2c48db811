// Package suite holds the words of the catalogue (Case, Observation, Finding,
// Outcome, Target) and the runner that turns cases into outcomes.
package suite

import (
	"context"
	"strings"
	"time"

	"procns/e2e/internal/probe"
)

// Level says who made the claim, and so what a failure means.
type Level string

const (
	// Core claims stand on the documentation page, or in the API reference.
	Core Level = "Core"
	// Extended claims follow from KEP-495, from other pages, from kubelet's contract
	// or from a rule of the kernel.
	Extended Level = "Extended"
	// Informational cases record what runtimes may do differently. They have no
	// verdict, and never change that of a run.
	Informational Level = "Informational"
)

// Area is one part of the catalogue.
type Area struct {
	Name  string // the part of the IDs before the slash
	About string // completes “The cases of this area state …”
}

// Case is one claim, with all that is needed to find out whether it holds.
type Case struct {
	// ID is stable: "area/behaviour", in kebab-case.
	ID    string
	Level Level
	// Claim is the behaviour, as one sentence that can be true or false.
	Claim string
	// Source is where the claim is made: documentation section, KEP-495, man
	// page, kernel rule.
	Source string
	// MinVersion is the first minor version of Kubernetes the claim holds for,
	// such as "1.17". Empty means 1.10, the feature's first.
	MinVersion string

	// Fixture is the manifest of the pod on which the claim must hold.
	Fixture string
	// Control is the manifest, differing from Fixture in nothing but Varies, on
	// which the same judge must say no.
	Control string
	// Varies names the property that Control changes, in the manifest's words.
	// Empty means shareProcessNamespace.
	Varies string
	// NoControl says why there can be no control; then Control is empty.
	NoControl string
	// Neighbour is the manifest of a second pod on the same node which the
	// judge needs to know of, if any.
	Neighbour string
	// Pair is what a sweep asks the case with on every node but the samples. nil: a sweep
	// asks it on the samples alone.
	Pair *Pair
	// controlSees is the pair's, where the case is asked with it.
	controlSees []string

	// Submit says what is done with the manifest. Empty means that its pod runs.
	Submit Submission
	// Turns says on which changes of its pods by the cluster the claim turns. The
	// catalogue fills in what the case does not say, by its area.
	Turns Turns
	// Needs returns the proved reason why the case does not apply to a target,
	// or "". Nil means that it applies to all.
	Needs func(Target) string
	// OwnNode marks a case that looks into a node or acts on it, which is done on
	// clusters that the suite itself made, and skipped on all others.
	OwnNode bool
	// Outlives is what of a witness the case needs, where its pods are such.
	Outlives Outlives

	// Precondition is what must be seen before the claim can be judged, on fixture and
	// control alike (nginx has its workers, say). While it is not, the runner
	// observes again; if it never is, the case is inconclusive.
	Precondition func(Observation) error
	// Await says when the pod is settled, where that is not "Ready".
	Await *Await
	// Read lists files whose contents the snapshots record: in each container's
	// own root, and below every process's /proc/PID/root.
	Read []string
	// Act is what is done between the two snapshots. Cases with the same Act,
	// Fixture and Control share one pod; without an Act they are read-only, and have what is seen
	// of such a pod before it is acted on.
	Act *Act

	// Experiments are those of the act that the claim turns on: what else could not be carried out is
	// no matter. Nil means all of them, an empty slice none.
	Experiments []string

	// Judge says whether the observation satisfies the claim: nil, or a finding
	// made by Violation, CannotTell or Forbidden. It is pure.
	Judge func(Observation) error
	// Record returns what the report keeps of a conformant observation, and
	// Records says what that is.
	Record  func(Observation) string
	Records string
	// Remark returns what a reader must know of a conformant observation besides, or
	// "": that an act on which the claim does not turn was refused, say.
	Remark func(Observation) string
}

// Area is the part of the ID before the slash.
func (c Case) Area() string {
	area, _, _ := strings.Cut(c.ID, "/")
	return area
}

// disrupts tells whether the case is about an act on the node itself.
func (c Case) disrupts() bool { return c.Act.disrupts() }

func (a *Act) disrupts() bool { return a != nil && a.Disrupts }

// Property is what the control changes.
func (c Case) Property() string {
	if c.Varies == "" {
		return "shareProcessNamespace"
	}
	return c.Varies
}

// Await is a condition on the pod's status other than Ready.
type Await struct {
	Name string // completes "the pod is not …"
	Done func(PodState) bool
	// MayEnd says that containers of the pod are meant to end before that: a crash does
	// not end the wait.
	MayEnd bool
}

// Act is something done to a pod between two snapshots.
type Act struct {
	Name string
	// Do acts through the pod's client. Its error means that the act could not be
	// carried out for reasons outside the claim; what the claim is about is
	// recorded in the observation and left to the judge.
	Do func(ctx context.Context, pod PodClient) error
	// Ends marks an act that ends the pod, or leaves nothing to look at: the
	// judges are asked once, of what it recorded.
	Ends bool
	// Spares marks an act that does nothing to the pod: others may look for what runs there meanwhile, and
	// it may be done in a pod that is only looked at.
	Spares bool
	// Follows is an act that leaves the pod as this one needs it, and so do those that it follows itself: this
	// one may be done in the same pod, behind it, where all was as the cases expected it, every container
	// runs, and the first look finds it as it was left. nil: the act needs a pod to which nothing was done.
	Follows *Act
	// Disrupts marks an act on the node itself. It waits until every other case
	// of the node's targets is done, and is then carried out once for each target, for
	// all the pods that cases name for it.
	Disrupts bool
	// Then is done in each pod after a disruption, once its containers can be
	// looked into again.
	Then func(ctx context.Context, pod PodClient) error
	// Within bounds the wait for the act's effect. The runner observes again
	// until the judges are satisfied (fixture) or have bitten (control).
	Within time.Duration
	// ExecWithin is how long one command of the act may take, where that is more than
	// a minute: a session that something else ends, say.
	ExecWithin time.Duration
	// Many marks an act that leaves hundreds of processes: to look at them takes longer
	// than a minute on a busy node.
	Many bool
	// Sees names the containers whose second snapshot the judges look at. Empty
	// means all; each costs one exec a round.
	Sees []string
	// NoEffect marks an act whose claim is that nothing happens. Then the
	// fixture's second snapshot is taken only after the control has shown the
	// effect, and as much time again has passed.
	NoEffect bool
}

// Observation is everything a judge may look at. It is plain data, so that one
// recorded from a real cluster can be judged again without it.
type Observation struct {
	Pod PodState `json:"pod"`
	// Node is what the pod's node says of itself.
	Node NodeFacts `json:"node,omitzero"`
	// Changes are what the cluster made of the pod as it was sent; nil where nothing.
	Changes *Changes `json:"changes,omitempty"`
	// Before and After hold a snapshot for each container, by its name. After is
	// empty for read-only cases.
	Before map[string]*probe.Snapshot `json:"before"`
	After  map[string]*probe.Snapshot `json:"after,omitempty"`
	// AfterPod is the pod's state at the second snapshot.
	AfterPod *PodState `json:"afterPod,omitempty"`
	// Markers are the random texts planted in this pod, by their name in the manifest.
	Markers map[string]string `json:"markers,omitempty"`
	// Ran are the results of the act's commands, and Saw is what it saw besides.
	Ran map[string]probe.CommandResult `json:"ran,omitempty"`
	Saw Saw                            `json:"notes,omitzero"`
	// Answers are the API server's, to what the act requested or, under "create",
	// to a manifest that was only submitted.
	Answers map[string]Answer `json:"answers,omitempty"`
	// Logs are containers' logs, as the act recorded them.
	Logs map[string]string `json:"logs,omitempty"`
	// Unread says why a log could not be read, or not to its end, by the name that it has
	// in Logs; and why the events could not be, as UnreadEvents.
	Unread map[string]string `json:"unread,omitempty"`
	// Events are the pod's, as the act recorded them.
	Events []Event `json:"events,omitempty"`
	// Deletion is what became of the pod when the act deleted it.
	Deletion *Deletion `json:"deletion,omitempty"`
	// Copies are the observations of other pods that came of this one: its copies
	// for debugging, and what its workload made in its place.
	Copies map[string]Observation `json:"copies,omitempty"`
	// Neighbour is the observation of the second pod, where the case has one.
	Neighbour *Observation `json:"neighbour,omitempty"`
	// Fate is what became of the pod between two runs, where it is a witness.
	Fate *Fate `json:"fate,omitempty"`

	unseen *unseen // see JudgedBySight
}

// NodeFacts is what a node's status says (status.nodeInfo).
type NodeFacts struct {
	Kernel probe.Kernel `json:"kernel,omitzero"`
	// Runtime is the container runtime, as name://version.
	Runtime string `json:"runtime,omitempty"`
}

// UnreadEvents is the events' name in Observation.Unread.
const UnreadEvents = "(events)"

// Log is a recorded log, or why a claim that needs it cannot be judged.
func (o Observation) Log(name string) (string, error) {
	if why := o.Unread[name]; why != "" {
		return "", CannotTell("the log of "+name, why)
	}
	text, ok := o.Logs[name]
	if !ok {
		return "", CannotTell("the log of "+name, "it was not read")
	}
	return text, nil
}

// Container returns the first snapshot of a container; never nil.
func (o Observation) Container(name string) *probe.Snapshot { return o.snapshotOf(o.Before, name, "") }

// AfterIn returns the second snapshot of a container; never nil.
func (o Observation) AfterIn(name string) *probe.Snapshot {
	return o.snapshotOf(o.After, name, " after the act")
}

// PodState is what judges may know of a stored pod.
type PodState struct {
	Name string `json:"name"`
	Node string `json:"node"`
	// Sharing is spec.shareProcessNamespace as stored: "true", "false" or "absent".
	Sharing string `json:"sharing"`
	// HostPID is spec.hostPID.
	HostPID bool   `json:"hostPID,omitempty"`
	Phase   string `json:"phase"`
	// Reason is the pod's own, such as "Evicted".
	Reason     string                    `json:"reason,omitempty"`
	Ready      bool                      `json:"ready"`
	Containers map[string]ContainerState `json:"containers"`
	// Injected are the containers that the cluster added. They are not among the
	// others: nothing is asked of them.
	Injected []string `json:"injected,omitempty"`
}

// ContainerState is one container's status as kubelet reports it.
type ContainerState struct {
	// Kind is "init", "sidecar" (an init container that restarts), "ephemeral",
	// or empty for a regular container.
	Kind     string `json:"kind,omitempty"`
	ID       string `json:"id"`
	Image    string `json:"image"`
	Ready    bool   `json:"ready"`
	Running  bool   `json:"running"`
	Restarts int    `json:"restarts"`
	// Waiting is why it waits, such as "CrashLoopBackOff", and Message what kubelet
	// or the runtime say about it.
	Waiting string `json:"waiting,omitempty"`
	Message string `json:"message,omitempty"`
	// ExitCode is set once the container, or its previous instance, terminated;
	// ExitReason says why, such as "Completed", "Error" or "OOMKilled".
	ExitCode   *int   `json:"exitCode,omitempty"`
	ExitReason string `json:"exitReason,omitempty"`
	// StartedAt is when the running instance started, and EndedAt when the last
	// one ended: Unix seconds, 0 where there was none.
	StartedAt int64 `json:"startedAt,omitempty"`
	EndedAt   int64 `json:"endedAt,omitempty"`
}

// Deletion is what became of a pod that was deleted.
type Deletion struct {
	GraceSeconds int64 `json:"graceSeconds"`
	// Gone says that the object disappeared, Seconds after the request.
	Gone    bool    `json:"gone"`
	Seconds float64 `json:"seconds"`
	// Last is the pod as it was last seen.
	Last PodState `json:"last"`
}

// Event is one of the pod's events.
type Event struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Container is the container it is about, or empty.
	Container string `json:"container,omitempty"`
	// Count is how often it came; 0 where the server does not count.
	Count int `json:"count,omitempty"`
	// At is when it came last, in Unix seconds of its reporter's clock; 0 where that is not known.
	At int64 `json:"at,omitempty"`
}
