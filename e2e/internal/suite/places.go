package suite

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/pace"
)

// places are how many pods a target has at one time. They become fewer where the
// node, or a quota, turns out to have less room.
type places struct {
	mu           sync.Mutex
	limit, taken int
	pods         map[string]bool // that were created, until they are known to be gone
	left         chan struct{}   // closed and replaced when somebody leaves
}

func newPlaces(limit int) *places {
	return &places{limit: max(1, limit), pods: map[string]bool{}, left: make(chan struct{})}
}

// take waits for a place.
func (p *places) take() {
	for {
		p.mu.Lock()
		if p.taken < p.limit {
			p.taken++
			p.mu.Unlock()
			return
		}
		left := p.left
		p.mu.Unlock()
		<-left
	}
}

// created notes a pod. Who gives its place back may have one for a while.
func (p *places) created(pod string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pods[pod] = true
}

func (p *places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	close(p.left)
	p.left = make(chan struct{})
}

// fewer notes that there is no room for one more pod: the room is for those that are
// there, but for own, and for one at least. It returns the new limit, 0 where it is as it
// was, and how many other pods are there.
func (p *places) fewer(own string, there func(pod string) bool) (limit, others int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for pod := range p.pods {
		switch {
		case !there(pod):
			delete(p.pods, pod)
		case pod != own:
			others++
		}
	}
	if fewer := max(1, others); fewer < p.limit {
		p.limit, limit = fewer, fewer
	}
	return limit, others
}

// someLeave returns when a place is given back, or when the time is over.
func (p *places) someLeave(ctx context.Context, atMost time.Duration) {
	p.mu.Lock()
	left := p.left
	p.mu.Unlock()
	select {
	case <-left:
	case <-time.After(atMost):
	case <-ctx.Done():
	}
}

// placesOn is how many pods a target is to have at one time.
func (r *Runner) placesOn(target Target) int {
	if room, ok := r.Room[target.Node]; ok {
		return max(1, min(r.AtOnce, room))
	}
	return r.AtOnce
}

// overQuota is how the API server says that a ResourceQuota is used up (plugin/pkg/admission/resourcequota).
var overQuota = regexp.MustCompile(`exceeded quota: [^,]+, requested: [^,]+`)

// ofFiles is what such a quota was asked for where it counts what a pod reads: pods that end give none of
// it back.
var ofFiles = regexp.MustCompile(`exceeded quota: [^,]+, requested: (?:count/)?(?:secrets|configmaps)=`)

// UsedUp tells whether a text tells of a ResourceQuota that has no room at the moment, and will have
// when other pods have ended.
func UsedUp(text string) bool { return overQuota.MatchString(text) && !ofFiles.MatchString(text) }

// noRoom says why a pod was refused for lack of room, which passes when others have
// ended: by a ResourceQuota, by the scheduler or by kubelet; "" where it was not.
func noRoom(pod *corev1.Pod, err error) string {
	if err == nil {
		return ""
	}
	if UsedUp(err.Error()) {
		return err.Error()
	}
	if pod == nil {
		return ""
	}
	if pod.Status.Phase == corev1.PodFailed && strings.HasPrefix(pod.Status.Reason, "OutOf") { // OutOfpods, OutOfcpu
		return fmt.Sprintf("kubelet refused pod %s: %s: %s", pod.Name, pod.Status.Reason, pod.Status.Message)
	}
	return ""
}

// tooMany tells that the scheduler keeps a pod waiting until others have ended.
func tooMany(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && strings.Contains(c.Message, "Too many pods") {
			return true
		}
	}
	return false
}

// roomPace is how long a pod that was refused for lack of room waits for others to
// leave, before it is tried again: longer each time.
type roomPace struct{ first, longest time.Duration }

func (r *Runner) paceForRoom() roomPace {
	if r.roomPace == (roomPace{}) {
		return roomPace{first: 2 * time.Second, longest: 20 * time.Second}
	}
	return r.roomPace
}

// aloneTries is how often a pod is tried again while the target has no other: nobody
// whom the suite knows of will make room for it.
const aloneTries = 4

// fewer has the target have fewer pods at one time, and says why. It returns how many
// other pods are there.
func (s *stage) fewer(why string) (others int) {
	limit, others := s.places.fewer(s.pod, func(pod string) bool {
		_, gone := s.runner.Cluster.Last(pod)
		return !gone
	})
	if limit > 0 {
		s.runner.Log("%s: at most %d pods at one time from now on: %s", s.target.Name(), limit, why)
	}
	return others
}

// backDown waits until there may be room for a pod that was refused, and tells whether
// it is worth another try. alone counts the tries while the target had no other pod.
func (s *stage) backDown(ctx context.Context, why string, tried int, alone *int) bool {
	room := s.runner.paceForRoom()
	wait := min(room.longest, room.first<<min(tried, 4))
	if s.fewer(why) > 0 {
		*alone = 0
		s.places.someLeave(ctx, wait)
		return ctx.Err() == nil
	}
	if *alone++; *alone > aloneTries {
		s.health.close(why) // the others would wait as long for nothing
		return false
	}
	return pace.Pause(ctx, wait) == nil
}
