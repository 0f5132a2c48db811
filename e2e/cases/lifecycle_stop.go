package cases

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// The pod is deleted, and its containers have something to do first.

// stopGrace is lifecycle-stop.yaml's grace period, in seconds.
const stopGrace = 30

func stopCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:          "lifecycle/post-start-hook-shares",
			Experiments: none(),
			Level:       suite.Extended,
			Claim:       "A postStart hook sees the processes of the containers that were started before its own.",
			Source:      onPurpose + "; Kubernetes documentation, Container Lifecycle Hooks",
			Judge:       sawSleeper("/tmp/post-start"),
		},
		{
			ID:          "lifecycle/readiness-probe-shares",
			Experiments: []string{byWaiting},
			Level:       suite.Extended,
			Claim:       "A readiness probe by exec sees the processes of the other containers, so that readiness can turn on them.",
			Source:      onPurpose + "; Kubernetes documentation, Configure Liveness, Readiness and Startup Probes",
			Judge: func(o suite.Observation) error {
				if err := sawSleeper("/tmp/probe")(o); err != nil {
					return err
				}
				if !yes(o.Saw.Ready) {
					return suite.Violation("the pod becomes ready", "it does not")
				}
				return nil
			},
		},
		{
			ID:          "lifecycle/pre-stop-hook-shares",
			Experiments: []string{byLogs, byDeleting},
			Level:       suite.Extended,
			Claim:       "A preStop hook can signal a process of another container while the pod is being deleted.",
			Source:      onConfiguring + ", signalling other containers; Kubernetes documentation, Container Lifecycle Hooks",
			Judge:       func(o suite.Observation) error { return cmp.Or(hookWasLate(o), printed("told")(o)) },
		},
		{
			ID:          "lifecycle/term-default-action",
			Experiments: []string{byDeleting},
			Level:       suite.Extended,
			Claim:       "On deletion, a first process without a handler for SIGTERM ends of it, with 143, instead of being killed after the grace period.",
			Source:      initSignals + "; " + onUnderstanding1,
			Judge:       sleeperEnded,
		},
		{
			ID:          "lifecycle/grace-period",
			Experiments: []string{byLogs, byDeleting},
			Level:       suite.Extended,
			Claim:       "A first process that handles SIGTERM is given its time within the grace period, ends with its own exit code, and its children get no SIGTERM.",
			Source:      kubeletStops,
			Judge:       drained,
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "lifecycle-stop.yaml", "lifecycle-stop-isolated.yaml"
		cases[i].Read = []string{"/tmp/post-start", "/tmp/probe"}
		cases[i].Await, cases[i].Precondition, cases[i].Act = allRunning("sleeper", "drainer", "herald"), stopPodGiven, stopPod
	}
	return cases
}

// stopPodGiven waits until the hook and the probe have run, and the drainer has
// come to its loop.
func stopPodGiven(o suite.Observation) error {
	for _, file := range []string{"/tmp/post-start", "/tmp/probe"} {
		if a, ok := o.Container("herald").Files[file]; !ok || !a.OK() || file == "/tmp/probe" && a.Text == "" {
			return suite.CannotTell("the herald's container has written "+file, "it has not")
		}
	}
	first, err := ownFirst(o, "drainer")
	if err != nil {
		return err
	}
	if own := o.Container("drainer"); len(family(own, first)) < 3 {
		return suite.CannotTell("the drainer has a child that has a child", "none", own)
	}
	_, err = ownFirst(o, "sleeper")
	return err
}

var stopPod = &suite.Act{
	Name: "stop",
	Ends: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		within := comeback
		if sawSleeper("/tmp/probe")(pod.Before()) != nil {
			within = 10 * time.Second // five periods of a probe that has failed already
		}
		ready := func(ctx context.Context) error {
			ready, err := pod.Await(ctx, within, "Ready", func(p suite.PodState) bool { return p.Ready })
			if err == nil {
				pod.Note(func(saw *suite.Saw) { saw.Ready = &ready })
			}
			return err
		}
		if err := pod.Apart(ctx, byWaiting, ready); err != nil {
			return err
		}
		if err := pod.Apart(ctx, byLogs, func(ctx context.Context) error { return pod.Follow(ctx, "drainer", "drainer") }); err != nil {
			return err
		}
		return pod.Apart(ctx, byDeleting, func(ctx context.Context) error {
			return pod.Delete(ctx, stopGrace, stopGrace*time.Second+comeback)
		})
	},
}

// sawSleeper demands that a file of the herald's holds the sleeper's stat line.
func sawSleeper(file string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		sleeper, err := ownFirst(o, "sleeper")
		if err != nil {
			return err
		}
		a, ok := o.Container("herald").Files[file]
		if !ok || !a.OK() {
			return suite.CannotTell("the herald's container has written "+file, a.Message)
		}
		if p, err := probe.ParseStat(a.Text); err != nil || p.Identity() != sleeper.Identity() {
			if c := o.Pod.Containers["sleeper"]; err == nil && c.Restarts > 0 {
				return suite.CannotTell("the sleeper's first instance runs", fmt.Sprintf("%s; what was seen is PID %s", describeEnd(c), p.Identity()), o.Container("sleeper"))
			}
			return suite.Violation("it sees the sleeper's first process, PID "+sleeper.Identity().String(), fmt.Sprintf("it saw %q", a.Text), o.Container("sleeper"), o.Container("herald"))
		}
		return nil
	}
}

