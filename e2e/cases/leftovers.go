package cases

import (
	"context"
	"fmt"
	"strings"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// What is left of a container that has ended.

// noteLeftovers notes which of the processes the killer still sees, a while after kubelet
// told that their containers have ended: a runtime tells that when it has killed them.
// What dies only later has outlived its container, although the second snapshots,
// which wait longer, do not show it any more.
func noteLeftovers(ctx context.Context, pod suite.Hands, processes []probe.Process) error {
	return noteLeft(ctx, pod, "left over", "killer", processes)
}

// noteLeft is noteLeftovers, as another container sees it and under another name.
func noteLeft(ctx context.Context, pod suite.Hands, name, container string, processes []probe.Process) error {
	return pace.Until(ctx, reply, func() (bool, error) {
		from, err := pod.Observe(ctx, container)
		if err != nil {
			return false, err
		}
		if from.Failure != "" {
			return false, nil
		}
		var left []string
		for _, p := range livingOn(pod.Before().Container(container), processes, from) {
			left = append(left, fmt.Sprintf("PID %s (%s)", p.Identity(), p.Command()))
		}
		pod.Note(name, fmt.Sprintf("%d: %s", len(left), strings.Join(left, ", ")))
		return len(left) == 0, nil
	})
}

// nothingLeftOver judges what noteLeftovers noted.
func nothingLeftOver(o suite.Observation) error { return noneLeft(o, "left over", "killer") }

// noneLeft judges what noteLeft noted.
func noneLeft(o suite.Observation, name, container string) error {
	switch left := o.Notes[name]; {
	case left == "":
		return suite.CannotTell("container "+container+" looks for what was left of the containers that ended", "it did not")
	case !strings.HasPrefix(left, "0:"):
		return suite.Violation(fmt.Sprintf("no process of a container is left %s after kubelet told of its end", reply), left, o.Container(container))
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
