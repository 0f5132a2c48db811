package cases

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// Containers end, each in another way.

// endings are the containers of lifecycle-ends.yaml that end, and how.
var endings = []struct {
	name   string
	code   int
	reason string
}{
	{"terminated", 143, "Error"},
	{"killed", 137, "Error"},
	{"crashed", 3, "Error"},
	{"finished", 0, "Completed"},
	{"nginx", 0, "Completed"},
}

func endCases() []suite.Case {
	const (
		always = "lifecycle-ends.yaml"
		alone  = "lifecycle-ends-isolated.yaml"
	)
	cases := []suite.Case{
		{
			ID:      "lifecycle/exit-codes",
			Level:   suite.Extended,
			Claim:   "kubelet reports how a sibling's signal ended a container: 143 for SIGTERM, 137 for SIGKILL, and its own exit code where it handles the signal.",
			Source:  kubeletRestarts + "; " + initSignals,
			Fixture: always,
			Control: alone,
			Judge: func(o suite.Observation) error {
				for _, e := range endings {
					if o.AfterPod == nil {
						return suite.CannotTell("the pod's status after the act", "none")
					}
					if err := startedAtOnce(o, e.name); err != nil {
						return err
					}
					if err := endedWith(o.AfterPod.Containers[e.name], e.name, e.code, e.reason); err != nil {
						return err
					}
				}
				return spared(o, "killer")
			},
		},
		{
			ID:      "lifecycle/nginx-quits",
			Level:   suite.Extended,
			Claim:   "SIGQUIT from a sibling ends nginx with exit code 0, and kubelet starts it again with a new master.",
			Source:  onConfiguring + ", signalling other containers; nginx documentation, Controlling nginx",
			Fixture: always,
			Control: alone,
			Judge:   nginxQuit,
		},
		{
			ID:      "lifecycle/restart-always",
			Level:   suite.Extended,
			Claim:   "With restartPolicy Always, each container that ends is started again, whatever its exit code, and no other.",
			Source:  kubeletRestarts,
			Fixture: always,
			Control: alone,
			Judge:   restartedIf(func(int) bool { return true }),
		},
		{
			ID:      "lifecycle/restart-on-failure",
			Level:   suite.Extended,
			Claim:   "With restartPolicy OnFailure, a container is started again unless it ended with exit code 0.",
			Source:  kubeletRestarts,
			Fixture: "lifecycle-ends-on-failure.yaml",
			Control: always,
			Varies:  "restartPolicy",
			Judge:   restartedIf(func(code int) bool { return code != 0 }),
		},
		{
			ID:      "lifecycle/restart-never",
			Level:   suite.Extended,
			Claim:   "With restartPolicy Never, no container that ends is started again, and its sibling runs on.",
			Source:  kubeletRestarts,
			Fixture: "lifecycle-ends-never.yaml",
			Control: always,
			Varies:  "restartPolicy",
			Judge:   restartedIf(func(int) bool { return false }),
		},
		{
			ID:      "lifecycle/liveness-failure-spares-the-siblings",
			Level:   suite.Extended,
			Claim:   "A container of several processes whose liveness probe fails is stopped and started again alone: its sibling and PID 1 stay.",
			Source:  kubeletRestarts + "; moby#50523 (all containers were killed)",
			Fixture: always,
			Control: alone,
			Judge: func(o suite.Observation) error {
				stoppedByKubelet := func(is suite.ContainerState) error { return stopped(is, "unhealthy") }
				if err := restartedOnceAfter(o, "unhealthy", stoppedByKubelet); err != nil {
					return err
				}
				return spared(o, "killer")
			},
		},
		{
			ID:      "lifecycle/out-of-memory",
			Level:   suite.Extended,
			Claim:   "A container that exceeds its memory limit is reported as OOMKilled and started again alone: its sibling and PID 1 stay.",
			Source:  "Kubernetes documentation, Assign Memory Resources to Containers and Pods",
			Fixture: always,
			Control: alone,
			Judge:   onlyHungryEnded,
		},
		{
			ID:          "lifecycle/no-leftovers-however-it-ends",
			Experiments: []string{byLookingAgain},
			Level:       suite.Extended,
			Claim:       "No process of a container outlives its first process, however that ended: by a signal, a failure, success, a failed probe or lack of memory.",
			Source:      kep495 + "; runc#2632 (they outlived a failure)",
			Fixture:     always,
			Control:     alone,
			Judge:       noLeftoversOfEnded,
		},
	}
	for i := range cases {
		cases[i].Precondition, cases[i].Act = allHaveChildren, endEach
		cases[i].Judge = ifSent("killer", "end each", cases[i].Judge)
		if cases[i].Experiments == nil {
			cases[i].Experiments = none() // but to have ended each, without which there is no act
		}
	}
	return cases
}

// allHaveChildren waits until each container has come to its loop.
func allHaveChildren(o suite.Observation) error {
	for name := range o.Markers {
		first, err := ownFirst(o, name)
		if err != nil {
			return err
		}
		if own := o.Container(name); len(family(own, first)) < 2 {
			return suite.CannotTell("container "+name+"'s first process has children", "none", own)
		}
	}
	return nginxServing(o)
}

