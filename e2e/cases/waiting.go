package cases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// What acts wait for, and how long at most.

// reply bounds the wait for one command's output on a terminal; it is there
// within milliseconds unless the node is overloaded.
const reply = 30 * time.Second

// comeback bounds the wait for what kubelet does when a container has ended: it is
// started again, or its pod is over. The first time that takes a second or two, and far
// longer on a busy node.
const comeback = 2 * time.Minute

// soon bounds an act's wait for a pod or a Job: they take seconds, from images that
// the node has, unless the node is badly overloaded.
const soon = 5 * time.Minute

// A disrupted node needs up to a minute until it answers again.
const nodeIsBack = 3 * time.Minute

// allRunning settles a pod that need not become ready.
func allRunning(containers ...string) *suite.Await {
	return &suite.Await{Name: "running", Done: func(p suite.PodState) bool {
		return !slices.ContainsFunc(containers, func(name string) bool { return !p.Containers[name].Running })
	}}
}

// look is one look at a container that has to succeed: of what was not looked at, it cannot be said
// that it was not there.
func look(ctx context.Context, pod suite.PodClient, container string) (*probe.Snapshot, error) {
	s, err := pod.Observe(ctx, container)
	if err == nil && s.Failure != "" {
		err = fmt.Errorf("container %s could not be observed: %s", container, s.Failure)
	}
	return s, err
}

// lookWhenBack looks at a container once that can be done: a container that the disruption ended, as it
// should not, is there again when kubelet has noticed, and its status says nothing of that until then.
func lookWhenBack(ctx context.Context, pod suite.PodClient, container string) (s *probe.Snapshot, err error) {
	over := pace.Until(ctx, comeback, func() (bool, error) {
		s, err = look(ctx, pod, container)
		return err == nil, nil
	})
	return s, cmp.Or(err, over)
}

// lookUntil looks at a container again and again until what it sees is enough, and tells whether it
// came to that: that it did not is no error. A process table cannot be watched: each look is one exec. There are three
// at least: one that outlasts the time shows what was there when the wait began.
func lookUntil(ctx context.Context, pod suite.PodClient, container string, within time.Duration, enough func(*probe.Snapshot) bool) (bool, error) {
	seen := false
	err := pace.Persist(ctx, within, func() (bool, error) {
		s, err := pod.Observe(ctx, container)
		if err == nil {
			seen = enough(s)
		}
		return seen, err
	})
	return seen, err
}

// onceSeen looks at a container until it sees such a process; PID 0 where it never does.
func onceSeen(ctx context.Context, pod suite.PodClient, container string, within time.Duration, is func(probe.Process) bool) (probe.Process, error) {
	var found probe.Process
	_, err := lookUntil(ctx, pod, container, within, func(s *probe.Snapshot) (ok bool) {
		found, ok = s.Find(is)
		return ok
	})
	return found, err
}

// awaitLog records a container's log when it holds the text, or as it is in the
// end: a line that was printed takes its time through the runtime's pipes, and a
// node that is busy may not answer at once. A log that is gone, or that may not be
// read, is not recorded.
func awaitLog(ctx context.Context, pod suite.PodClient, name, container string, previous bool, text string) error {
	var last error
	err := pace.Persist(ctx, reply, func() (bool, error) {
		last = pod.Logs(ctx, name, container, previous)
		o := pod.Before()
		return o.Unread[name] != "" || last == nil && strings.Contains(o.Logs[name], text), nil
	})
	if errors.Is(last, suite.ErrLogGone) {
		last = nil
	}
	return errors.Join(err, last)
}
