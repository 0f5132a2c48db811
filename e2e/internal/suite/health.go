package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// ImageError says that a node cannot have an image.
type ImageError struct {
	Image string
	Said  string // kubelet's words
	Final bool   // nobody will try to pull it: its name or its pull policy is why
}

func (e *ImageError) Error() string {
	return fmt.Sprintf("image %s: %s", e.Image, e.Said)
}

// Disturbance is what happened to a target's node, or to the way there, that a
// case did not do: what is seen then says nothing about the behaviour.
type Disturbance struct {
	// Lost says that it lasts: the node, or the API server, does not answer.
	Lost bool
	// Closed says that the node takes no new pods any more.
	Closed bool
	Said   string // empty: there was none
}

// health is what pods on a target have shown that the others need not find out
// again: each would wait as long for nothing.
type health struct {
	// giveUp ends what is still waited for on the target.
	giveUp context.CancelCauseFunc
	mu     sync.Mutex
	closed string              // why the node takes no new pods, or ""
	images map[string]*missing // by image
	lost   int                 // looks without an answer since the last answer, in pods in which nothing was done
	lostAt time.Time           // when the last of them was given up
}

// missing is an image that a pod could not have.
type missing struct {
	said  string
	since time.Time
	final bool
	again bool // it was tried again
}

// triedAgainAfter is how long the other pods of an image that a pod could not have are
// refused, before one of them tries again, once.
const triedAgainAfter = 2 * time.Minute

// refuses says why a pod need not be tried, or nil.
func (h *health) refuses(pod *corev1.Pod) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed != "" {
		return noMore(h.closed)
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		m, ok := h.images[c.Image]
		switch {
		case !ok:
		case !m.final && !m.again && time.Since(m.since) >= triedAgainAfter:
			m.again = true
		default:
			return &ImageError{Image: c.Image, Said: m.said, Final: m.final}
		}
	}
	return nil
}

// close has no more pods created on the target.
func (h *health) close(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = why
}

// answers notes that a look was answered, and loses that one was not that began then, in a pod in which nothing was done.
// Those that were under way together are one.
func (h *health) answers() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = 0
}

func (h *health) loses(began time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if began.Before(h.lostAt) {
		return
	}
	h.lost, h.lostAt = h.lost+1, time.Now()
}

// silent tells that the target does not answer.
func (h *health) silent() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost >= lostInARow
}

// noMore is why a pod is not created on a node that takes none.
func noMore(closed string) error { return errors.New(closed + ": no more pods are created there") }

// pulled notes that a pod has all its images.
func (h *health) pulled(pod *corev1.Pod) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		delete(h.images, c.Image)
	}
}

// learn draws from a pod's failure what holds for the others.
func (h *health) learn(ctx context.Context, err error, ask func(context.Context) Disturbance) {
	if ctx.Err() != nil {
		return // it was interrupted, or the target is given up already
	}
	var image *ImageError
	if errors.As(err, &image) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.images == nil {
			h.images = map[string]*missing{}
		}
		m := h.images[image.Image]
		if m == nil {
			m = &missing{since: time.Now()}
			h.images[image.Image] = m
		}
		m.said, m.final = image.Said, image.Final
		return
	}
	switch found := ask(ctx); {
	case found.Lost:
		h.giveUp(errors.New(found.Said))
	case found.Closed:
		h.close(found.Said)
	}
}

// withdraw takes back that a cluster does not conform, where the pod, its node or the way
// there was disturbed by something else. A case that disturbs the node itself is judged
// as it is.
func (r *Runner) withdraw(ctx context.Context, result *Result, sent *corev1.Pod, o Observation, since time.Time) {
	if result.Outcome != NonConformant || result.Case.disrupts() {
		return
	}
	said := ""
	hungry := starved(sent, o)
	switch {
	case o.AfterPod != nil && o.AfterPod.Reason != "":
		// It has a reason of its own where kubelet ended it, for lack of something on the node or
		// for another pod.
		said = "kubelet ended pod " + o.AfterPod.Name + ": " + o.AfterPod.Reason
	case hungry != "":
		said = fmt.Sprintf("container %s of pod %s was killed for lack of memory, of which its manifest sets no limit: the node's, or one that the cluster added (a LimitRange?)", hungry, o.Pod.Name)
	default:
		said = r.Cluster.Disturbance(ctx, result.Target.Node, since).Said
	}
	if said != "" {
		result.Outcome = Inconclusive
		result.Reason = fmt.Sprintf("cannot tell: the run was disturbed: %s; and then: %s", said, result.Reason)
	}
}

// starved names a container that was killed for lack of memory although its manifest has it under no limit;
// "" where none was.
func starved(sent *corev1.Pod, o Observation) string {
	if sent == nil || sent.Spec.Resources != nil && sent.Spec.Resources.Limits != nil {
		return ""
	}
	states := []PodState{o.Pod}
	if o.AfterPod != nil {
		states = append(states, *o.AfterPod)
	}
	for _, c := range slices.Concat(sent.Spec.InitContainers, sent.Spec.Containers) {
		if _, limited := c.Resources.Limits[corev1.ResourceMemory]; limited {
			continue
		}
		for _, s := range states {
			if s.Containers[c.Name].ExitReason == "OOMKilled" {
				return c.Name
			}
		}
	}
	return ""
}
