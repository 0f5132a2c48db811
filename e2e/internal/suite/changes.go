package suite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/difference"
)

// Changes are what the cluster made of a pod as it was sent. Recorded with the
// observation, they say whether it can be judged.
type Changes struct {
	Differences []difference.Difference `json:"differences"`
	// Images are the images that the manifest names, by container: what their
	// programs need is known by them.
	Images map[string]string `json:"images,omitempty"`
	// By is who may have made the changes.
	By *difference.Attribution `json:"by,omitempty"`
}

// Turns says on which changes of its pods by the cluster a case's claim turns. What
// it does not name is as difference.Class.Harmless says.
type Turns struct {
	// On are classes that decide this claim, although they are harmless for most.
	On []difference.Class
	// NotOn are classes that do not touch this claim, although they decide most.
	NotOn []difference.Class
	// Capabilities are those of a runtime's default set that the claim needs, in
	// whatever container, besides what the images' programs need.
	Capabilities []string
	// Kept marks a claim that the API server keeps the field: where nothing but the
	// server can have changed it, the claim is judged.
	Kept bool
	// Answered marks a claim about what the API server answers. That it answers otherwise is the
	// server's doing only where nothing else can have changed what it was sent.
	Answered bool
}

// With is t, and what fallback says of classes that t does not name.
func (t Turns) With(fallback Turns) Turns {
	all := Turns{On: slices.Clone(t.On), NotOn: slices.Clone(t.NotOn), Kept: t.Kept || fallback.Kept, Answered: t.Answered || fallback.Answered}
	for _, class := range fallback.On {
		if !slices.Contains(t.NotOn, class) {
			all.On = append(all.On, class)
		}
	}
	for _, class := range fallback.NotOn {
		if !slices.Contains(t.On, class) {
			all.NotOn = append(all.NotOn, class)
		}
	}
	all.Capabilities = append(slices.Clone(t.Capabilities), fallback.Capabilities...)
	return all
}

// on tells whether a claim turns on a class.
func (t Turns) on(class difference.Class) bool {
	return slices.Contains(t.On, class) || !class.Harmless() && !slices.Contains(t.NotOn, class)
}

// imageNeeds are the capabilities of a runtime's default set without which the
// programs of an image do not start: nginx gives its cache to its workers' user, has
// them become that user, and listens on port 80.
var imageNeeds = map[string][]string{
	"nginx": {"CHOWN", "SETUID", "SETGID", "NET_BIND_SERVICE"},
}

// Decisive are the changes on which the case's claim turns: with one of them it
// cannot be judged.
func (c Case) Decisive(changes *Changes) []difference.Difference {
	if changes == nil {
		return nil
	}
	var decisive []difference.Difference
	for _, d := range changes.Differences {
		if c.turnsOn(d, changes) {
			decisive = append(decisive, d)
		}
	}
	return decisive
}

func (c Case) turnsOn(d difference.Difference, changes *Changes) bool {
	switch {
	case d.Class == difference.Field && c.Turns.Kept && changes.By.Server():
		return false
	case d.Class == difference.CapabilitiesDropped && !slices.Contains(c.Turns.On, d.Class):
		needed := c.Turns.Capabilities
		// The API's own claims are about no program.
		if image, ok := changes.Images[d.Container]; ok && c.Submit == Runs {
			needed = append(slices.Clone(needed), imageNeeds[ImageName(image)]...)
		}
		return slices.Contains(needed, d.Entry()) || d.Entry() == "ALL" && len(needed) > 0
	}
	return c.Turns.on(d.Class)
}

// changed says why a case cannot be judged by what was seen of a manifest's pod: what
// the cluster changed, what probably did it, and the way out. It is nil where the
// claim turns on nothing of that.
func (c Case) changed(o Observation) error {
	all := []*Changes{o.Changes}
	for _, name := range slices.Sorted(maps.Keys(o.Answers)) {
		all = append(all, o.Answers[name].Changes)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Copies)) {
		all = append(all, o.Copies[name].Changes)
	}
	for _, changes := range all {
		if decisive := c.Decisive(changes); len(decisive) > 0 {
			return &ChangedError{Decisive: decisive, By: changes.By}
		}
	}
	return nil
}

