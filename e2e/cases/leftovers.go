package cases

import (
	"context"
	"fmt"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// What is left of a container that has ended.

// noteLeftovers notes which of the processes a container still sees, a while after kubelet
// told that their containers have ended: a runtime tells that when it has killed them.
// What dies only later has outlived its container, although the second snapshots,
// which wait longer, do not show it any more.
func noteLeftovers(ctx context.Context, pod suite.PodClient, from string, processes []probe.Process) error {
	_, err := lookUntil(ctx, pod, from, reply, func(s *probe.Snapshot) bool {
		if s.Failure != "" {
			return false
		}
		left := []suite.Leftover{}
		for _, p := range livingOn(pod.Before().Container(from), processes, s) {
			left = append(left, suite.Leftover{Identity: p.Identity(), Command: p.Command()})
		}
		pod.Note(func(saw *suite.Saw) { saw.Left = &left })
		return len(left) == 0
	})
	return err
}

// nothingLeftOver judges what a container noted of leftovers.
func nothingLeftOver(o suite.Observation, from string) error {
	switch left := o.Saw.Left; {
	case left == nil:
		return suite.CannotTell("container "+from+" looks for what was left of the containers that ended", "it did not")
	case len(*left) > 0:
		return suite.Violation(fmt.Sprintf("no process of a container is left %s after kubelet told of its end", reply), fmt.Sprintf("%d: %v", len(*left), *left), o.Container(from))
	}
	return nil
}

// gone demands that none of the processes is there any more, whoever looks.
func gone(o suite.Observation, before *probe.Snapshot, processes []probe.Process, from ...string) error {
	for _, container := range from {
		after := o.AfterIn(container)
		if len(after.Processes) == 0 {
			return suite.CannotTell("container "+container+" sees processes after the act", "none", after)
		}
		if left := livingOn(before, processes, after); len(left) > 0 {
			return suite.Violation("no process of the container that ended is left",
				fmt.Sprintf("PID %s is (%s)", left[0].Identity(), left[0].Command()), before, after)
		}
	}
	return nil
}

// goneFrom demands that a container no longer sees a process, not even as a zombie.
func goneFrom(o suite.Observation, container string, p probe.Process) error {
	after := o.AfterIn(container)
	if _, ok := after.Process(1); !ok {
		return suite.CannotTell("container "+container+" sees PID 1 after the act", "it does not", after)
	}
	if left, ok := after.Process(p.PID); ok && isSame(o.Container(container), p, after, left) {
		return suite.Violation(fmt.Sprintf("container %s no longer sees process %s, which was killed", container, p.Identity()),
			"it does, in state "+left.State, after)
	}
	return nil
}

// livingOn are those of the processes of one snapshot that a later one shows as well: the same
// ones, and not others that have got their PIDs.
func livingOn(before *probe.Snapshot, processes []probe.Process, after *probe.Snapshot) []probe.Process {
	var left []probe.Process
	for _, p := range processes {
		if seen, ok := after.Process(p.PID); ok && isSame(before, p, after, seen) {
			left = append(left, p)
		}
	}
	return left
}