// printed demands a line of the drainer's, which tells what reached it.
func printed(marker string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		log, err := o.Log("drainer")
		if err != nil {
			return err
		}
		if o.Deletion == nil || !strings.Contains(log, o.Markers["terminated"]) || o.Markers[marker] == "" {
			return suite.CannotTell("the drainer's log tells of SIGTERM", fmt.Sprintf("%q", log))
		}
		if c := o.Deletion.Last.Containers["herald"]; c.Restarts > 0 {
			// kubelet runs the preStop hook as well when the postStart hook has failed.
			return suite.CannotTell("the herald, whose hooks they are, is started once", describeEnd(c))
		}
		if strings.Count(log, o.Markers[marker]) != 1 {
			return suite.Violation("the drainer's log says once that it was "+marker, fmt.Sprintf("%q (%s)", log, o.Markers[marker]), o.Container("herald"))
		}
		return nil
	}
}

func sleeperEnded(o suite.Observation) error {
	if o.Deletion == nil || !o.Deletion.Gone {
		return suite.CannotTell("the pod is deleted", fmt.Sprintf("%+v", o.Deletion))
	}
	return lastEndedWith(o, "sleeper", 143, "Error")
}

// The drainer's end may be that of its time, and not that of what it waits for.
const (
	// overInTime is how long, in seconds, the drainer must have waited on when the herald's hook was over, so
	// that there is no doubt which came first.
	overInTime = 5
	// gaveUp is the drainer's exit code when it was not told in its time.
	gaveUp = 1
)

// untold tells whether the drainer, which the herald sees, was not told until its time was over: it gave up, or
// was killed when the grace period was over, whose begin the sleeper's end shows.
func untold(o suite.Observation) (bool, error) {
	own, err := ownFirst(o, "drainer")
	if err != nil || o.Deletion == nil || !showsAs(o.Container("herald"), firstOf(o, "drainer"), own) {
		return false, err
	}
	log, err := o.Log("drainer")
	if err != nil || !strings.Contains(log, o.Markers["terminated"]) || strings.Contains(log, o.Markers["told"]) {
		return false, err
	}
	c := o.Deletion.Last.Containers["drainer"]
	if endUnknown(c) {
		return false, suite.CannotTell("how the drainer ended", describeEnd(c), o.Container("herald"))
	}
	return *c.ExitCode == gaveUp || killedInTheEnd(o, "drainer"), nil
}

// endUnknown tells whether nobody knows how and when a container ended: what was told of the pod last is from before.
func endUnknown(c suite.ContainerState) bool { return c.Running || c.ExitCode == nil || c.EndedAt <= 0 }

// killedInTheEnd tells whether a container was killed when it had been given the whole grace period, since the
// sleeper, which ends with the first SIGTERM, has ended.
func killedInTheEnd(o suite.Observation, name string) bool {
	c, began := o.Deletion.Last.Containers[name], o.Deletion.Last.Containers["sleeper"]
	return !c.Running && c.ExitCode != nil && *c.ExitCode == 137 && !began.Running && began.EndedAt > 0 &&
		c.EndedAt-began.EndedAt > stopGrace-overInTime // the sleeper may have been told, or have ended, late
}

// hookWasLate tells where the drainer's time was over before the herald's hook was. The herald is told to end
// when its hook is over, or at once where none is run: where it ended while the drainer still waited, the hook
// had its chance, and lateness is no excuse.
func hookWasLate(o suite.Observation) error {
	if inVain, err := untold(o); err != nil || !inVain {
		return err
	}
	herald, drainer := o.Deletion.Last.Containers["herald"], o.Deletion.Last.Containers["drainer"]
	if !herald.Running && herald.EndedAt > 0 && herald.EndedAt+overInTime <= drainer.EndedAt {
		return nil
	}
	return suite.CannotTell("the herald's hook is over while the drainer waits for it",
		fmt.Sprintf("drainer: %s, at %d; herald: %s, at %d", describeEnd(drainer), drainer.EndedAt, describeEnd(herald), herald.EndedAt), o.Container("herald"))
}

// waitedInVain tells where the herald's hook did not signal the drainer in its time, although the herald sees it:
// the hook was late, or was not run, which is another claim's concern. The drainer was given that time, and did not
// come to its work. Where it did, and was killed at that when the grace period was over, it was too slow.
func waitedInVain(o suite.Observation) error {
	inVain, err := untold(o)
	if err != nil || o.Deletion == nil {
		return err
	}
	c := o.Deletion.Last.Containers["drainer"]
	if inVain {
		return suite.CannotTell("the drainer comes to its work when the herald's hook has signalled it",
			fmt.Sprintf("it was not signalled, and %s", describeEnd(c)), o.Container("herald"))
	}
	log, err := o.Log("drainer")
	if err != nil {
		return err
	}
	if endUnknown(c) && !strings.Contains(log, o.Markers["drained"]) {
		return suite.CannotTell("how the drainer ended", describeEnd(c))
	}
	if killedInTheEnd(o, "drainer") && strings.Contains(log, o.Markers["told"]) && !strings.Contains(log, o.Markers["drained"]) {
		return suite.CannotTell(fmt.Sprintf("the drainer's work of 8 s is done within the grace period of %d s", stopGrace),
			"it was told, and was killed at its work when the grace period was over: "+describeEnd(c))
	}
	return nil
}

func drained(o suite.Observation) error {
	if err := waitedInVain(o); err != nil {
		return err
	}
	if err := printed("drained")(o); err != nil {
		return err
	}
	if strings.Contains(o.Logs["drainer"], o.Markers["child-terminated"]) {
		return suite.Violation("the first process's child gets no SIGTERM", fmt.Sprintf("it says that it did: %q", o.Logs["drainer"]))
	}
	if err := lastEndedWith(o, "drainer", 0, "Completed"); err != nil {
		return err
	}
	if !o.Deletion.Gone {
		return suite.Violation("the pod is gone when all its containers have ended", "it is not")
	}
	return nil
}
