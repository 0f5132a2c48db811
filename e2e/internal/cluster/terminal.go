package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/servertext"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// What keeps a pod from what is waited for, and how long that may last before waiting
// on is of no use: kubelet and the scheduler try again what passes, and say the same of
// what does not.
const (
	// configErrorLasts: kubelet says the same while it has not read a ConfigMap yet.
	configErrorLasts = 10 * time.Second
	// runtimeErrorLasts is longer than kubelet's first two back-offs, of 10 s and 20 s: a
	// runtime on a busy node can fail twice.
	runtimeErrorLasts = 45 * time.Second
	// pullErrorLasts is longer than kubelet's first back-off as well: one failed pull can be
	// the network's or the registry's fault of a moment.
	pullErrorLasts = 30 * time.Second
	// throttledLasts is longer than kubelet's first three back-offs, of 70 s together: a registry
	// that throttles says that it will answer later, and most limits are those of a minute.
	throttledLasts = 2 * time.Minute
	// roomLasts is how long a pod waits for others to leave their place on the node.
	roomLasts = 2 * time.Minute
	// sandboxLasts is how long a pod may have no sandbox before its events are asked why.
	// kubelet tries again about every 12 s, and a busy runtime can fail some of these times.
	sandboxLasts = 75 * time.Second
)

// usersLast are when the events of a pod with a user namespace of its own are asked besides:
// a runtime that claims to have them and has none says so at its first try, which comes late
// on a busy node, and each time.
var usersLast = []time.Duration{5 * time.Second, 15 * time.Second, 35 * time.Second}

// reason is what a container's waiting reason means.
type reason struct {
	lasts time.Duration
	// always: also while containers of the pod may end and be started again.
	always bool
	// image: it is the image's, which other pods need as well; final: and for good.
	image, final bool
}

// reasons are those of containers that wait (kubelet's pkg/kubelet/container/sync_result.go
// and pkg/kubelet/images/types.go), but for CrashLoopBackOff.
var reasons = map[string]reason{
	"ErrImageNeverPull":         {always: true, image: true, final: true},
	"InvalidImageName":          {always: true, image: true, final: true},
	"ErrImagePull":              {lasts: pullErrorLasts, always: true, image: true},
	"ImagePullBackOff":          {lasts: pullErrorLasts, always: true, image: true},
	"ImageInspectError":         {lasts: pullErrorLasts, always: true, image: true},
	"RegistryUnavailable":       {lasts: pullErrorLasts, always: true, image: true},
	"SignatureValidationFailed": {lasts: pullErrorLasts, always: true, image: true},

	"CreateContainerConfigError": {lasts: configErrorLasts},
	"CreateContainerError":       {lasts: runtimeErrorLasts},
	"RunContainerError":          {lasts: runtimeErrorLasts},
	"PreCreateHookError":         {lasts: runtimeErrorLasts},
	"PreStartHookError":          {lasts: runtimeErrorLasts},
	"PostStartHookError":         {lasts: runtimeErrorLasts},
}

// obstacle keeps a pod from what is waited for.
type obstacle struct {
	of    string // what it is about; one that is still there keeps its name
	lasts time.Duration
	err   error
	// ask: the pod's events are to say whether it is one.
	ask bool
	// held is what holds the pod back, and others in the same way.
	held string
}

// obstacles are those that a pod's status tells. mayEnd says that containers of the pod
// are meant to end, or to be ended, and to be started again.
func obstacles(pod *corev1.Pod, mayEnd bool) []obstacle {
	all := slices.Concat(schedulingObstacles(pod), podObstacles(pod, mayEnd))
	for _, c := range statuses(pod) {
		all = append(all, containerObstacles(pod, c, mayEnd)...)
	}
	return all
}

// statuses are those of all containers of a pod, of whatever sort.
func statuses(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses)
}

// podObstacles are those of the pod as a whole.
func podObstacles(pod *corev1.Pod, mayEnd bool) []obstacle {
	over := pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
	refused := pod.Status.Phase == corev1.PodFailed && len(pod.Status.ContainerStatuses) == 0 // by kubelet's admission
	switch {
	case refused, over && !mayEnd:
		return []obstacle{{of: "pod", err: errors.New(Describe(pod))}}
	case pod.Spec.NodeName != "" && withoutSandbox(pod):
		found := []obstacle{{of: "sandbox", lasts: sandboxLasts, ask: true}}
		for _, lasts := range usersLast {
			if ownUsers(pod) {
				found = append(found, obstacle{of: "user namespace, " + lasts.String(), lasts: lasts, ask: true})
			}
		}
		return found
	}
	return nil
}

// ownUsers tells whether a pod asks for a user namespace of its own.
func ownUsers(pod *corev1.Pod) bool { return pod.Spec.HostUsers != nil && !*pod.Spec.HostUsers }

