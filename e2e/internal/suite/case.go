// Package suite holds the words of the catalogue (Case, Observation, Finding,
// Outcome, Target) and the runner that turns cases into outcomes.
package suite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"procns/e2e/internal/probe"
)

// Level says who made the claim, and so what a failure means.
type Level string

const (
	// Core claims stand on the documentation page.
	Core Level = "Core"
	// Extended claims follow from the API reference, KEP-495 or a kernel rule.
	Extended Level = "Extended"
	// Informational cases record what runtimes may do differently. They never
	// change the verdict.
	Informational Level = "Informational"
)

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

	// Given is what must be seen before the claim can be judged, on fixture and
	// control alike (nginx has its workers, say). While it is not, the runner
	// observes again; if it never is, the case is inconclusive.
	Given func(Observation) error
	// Await says when the pod is settled, where that is not "Ready".
	Await *Await
	// Read lists files whose contents the snapshots record: in each container's
	// own root, and below every process's /proc/PID/root.
	Read []string
	// Act is what is done between the two snapshots. Cases with the same Act,
	// Fixture and Control share one pod; without an Act they are read-only.
	Act *Act

	// Judge says whether the observation satisfies the claim: nil, or a finding
	// made by Violation or CannotTell. It is pure.
	Judge func(Observation) error
	// Record returns what the report keeps of a conformant observation.
	Record func(Observation) string
}

// Area is the part of the ID before the slash.
func (c Case) Area() string {
	area, _, _ := strings.Cut(c.ID, "/")
	return area
}

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
}

// Act is something done to a pod between two snapshots.
type Act struct {
	Name string
	// Do acts through the pod's hands. Its error means that the act could not be
	// carried out for reasons outside the claim; what the claim is about is
	// recorded in the observation and left to the judge.
	Do func(ctx context.Context, pod Hands) error
	// Within bounds the wait for the act's effect. The runner observes again
	// until the judges are satisfied (fixture) or have bitten (control).
	Within time.Duration
	// Sees names the containers whose second snapshot the judges look at. Empty
	// means all; each costs one exec a round.
	Sees []string
	// NoEffect marks an act whose claim is that nothing happens. Then the
	// fixture's second snapshot is taken only after the control has shown the
	// effect, and as much time again has passed.
	NoEffect bool
}

// Hands is what an act may use. Every use is recorded in the observation.
type Hands interface {
	// Before is the observation made before the act.
	Before() Observation
	// Exec runs a command in a container and records its result under name.
	Exec(ctx context.Context, name, container string, command ...string) (probe.CommandResult, error)
	// Observe takes one more snapshot; it is not recorded.
	Observe(ctx context.Context, container string) (*probe.Snapshot, error)
	// Attach opens a terminal on a container's own process; what the
	// conversation shows is recorded by Note.
	Attach(ctx context.Context, container string, converse func(*probe.Terminal) error) error
	// Note records a text under a name.
	Note(name, text string)
}

// Observation is everything a judge may look at. It is plain data, so that one
// recorded from a real cluster can be judged again without it.
type Observation struct {
	Pod PodState `json:"pod"`
	// Before and After hold a snapshot for each container, by its name. After is
	// empty for read-only cases.
	Before map[string]*probe.Snapshot `json:"before"`
	After  map[string]*probe.Snapshot `json:"after,omitempty"`
	// AfterPod is the pod's state at the second snapshot.
	AfterPod *PodState `json:"afterPod,omitempty"`
	// Markers are the random texts planted in this pod, by their name in the manifest.
	Markers map[string]string `json:"markers,omitempty"`
	// Ran and Notes are what the act recorded.
	Ran   map[string]probe.CommandResult `json:"ran,omitempty"`
	Notes map[string]string              `json:"notes,omitempty"`
	// Neighbour is the observation of the second pod, where the case has one.
	Neighbour *Observation `json:"neighbour,omitempty"`
}

// Container returns the first snapshot of a container; never nil.
func (o Observation) Container(name string) *probe.Snapshot { return snapshotOf(o.Before, name) }

// AfterIn returns the second snapshot of a container; never nil.
func (o Observation) AfterIn(name string) *probe.Snapshot { return snapshotOf(o.After, name) }

func snapshotOf(from map[string]*probe.Snapshot, name string) *probe.Snapshot {
	if s := from[name]; s != nil {
		return s
	}
	return &probe.Snapshot{Container: name, Failure: "no snapshot was taken"}
}

// PodState is what judges may know of a stored pod.
type PodState struct {
	Name string `json:"name"`
	Node string `json:"node"`
	// Sharing is spec.shareProcessNamespace as stored: "true", "false" or "absent".
	Sharing    string                    `json:"sharing"`
	Phase      string                    `json:"phase"`
	Ready      bool                      `json:"ready"`
	Containers map[string]ContainerState `json:"containers"`
}

// ContainerState is one container's status as kubelet reports it.
type ContainerState struct {
	ID       string `json:"id"`
	Image    string `json:"image"`
	Ready    bool   `json:"ready"`
	Running  bool   `json:"running"`
	Restarts int    `json:"restarts"`
	// ExitCode is set once the container, or its previous instance, terminated.
	ExitCode *int `json:"exitCode,omitempty"`
}

// Finding is a judge's "no", or its "I cannot tell".
type Finding struct {
	Expected string
	Observed string
	// Evidence is what was seen: process tables, transcripts.
	Evidence string
	// CannotTell marks an observation that proves nothing either way.
	CannotTell bool
}

func (f *Finding) Error() string {
	return fmt.Sprintf("expected %s; observed %s", f.Expected, f.Observed)
}

// Violation is a finding that the claim does not hold.
func Violation(expected, observed string, seen ...*probe.Snapshot) error {
	return &Finding{Expected: expected, Observed: observed, Evidence: tables(seen)}
}

// CannotTell is a finding that the observation proves nothing: what was needed
// to judge is missing.
func CannotTell(needed, observed string, seen ...*probe.Snapshot) error {
	return &Finding{Expected: needed, Observed: observed, Evidence: tables(seen), CannotTell: true}
}

// IsViolation tells whether err says that the claim does not hold.
func IsViolation(err error) bool {
	var f *Finding
	return errors.As(err, &f) && !f.CannotTell
}

func tables(seen []*probe.Snapshot) string {
	var b strings.Builder
	for _, s := range seen {
		b.WriteString(s.Table())
	}
	return b.String()
}