// answeredToAnother takes back that the API server does not conform, where a webhook or a policy may
// have changed what it was sent. A refusal, and the answer to a patch, do not show whether one did.
func (r *Runner) answeredToAnother(ctx context.Context, result *Result, sent Manifest) {
	if result.Outcome != NonConformant || !result.Case.Turns.Answered {
		return
	}
	by := r.Cluster.Changers(ctx, sent, true)
	if by.Server() {
		return
	}
	result.Outcome = Inconclusive
	result.Reason = fmt.Sprintf("cannot tell: what the API server was sent may have been changed on its way by %s; and then: %s; way out: %s",
		by.String(), result.Reason, WayOut(&by))
}

// ChangedError says that the pod is not the one that was sent.
type ChangedError struct {
	Decisive []difference.Difference
	By       *difference.Attribution
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("the cluster changed the pod, and the claim turns on it: %s; probably by %s; way out: %s",
		difference.Say(e.Decisive), e.By, WayOut(e.By))
}

// WayOut says what to do about changes.
func WayOut(by *difference.Attribution) string {
	if by.Server() {
		return "none by policy: look at the API server, and at what is between it and procns"
	}
	return "exempt namespaces with the label " + RunLabel + ", or set what opts out of it with -namespace-label, -pod-label or -pod-annotation"
}

// errAllChanged ends a stage of whose cases none can be judged any more.
var errAllChanged = errors.New("the cluster changed the pod so that none of its cases can be judged")

// compare notes what the cluster made of the stage's pod. Cases that cannot be judged
// by it are set aside: nothing is awaited for them. Its error says that none is left.
func (s *stage) compare(ctx context.Context, stored *corev1.Pod, before bool) error {
	differences := difference.Pods(s.placed.Pod, stored, difference.Options{Before: before})
	if s.placed.Workload != nil {
		differences = append(differences, s.runner.Cluster.WorkloadChanges(s.placed.Pod.Name)...)
	}
	return s.changes(ctx, differences, stored)
}

func (s *stage) changes(ctx context.Context, differences []difference.Difference, stored *corev1.Pod) error {
	if len(differences) == 0 {
		return nil
	}
	if known := s.observation.Changes; known != nil && slices.Equal(known.Differences, differences) {
		return nil // as it was at first
	}
	changes := s.attributed(ctx, differences, stored)
	s.observation.Changes = changes
	s.added = addedIn(differences)
	return s.setAside(s.key.file, changes)
}

// attributed says who may have made the differences.
func (s *stage) attributed(ctx context.Context, differences []difference.Difference, stored *corev1.Pod) *Changes {
	by := s.runner.Cluster.Changers(ctx, s.placed, false)
	if stored != nil {
		by.Managers = difference.Managers(stored.ObjectMeta, differences)
	}
	return &Changes{Differences: differences, Images: s.placed.Documented, By: &by}
}

// setAside takes the cases that turn on the changes out of those that the stage, and
// those that it carries, wait for.
func (s *stage) setAside(file string, changes *Changes) error {
	for _, one := range s.aboard() {
		if one.handed {
			continue
		}
		var left []expectation
		for _, e := range one.cases {
			if len(e.c.Decisive(changes)) == 0 {
				left = append(left, e)
			}
		}
		if one.allChanged = len(left) == 0 && len(one.cases) > 0; !one.allChanged {
			one.cases = left
		}
	}
	if s.runner.OnChanges != nil {
		s.runner.OnChanges(file, *changes)
	}
	if s.idle() {
		return errAllChanged
	}
	return nil
}

// addedIn names the containers that the cluster added.
func addedIn(differences []difference.Difference) map[string]bool {
	added := map[string]bool{}
	for _, d := range differences {
		if d.Class == difference.ContainerAdded || d.Class == difference.InitContainerAdded {
			added[d.Entry()] = true
		}
	}
	return added
}

// state is what judges may know of a pod: of the containers that the cluster added,
// their names.
func (s *stage) state(pod *corev1.Pod) PodState {
	state := StateOf(pod)
	for name := range s.added {
		if _, ok := state.Containers[name]; ok {
			delete(state.Containers, name)
			state.Injected = append(state.Injected, name)
		}
	}
	slices.Sort(state.Injected)
	if len(s.added) > 0 { // whether somebody's own are ready is not waited for
		state.Ready = state.Ready || ownReady(pod, s.added)
	}
	return state
}

// ownReady tells whether all containers of a pod are ready but for those that the cluster added.
func ownReady(pod *corev1.Pod, added map[string]bool) bool {
	ready := map[string]bool{}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		ready[c.Name] = c.Ready
	}
	waitsFor := func(c corev1.Container) bool { return !added[c.Name] && !ready[c.Name] }
	return !slices.ContainsFunc(pod.Spec.Containers, waitsFor) && !slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool {
		return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways && waitsFor(c)
	})
}