// withoutSandbox tells that kubelet has come to no container yet. Where the pod has the
// condition, it says whether that is for the sandbox (v1.29 and later).
func withoutSandbox(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReadyToStartContainers && c.Status == corev1.ConditionTrue {
			return false
		}
	}
	return pod.Status.Phase == corev1.PodPending && !slices.ContainsFunc(
		slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses), func(c corev1.ContainerStatus) bool {
			w := c.State.Waiting
			return w == nil || w.Reason != "ContainerCreating" && w.Reason != "PodInitializing"
		})
}

// refusesPull is how registries say that an image is not there or not for us: trying
// again is of no use. throttlesPull is how they, or kubelet itself, say that there were too many requests.
var (
	refusesPull   = regexp.MustCompile(`(?i)not found|manifest unknown|name unknown|unauthorized|authorization failed|access denied|denied:|insufficient_scope|no basic auth|: 403 forbidden`)
	throttlesPull = regexp.MustCompile(`(?i): 429 |too ?many ?requests|rate limit|pull QPS exceeded`)
)

// containerObstacles are those of one container.
func containerObstacles(pod *corev1.Pod, c corev1.ContainerStatus, mayEnd bool) []obstacle {
	w, ended := c.State.Waiting, c.State.Terminated
	switch said := withoutIDMap(pod, c); {
	case said != "":
		return []obstacle{{of: c.Name, err: suite.Inapplicable(
			"the node can mount the pod's volumes with the IDs of a user namespace of its own (idmap mounts; of tmpfs, from Linux 6.3 on)",
			"container "+c.Name+": "+oneLine(said))}}
	case ended != nil && !mayEnd && staysEnded(pod, c.Name, ended.ExitCode):
		return []obstacle{{of: c.Name, err: fmt.Errorf("container %s has ended and is not started again: %s: %s", c.Name, describeTermination(ended), Describe(pod))}}
	case ended != nil && !mayEnd && c.RestartCount > 0 && isApp(pod, c.Name):
		// kubelet's back-off is one of the reasons to wait, but it may also show the end that it
		// backs off from.
		return []obstacle{crashLoop(pod, c, ended)}
	case w != nil && w.Reason == "CrashLoopBackOff" && !mayEnd:
		return []obstacle{crashLoop(pod, c, c.LastTerminationState.Terminated)}
	case w == nil:
		return nil
	}
	r, known := reasons[w.Reason]
	switch {
	case !known, mayEnd && !r.always:
		return nil
	case r.image:
		switch {
		case !r.final && throttlesPull.MatchString(w.Message):
			r.lasts = throttledLasts
		case w.Reason == "ImagePullBackOff" && refusesPull.MatchString(w.Message):
			r.lasts = 0
		}
		return []obstacle{{of: c.Name + "'s image", lasts: r.lasts, err: &suite.ImageError{Image: c.Image, Said: Describe(pod), Final: r.final}}}
	}
	return []obstacle{{of: c.Name, lasts: r.lasts, err: errors.New(Describe(pod))}}
}

// withoutIDMap is what the runtime said of a container of a pod with a user namespace of its own that the node's file systems
// do not take; "" where that is not why it does not run.
func withoutIDMap(pod *corev1.Pod, c corev1.ContainerStatus) string {
	if !ownUsers(pod) || c.State.Running != nil {
		return ""
	}
	var said []string
	if w := c.State.Waiting; w != nil {
		said = append(said, w.Message)
	}
	for _, ended := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
		if ended != nil && suite.StartFailed(ended.Reason) {
			said = append(said, ended.Message)
		}
	}
	for _, one := range said {
		if servertext.RefusesIDMap(one) {
			return one
		}
	}
	return ""
}

// crashLoop says how a container ended that kubelet starts again and again. Where its
// program never ran, the runtime may have failed once.
func crashLoop(pod *corev1.Pod, c corev1.ContainerStatus, last *corev1.ContainerStateTerminated) obstacle {
	found := obstacle{of: c.Name, lasts: runtimeErrorLasts, err: errors.New(Describe(pod))}
	if last == nil {
		return found
	}
	if last.Reason != "StartError" && last.Reason != "ContainerCannotRun" {
		found.lasts = 0
	}
	found.err = fmt.Errorf("container %s ends again and again (%d restarts), the last time with %s: %s", c.Name, c.RestartCount, describeTermination(last), Describe(pod))
	return found
}

func describeTermination(t *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("exit code %d (%s)", t.ExitCode, t.Reason)
	if message := strings.TrimSpace(t.Message); message != "" {
		text += ": " + message
	}
	return text
}

func isApp(pod *corev1.Pod, name string) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == name })
}