// endEach has the killer end its siblings. That a container is not started again
// shows only with time, for which the pod with restartPolicy Always is the clock.
var endEach = &suite.Act{
	Name:     "end-each",
	Within:   comeback,
	NoEffect: true,
	Sees:     []string{"killer"},
	Do: func(ctx context.Context, pod suite.PodClient) error {
		o := pod.Before()
		killer := o.Container("killer")
		script := []string{"sh", "-c", `
kill -TERM "$1" || exit
kill -KILL "$2" || exit
kill -USR1 "$3" "$4" "$6" || exit
kill -QUIT "$7" || exit
rm "/proc/$5/root/tmp/healthy"
`, "end-each"}
		ending := []string{"terminated", "killed", "crashed", "finished", "unhealthy", "hungry", "nginx"}
		for _, name := range ending {
			p, seen := killer.Find(firstOf(o, name))
			if name == "nginx" {
				p, seen = master(killer)
			}
			if !seen {
				return nil // the judges say that nothing ended
			}
			script = append(script, strconv.Itoa(p.PID))
		}
		sent, err := pod.Exec(ctx, "end each", "killer", script...)
		if err != nil || wasRefused(sent) {
			return err
		}
		over, err := pod.Await(ctx, soon, "over", allEnded(ending...)) // three probes have to fail first
		if err != nil || !over {
			return err
		}
		var doomed []probe.Process
		for _, name := range ending {
			own := o.Container(name)
			if first, ok := own.Find(firstOf(o, name)); ok {
				doomed = append(doomed, family(own, first)...)
			}
		}
		return pod.Apart(ctx, byLookingAgain, func(ctx context.Context) error { return noteLeftovers(ctx, pod, "killer", doomed) })
	},
}

// restartedIf demands that each container that ended was started again, once, or
// was not, by its exit code.
func restartedIf(due func(code int) bool) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if o.AfterPod == nil {
			return suite.CannotTell("the pod's status after the act", "none")
		}
		for _, e := range endings {
			was, is := o.Pod.Containers[e.name], o.AfterPod.Containers[e.name]
			if err := startedAtOnce(o, e.name); err != nil {
				return err
			}
			if err := endedWith(is, e.name, e.code, e.reason); err != nil {
				return err
			}
			if due(e.code) {
				if err := restartedTimes(o, e.name, 1); err != nil {
					return err
				}
				continue
			}
			if is.Restarts != was.Restarts || is.Running || is.Waiting != "" {
				return suite.Violation(fmt.Sprintf("container %s, which ended with exit code %d, is not started again", e.name, e.code),
					fmt.Sprintf("%d restarts before, %d after; running: %v, waiting: %q", was.Restarts, is.Restarts, is.Running, is.Waiting))
			}
		}
		return spared(o, "killer")
	}
}

func nginxQuit(o suite.Observation) error {
	old, ok := master(o.Container("nginx"))
	if !ok {
		return suite.CannotTell("nginx's master process in its own container", "none", o.Container("nginx"))
	}
	if err := restartedOnce(o, "nginx", 0, "Completed"); err != nil {
		return err
	}
	after := o.AfterIn("killer")
	if now, ok := master(after); !ok || isSame(o.Container("nginx"), old, after, now) {
		return suite.Violation("the sibling sees nginx's new master", fmt.Sprintf("the old one was PID %s", old.Identity()), o.Container("nginx"), after)
	}
	return spared(o, "killer")
}

// onlyHungryEnded takes the container's own word for whether a limit is enforced
// at all: it ends with 0 when it was given the memory.
func onlyHungryEnded(o suite.Observation) error {
	if err := memoryLimited(o); err != nil {
		return err
	}
	if err := restartedOnce(o, "hungry", 137, "OOMKilled"); err != nil {
		return err
	}
	return spared(o, "killer")
}

// memoryLimited tells where the container hungry was not ended by its limit, but by itself.
func memoryLimited(o suite.Observation) error {
	if o.AfterPod != nil {
		if c := o.AfterPod.Containers["hungry"]; c.ExitCode != nil && *c.ExitCode == 0 {
			return suite.CannotTell("the node enforces the memory limit", "a container with a limit of 64 MiB was given 256")
		}
	}
	return nil
}

func noLeftoversOfEnded(o suite.Observation) error {
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	var old []probe.Process
	killer := o.Container("killer")
	for _, name := range slices.Sorted(maps.Keys(o.Markers)) {
		if name == "killer" {
			continue
		}
		own := o.Container(name)
		first, err := ownFirst(o, name)
		if err != nil {
			return err
		}
		members := family(own, first)
		if len(members) < 2 {
			return suite.CannotTell("container "+name+"'s first process has children", "none", own)
		}
		if c := o.AfterPod.Containers[name]; !hasEnded(c) {
			return suite.Violation("container "+name+" ends", describeEnd(c), own, killer)
		}
		old = append(old, members...)
	}
	if len(old) == 0 {
		return suite.CannotTell("containers that ended", "none")
	}
	if err := gone(o, killer, old, "killer"); err != nil {
		return err
	}
	if err := nothingLeftOver(o, "killer"); err != nil {
		return err
	}
	return memoryLimited(o) // last: a leftover is one, however its container ended
}
