package cases

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"procns/e2e/internal/suite"
)

// An ephemeral container is killed.

func killedCase() suite.Case {
	return suite.Case{
		ID:      "ephemeral/killed-is-not-started-again",
		Level:   suite.Extended,
		Claim:   "An ephemeral container that a sibling kills ends with exit code 137 and is not started again, although kubelet has started another container of the pod again since.",
		Source:  "Kubernetes documentation, “Ephemeral Containers” (they are never automatically restarted); kubernetes#124176 (it was created again and again)",
		Fixture: "ephemeral-killed.yaml",
		Control: "ephemeral-killed-isolated.yaml",
		Turns:   suite.Turns{Capabilities: []string{"KILL"}},
		Precondition: func(o suite.Observation) error {
			_, errDebugger := ownFirst(o, "debugger")
			_, errClock := ownFirst(o, "clock")
			return errors.Join(errDebugger, errClock)
		},
		Act:   killEphemeral,
		Judge: ifSent("killer", "kill debugger", ifSent("killer", "kill clock", ephemeralStaysOver)),
	}
}

// killEphemeral has the killer kill the ephemeral container and, when kubelet has told of its
// end, another container of the pod. kubelet decides of all of a pod's containers at one time:
// when it has started that one again, it has decided about the ephemeral one as well.
var killEphemeral = &suite.Act{
	Name:   "kill-ephemeral",
	Within: 30 * time.Second,
	Sees:   []string{"killer"},
	Do: func(ctx context.Context, pod suite.PodClient) error {
		o := pod.Before()
		for _, name := range []string{"debugger", "clock"} {
			p, seen := o.Container("killer").Find(firstOf(o, name))
			if !seen {
				return nil // the judge says so
			}
			kill, err := pod.Exec(ctx, "kill "+name, "killer", "kill", "-KILL", strconv.Itoa(p.PID))
			if err != nil || wasRefused(kill) {
				return err
			}
			if over, err := pod.Await(ctx, comeback, "over", allEnded(name)); err != nil || !over {
				return err
			}
		}
		_, err := pod.Await(ctx, comeback, "running its clock again", startedAgain(o.Pod, 1, "clock"))
		return err
	},
}

func ephemeralStaysOver(o suite.Observation) error {
	own, err := ownFirst(o, "debugger")
	if err != nil {
		return err
	}
	killer := o.Container("killer")
	if !showsAs(killer, firstOf(o, "debugger"), own) {
		return suite.Violation("the killer sees the ephemeral container's first process, PID "+own.Identity().String(), "it does not", killer, o.Container("debugger"))
	}
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	was, is := o.Pod.Containers["debugger"], o.AfterPod.Containers["debugger"]
	if is.ID != was.ID || is.Restarts != was.Restarts || is.Running || is.Waiting != "" {
		return suite.Violation("the ephemeral container is not started again",
			fmt.Sprintf("another instance: %v; restarts: %d; running: %v; waiting: %q; %s", is.ID != was.ID, is.Restarts, is.Running, is.Waiting, describeEnd(is)), o.AfterIn("killer"))
	}
	if err := endedWith(is, "debugger", 137, "Error"); err != nil {
		return err
	}
	if err := gone(o, killer, family(o.Container("debugger"), own), "killer"); err != nil {
		return err
	}
	if clock := o.AfterPod.Containers["clock"]; clock.Restarts == o.Pod.Containers["clock"].Restarts || !clock.Running {
		return suite.CannotTell("kubelet has started another container of the pod again since", describeEnd(clock))
	}
	return nil
}