// staysEnded tells that kubelet does not start a container again: then its pod is never Ready.
func staysEnded(pod *corev1.Pod, name string, code int32) bool {
	for _, c := range pod.Spec.Containers {
		if c.Name == name {
			return c.RestartPolicy == nil && len(c.RestartPolicyRules) == 0 && (pod.Spec.RestartPolicy == corev1.RestartPolicyNever ||
				pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure && code == 0)
		}
	}
	return false // an init container or an ephemeral one
}

// endurance is how long each obstacle of one wait has lasted.
type endurance struct {
	since map[string]time.Time
	asked map[string]bool // the obstacles of which the events were asked
}

// judge returns why waiting is over, and otherwise when to look again although nothing
// changes (0: not at all). ask says that the pod's events are to be asked now.
func (e *endurance) judge(found []obstacle, now time.Time) (again time.Duration, ask bool, err error) {
	still, asked := map[string]time.Time{}, map[string]bool{}
	maps.Copy(asked, e.asked)
	for _, o := range found {
		began, known := e.since[o.of]
		if !known {
			began = now
		}
		still[o.of] = began
		left := o.lasts - now.Sub(began)
		switch {
		case o.ask && e.asked[o.of]:
			continue
		case left <= 0 && o.ask:
			ask = true
			asked[o.of] = true
			continue
		case left <= 0 && err == nil:
			err = o.err
		}
		if left > 0 && (again == 0 || left < again) {
			again = left
		}
	}
	e.since, e.asked = still, asked
	return again, ask, err
}

// Broken implements suite.Cluster.
func (s *Session) Broken(name string) error {
	pod, ok := s.Current(name)
	if !ok {
		return nil
	}
	for _, o := range obstacles(pod, false) {
		if o.lasts == 0 {
			return fmt.Errorf("pod %s does not stay up: %w", name, o.err)
		}
	}
	return nil
}

// sandboxFailure is what a pod's events say of a sandbox that kubelet failed to make again
// and again; nil where they do not, or may not be listed.
func (s *Session) sandboxFailure(ctx context.Context, pod *corev1.Pod) error {
	events, err := s.Events(ctx, pod.Name)
	if err != nil {
		return nil //nolint:nilerr // the wait goes on, and says in the end what the status says
	}
	return failedSandbox(events, pod)
}

// askedInTheEnd is how long the events of a pod are asked for when its time is over.
const askedInTheEnd = 10 * time.Second

// stalledPull says of a pod whose time is over that it still waits for an image: others need not
// wait as long for the same one. Either the last pull has just failed, or it has not ended, as the
// pod's events say. It is nil where neither is so, or the events may not be listed.
func (s *Session) stalledPull(ctx context.Context, pod *corev1.Pod) error {
	if !errors.Is(errors.Join(ctx.Err(), context.Cause(ctx)), context.DeadlineExceeded) {
		return nil // somebody wants the run to end
	}
	for _, o := range obstacles(pod, true) {
		if image := (*suite.ImageError)(nil); errors.As(o.err, &image) {
			return image
		}
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), askedInTheEnd)
	defer cancel()
	events, err := s.Events(asking, pod.Name)
	if err != nil {
		return nil //nolint:nilerr // what the pod's status says is told all the same
	}
	return pullUnderWay(events, pod, context.Cause(ctx))
}

// pullUnderWay reads it from the events: kubelet says when it begins to pull, and when it has
// pulled or failed to.
func pullUnderWay(events []suite.Event, pod *corev1.Pod, over error) error {
	begun, ended := map[string]int{}, map[string]int{}
	for _, e := range events {
		switch {
		case e.Reason == "Pulling":
			begun[e.Container] += max(1, e.Count)
		case e.Reason == "Pulled", e.Reason == "Failed" && strings.HasPrefix(e.Message, "Failed to pull"):
			ended[e.Container] += max(1, e.Count)
		}
	}
	for _, c := range statuses(pod) {
		w := c.State.Waiting
		for field := range begun {
			if w != nil && strings.HasSuffix(field, "{"+c.Name+"}") && begun[field] > ended[field] {
				return &suite.ImageError{Image: c.Image, Said: fmt.Sprintf("its pull has not ended (%v): %s", over, Describe(pod))}
			}
		}
	}
	return nil
}

// failedSandbox reads it from the events.
func failedSandbox(events []suite.Event, pod *corev1.Pod) error {
	again := 2
	failed, said := 0, ""
	for _, e := range events {
		if e.Reason == "FailedCreatePodSandBox" {
			failed += max(1, e.Count)
			said = e.Message
		}
	}
	claimed := ""
	if ownUsers(pod) && servertext.RefusesUserNamespace(said) {
		again = 1 // the node's answer is the same each time
		claimed = "the runtime does not start a pod with a user namespace of its own (hostUsers: false), whatever the node's status says of it (runtimeHandlers): "
	}
	if failed < again {
		return nil
	}
	return fmt.Errorf("%skubelet failed %s to make its sandbox: %s: %s", claimed, wording.Times(failed), said, Describe(pod))
}
