package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/pace"
	"procns/e2e/internal/suite"
)

// The sandbox's process is terminated.

func sandboxCases() []suite.Case {
	const (
		always    = "lifecycle-sandbox.yaml"
		alone     = "lifecycle-sandbox-isolated.yaml"
		never     = "lifecycle-sandbox-never.yaml"
		onFailure = "lifecycle-sandbox-on-failure.yaml"
	)
	cases := []suite.Case{
		{
			ID:      "lifecycle/sandbox-end-restarts-the-pod",
			Level:   suite.Extended,
			Claim:   "SIGTERM to PID 1 ends the sandbox and kills every container with it; kubelet makes a new sandbox, and starts each container again in it.",
			Source:  kep495 + " (kill 1 signals the infrastructure container and potentially restarts the pod); " + initSignals,
			Fixture: always,
			Control: alone,
			Judge:   hasNewSandbox,
			Records: "how each container ended",
			Record: func(o suite.Observation) string {
				var ends []string
				for _, name := range []string{"killer", "other"} {
					c := o.AfterPod.Containers[name]
					if forgotten(c) {
						ends = append(ends, fmt.Sprintf("%s: %d restarts, and kubelet no longer knows how it ended", name, c.Restarts))
						continue
					}
					ends = append(ends, fmt.Sprintf("%s: %d restarts, the last after exit code %d (%s)", name, c.Restarts, *c.ExitCode, c.ExitReason))
				}
				return strings.Join(ends, "; ")
			},
		},
		{
			ID:      "lifecycle/new-sandbox-shares",
			Level:   suite.Extended,
			Claim:   "After its sandbox was replaced, the pod's containers share the new one's PID namespace.",
			Source:  apiReference + "; " + kep495,
			Fixture: always,
			Control: alone,
			Judge: func(o suite.Observation) error {
				if err := hasNewSandbox(o); err != nil {
					return err
				}
				return sharesNow(o, "killer", "other")
			},
		},
		{
			ID:          "lifecycle/sandbox-end-is-reported",
			Experiments: []string{byEvents},
			Level:       suite.Informational,
			Claim:       "kubelet reports a sandbox that ended with the event SandboxChanged.",
			Source:      "kubelet (SyncPod)",
			Fixture:     always,
			Control:     alone,
			Judge: func(o suite.Observation) error {
				if _, err := ownFirst(o, "killer"); err != nil {
					return err
				}
				if err := signalAllowed(o); err != nil {
					return err
				}
				if why := o.Unread[suite.UnreadEvents]; why != "" {
					return suite.CannotTell("the pod's events", why)
				}
				if !sandboxChanged(o) {
					return suite.Violation("an event SandboxChanged", fmt.Sprintf("events: %v", o.Events))
				}
				return nil
			},
		},
		{
			ID:      "lifecycle/sandbox-end-with-restart-never",
			Level:   suite.Extended,
			Claim:   "With restartPolicy Never, a pod whose sandbox is terminated fails: no container is started again.",
			Source:  kubeletRestarts + "; kubernetes#141948, #118321 (pods stayed Pending)",
			Fixture: never,
			Control: always,
			Varies:  "restartPolicy",
			Judge:   sandboxEndFailedPod,
		},
		{
			ID:      "lifecycle/sandbox-end-with-restart-on-failure",
			Level:   suite.Extended,
			Claim:   "With restartPolicy OnFailure, a pod whose sandbox is terminated gets a new one, and each container is started again in it.",
			Source:  kubeletRestarts + "; kubernetes#77544 (pods stayed Pending)",
			Fixture: onFailure,
			Control: never,
			Varies:  "restartPolicy",
			Judge:   hasNewSandbox,
		},
	}
	for i := range cases {
		cases[i].Precondition, cases[i].Act = bothBegan, terminatePID1
		if cases[i].Experiments == nil {
			cases[i].Experiments = none() // but to have terminated PID 1, without which there is no act
		}
		// Whether the killer is unconfined shows when it signals PID 1.
		cases[i].Turns = suite.Turns{NotOn: []difference.Class{difference.AppArmor}}
	}
	return cases
}

func bothBegan(o suite.Observation) error {
	_, errKiller := ownFirst(o, "killer")
	_, errOther := ownFirst(o, "other")
	return errors.Join(errKiller, errOther)
}

var terminatePID1 = &suite.Act{
	Name:   "terminate-pid-1",
	Within: comeback,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		// The session dies with the namespace: how it ends proves nothing.
		kill, err := pod.Exec(ctx, "terminate", "killer", "kill", "-TERM", "1")
		if err != nil || wasRefused(kill) {
			return err
		}
		o := pod.Before()
		if first, ok := o.Container("killer").Find(firstOf(o, "killer")); ok && first.PID == 1 {
			return nil // it has no handler for it: the signal is dropped (pid_namespaces(7))
		}
		back, failed := startedAgain(o.Pod, 1, "killer", "other"), false
		_, err = pod.Await(ctx, comeback, "running again, or failed", func(p suite.PodState) bool {
			failed = p.Phase == "Failed"
			return failed || back(p)
		})
		if err != nil {
			return err
		}
		// kubelet sends its events when it finds the time: on a busy node, half a minute later.
		return pod.Apart(ctx, byEvents, func(ctx context.Context) error {
			return pace.Until(ctx, comeback, func() (bool, error) {
				err := pod.Events(ctx)
				o := pod.Before()
				return failed || sandboxChanged(o) || o.Unread[suite.UnreadEvents] != "", err
			})
		})
	},
}

// sandboxChanged tells whether kubelet has reported so since the killer's container started. It reports the same
// where a sandbox could not be made at first, and the events of an earlier pod of that name stay. Both times
// are by the node's clock.
func sandboxChanged(o suite.Observation) bool {
	since := o.Pod.Containers["killer"].StartedAt
	return slices.ContainsFunc(o.Events, func(e suite.Event) bool {
		return e.Reason == "SandboxChanged" && (e.At == 0 || e.At >= since)
	})
}

// signalAllowed tells a signal that was refused, by credentials or a security module,
// from one that had no effect.
func signalAllowed(o suite.Observation) error {
	r, tried := o.Ran["terminate"]
	if !tried {
		return suite.CannotTell("the killer signals PID 1", "it was not tried", o.Container("killer"))
	}
	if errno, refused := refusal(r); refused {
		return notPromised(o.Container("killer"), "the killer may signal PID 1", r.String(), errno)
	}
	// Where the sandbox ended, the command ended with it, whatever is told of that. Where
	// it is still there, the signal was sent only if kill says so. Before a second look, nobody knows.
	if o.AfterPod == nil && (!r.Ran() || r.Code != 0) {
		return suite.CannotTell("the pod's status after the act", "none", o.Container("killer"))
	}
	after, ranAgain := o.After["killer"]
	if stays := ranAgain && suite.IsViolation(anotherPID1(o.Container("killer"), after)); stays && (!r.Ran() || r.Code != 0) {
		return suite.Final(suite.CannotTell("the killer signals PID 1", r.String(), o.Container("killer")))
	}
	return nil
}

func hasNewSandbox(o suite.Observation) error {
	if err := errors.Join(bothBegan(o), signalAllowed(o)); err != nil {
		return err
	}
	for _, name := range []string{"killer", "other"} {
		if err := startedAnew(o, name); err != nil {
			return err
		}
		if err := anotherPID1(o.Container(name), o.AfterIn(name)); err != nil {
			return err
		}
	}
	return nil
}

func sandboxEndFailedPod(o suite.Observation) error {
	if err := errors.Join(bothBegan(o), signalAllowed(o)); err != nil {
		return err
	}
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	for _, name := range []string{"killer", "other"} {
		c := o.AfterPod.Containers[name]
		if c.Running || c.Restarts != 0 {
			return suite.Violation("container "+name+" is not started again", fmt.Sprintf("restarts: %d, running: %v", c.Restarts, c.Running))
		}
		if err := endedWith(c, name, 137, "Error"); err != nil {
			return err
		}
	}
	if o.AfterPod.Phase != "Failed" {
		return suite.Violation("the pod's phase is Failed", o.AfterPod.Phase)
	}
	return nil
}
