package cases

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// disruptionCases state what becomes of a shared pod when its node is disturbed.
// They run on clusters of the suite's own, and after all others.
func disruptionCases() []suite.Case {
	const (
		statelessKubelet = "Kubernetes documentation, Pod Lifecycle: a restarted kubelet finds its pods running; " + kep495
		shimPerPod       = "CRI: a sandbox outlives its runtime's daemon; " + kep495
		newSandbox       = "Kubernetes documentation, Pod Lifecycle: a pod whose sandbox is gone gets a new one; " + kep495
	)
	cases := []suite.Case{
		{
			ID:          "disruption/kubelet-restart-changes-nothing",
			Experiments: []string{byLooking},
			Claim:       "A restart of kubelet changes nothing: every process keeps its PID and start time, no container restarts, sharing holds, and exec still joins the namespace.",
			Source:      statelessKubelet,
			Act:         restartKubelet,
			Judge:       nothingChanged,
		},
		{
			ID:          "disruption/kubelet-restart-keeps-new-containers-joining",
			Experiments: []string{byKilling},
			Claim:       "A container that is restarted after a restart of kubelet joins the namespace that its siblings are in.",
			Source:      statelessKubelet,
			Act:         restartKubelet,
			Judge:       restartedContainerJoined,
		},
		{
			ID:          "disruption/containerd-restart-changes-nothing",
			Experiments: []string{byLooking},
			Claim:       "A restart of the container runtime changes nothing: every process keeps its PID and start time, no container restarts, sharing holds, and exec still joins the namespace.",
			Source:      shimPerPod,
			Act:         restartRuntime,
			Judge:       nothingChanged,
		},
		{
			ID:          "disruption/containerd-restart-keeps-new-containers-joining",
			Experiments: []string{byKilling},
			Claim:       "A container that is restarted after a restart of the container runtime joins the namespace that its siblings are in.",
			Source:      shimPerPod,
			Act:         restartRuntime,
			Judge:       restartedContainerJoined,
		},
		{
			ID:          "disruption/containerd-restart-leaves-no-old-process",
			Experiments: []string{byKilling},
			Claim:       "After a restart of the container runtime, a container that is restarted leaves no process of its old instance beside the new one.",
			Source:      shimPerPod + "; pelagos#336 (old processes stayed beside the new ones)",
			Act:         restartRuntime,
			Judge:       noOldProcessLeft,
		},
		{
			ID:     "disruption/node-restart-shares-again",
			Claim:  "After a restart of the node, the pod's containers run again, each restarted, and share the namespace of a new sandbox.",
			Source: newSandbox,
			Act:    restartNode,
			Judge:  sharesInNewSandbox,
		},
		{
			ID:      "disruption/node-restart-ends-never-restarted",
			Claim:   "After a restart of the node, a pod that is never restarted has ended, and does not hang.",
			Source:  newSandbox + "; field bug kubernetes#141948",
			Fixture: "markers-never.yaml",
			Control: markers,
			Varies:  "restartPolicy",
			Act:     restartNode,
			Judge: func(o suite.Observation) error {
				if o.AfterPod == nil {
					return suite.CannotTell("the pod's state after the restart", "none")
				}
				if o.AfterPod.Phase != "Failed" && o.AfterPod.Phase != "Succeeded" {
					return suite.Violation("the pod has ended", "it is "+o.AfterPod.Phase)
				}
				return nil
			},
		},
	}
	for i := range cases {
		c := &cases[i]
		c.Level, c.OwnNode = suite.Extended, true
		if c.Fixture == "" {
			c.Fixture, c.Control = markers, markersIsolated
		}
	}
	return cases
}

var restartKubelet = &suite.Act{
	Name: "restart-kubelet", Disrupts: true, Within: nodeIsBack, Then: killContainerTwo,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		since := time.Now()
		if _, err := pod.Node(ctx, "restart", "systemctl", "restart", "kubelet"); err != nil {
			return err
		}
		return pod.AwaitNode(ctx, since)
	},
}

var restartRuntime = &suite.Act{
	Name: "restart-containerd", Disrupts: true, Within: nodeIsBack, Then: killContainerTwo,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		reported := pod.Before().Node.Runtime
		units := suite.RuntimeOf(reported).Units
		if len(units) == 0 {
			return fmt.Errorf("it is not known which systemd unit the container runtime %q is", reported)
		}
		// It returns when the runtime says that it is up (sd_notify).
		_, err := pod.Node(ctx, "restart", append([]string{"systemctl", "restart"}, units...)...)
		return err
	},
}

var restartNode = &suite.Act{
	Name: "restart-node", Disrupts: true, Within: nodeIsBack,
	Do: func(ctx context.Context, pod suite.PodClient) error { return pod.RestartNode(ctx) },
}

// killContainerTwo first looks at what the disruption left, and then has
// container one kill container two's first process, so that kubelet and runtime
// must start a new one in the old namespace.
func killContainerTwo(ctx context.Context, pod suite.PodClient) error {
	if err := pod.Apart(ctx, byLooking, func(ctx context.Context) error { return lookAfterwards(ctx, pod) }); err != nil {
		return err
	}
	return pod.Apart(ctx, byKilling, func(ctx context.Context) error {
		now, err := lookWhenBack(ctx, pod, "one")
		if err != nil {
			return err
		}
		before := pod.Before()
		two, ok := before.Container("two").Find(carrying(before, "two"))
		if !ok || !shows(now, two) {
			return nil // the judge says so; there is nothing to wait for
		}
		kill, err := pod.Exec(ctx, "kill", "one", "kill", "-KILL", strconv.Itoa(two.PID))
		if err != nil || wasRefused(kill) {
			return err
		}
		_, err = pod.Await(ctx, comeback, "running container two again", startedAgain(before.Pod, 1, "two"))
		return err
	})
}

// lookAfterwards notes what container one sees, and which namespaces execs join.
func lookAfterwards(ctx context.Context, pod suite.PodClient) error {
	now, err := reached(ctx, pod, "one")
	if err != nil {
		return err
	}
	joined := map[string]uint64{}
	for _, name := range []string{"two", "three"} {
		s, err := reached(ctx, pod, name)
		if err != nil {
			return err
		}
		joined[name] = s.Namespaces["pid"]
	}
	pod.Note(func(saw *suite.Saw) {
		saw.Disrupted = suite.Disrupted{Processes: identities(now.Processes), Table: now.Table(), Namespace: now.Namespaces["pid"], Joined: joined}
	})
	return nil
}

// reached is what was seen from a container when the disrupted pod could be looked into again, which
// was a moment ago; where it was not seen then, it is looked at once it is back.
func reached(ctx context.Context, pod suite.PodClient, container string) (*probe.Snapshot, error) {
	if s := pod.Before().After[container]; s != nil && s.Failure == "" {
		return s, nil
	}
	return lookWhenBack(ctx, pod, container)
}

// restartSucceeded tells whether there was a disruption at all.
func restartSucceeded(o suite.Observation) error {
	if restart := o.Ran["restart"]; !restart.Ran() || restart.Code != 0 {
		return suite.CannotTell("the restart succeeds", restart.String())
	}
	return nil
}

// nothingChanged compares what container one saw before the disruption with what
// it saw after it, before anything else was done.
func nothingChanged(o suite.Observation) error {
	if err := restartSucceeded(o); err != nil {
		return err
	}
	names, err := marked(o)
	if err != nil {
		return err
	}
	one := o.Container("one")
	if o.Saw.Disrupted.Namespace == 0 {
		return suite.CannotTell("a look into container one after the disruption", "there was none", one)
	}
	if joined := o.Saw.Disrupted.Namespace; joined != one.Namespaces["pid"] {
		return suite.Violation(fmt.Sprintf("an exec joins PID namespace %d, as before", one.Namespaces["pid"]), fmt.Sprint(joined), one)
	}
	for _, name := range names {
		first, err := ownProcess(o, name, name)
		if err != nil {
			return err
		}
		if !slices.Contains(o.Saw.Disrupted.Processes, first.Identity()) {
			return suite.Violation(fmt.Sprintf("container one sees the process of container %s, %s, as before", name, first.Identity()),
				"afterwards it saw\n"+o.Saw.Disrupted.Table, one)
		}
	}
	if err := familiesStay(o, one, names); err != nil {
		return err
	}
	for _, name := range []string{"two", "three"} {
		was := o.Container(name).Namespaces["pid"]
		switch joined := o.Saw.Disrupted.Joined[name]; joined {
		case 0:
			return suite.CannotTell("a look into container "+name+" after the disruption", "there was none", one)
		case was:
		default:
			return suite.Violation(fmt.Sprintf("an exec into container %s joins PID namespace %d, as before", name, was), fmt.Sprint(joined), o.Container(name))
		}
	}
	return nothingRestarted(o, "two")
}

// familiesStay demands that PID 1, and whatever descends from the containers' first
// processes, is what it was.
func familiesStay(o suite.Observation, one *probe.Snapshot, names []string) error {
	first, ok := one.Process(1)
	if !ok {
		return suite.CannotTell("container one sees PID 1", "it does not", one)
	}
	var roots []probe.Process
	for _, name := range names {
		if p, ok := one.Find(carrying(o, name)); ok {
			roots = append(roots, p)
		}
	}
	for _, p := range append(family(one, roots...), first) {
		if !slices.Contains(o.Saw.Disrupted.Processes, p.Identity()) {
			return suite.Violation(fmt.Sprintf("process %s (%s) stays", p.Identity(), p.Command()), "afterwards container one saw\n"+o.Saw.Disrupted.Table, one)
		}
	}
	return nil
}

// restartedContainerJoined demands that container two runs again, as another
// process that all containers see, in the namespace it was in.
func restartedContainerJoined(o suite.Observation) error {
	if err := twoRestarted(o); err != nil {
		return err
	}
	if is, was := o.AfterIn("two").Namespaces["pid"], o.Container("two").Namespaces["pid"]; is != was {
		return suite.Violation(fmt.Sprintf("container two is in PID namespace %d again", was), fmt.Sprint(is), o.AfterIn("two"))
	}
	return everyPairVisible(afterwards(o))
}

// twoRestarted demands that container one killed container two after the disruption, and
// that container two was started again.
func twoRestarted(o suite.Observation) error {
	if err := restartSucceeded(o); err != nil {
		return err
	}
	old, err := ownProcess(o, "two", "two")
	if err != nil {
		return err
	}
	if kill := o.Ran["kill"]; !kill.Ran() {
		return suite.CannotTell("container one can be told to kill container two", kill.String())
	}
	if !showsAs(o.Container("one"), carrying(o, "two"), old) {
		return suite.Violation("container one can kill the process of container two", "it does not see it", o.Container("one"))
	}
	if err := couldSignal(o, "kill", "one"); err != nil {
		return err
	}
	return restartedTimes(o, "two", 1)
}

// noOldProcessLeft looks for the processes of every container that is another instance than
// before, also of those that nobody killed: a runtime that has lost them leaves their
// processes, and kubelet starts new ones.
func noOldProcessLeft(o suite.Observation) error {
	if err := twoRestarted(o); err != nil {
		return err
	}
	names, err := marked(o)
	if err != nil {
		return err
	}
	var old []probe.Process
	for _, name := range names {
		if o.AfterPod.Containers[name].ID == o.Pod.Containers[name].ID {
			continue
		}
		first, err := ownProcess(o, name, name)
		if err != nil {
			return err
		}
		old = append(old, family(o.Container(name), first)...)
	}
	if len(old) == 0 {
		return suite.CannotTell("another instance of container two", "it is the old one", o.AfterIn("two"))
	}
	return gone(o, o.Container("one"), old, names...)
}

// sharesInNewSandbox demands that every container was restarted, that PID 1 is
// another process, and that each sees each.
func sharesInNewSandbox(o suite.Observation) error {
	names, err := marked(o)
	if err != nil {
		return err
	}
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the restart", "none")
	}
	for _, name := range names {
		if is, was := o.AfterPod.Containers[name], o.Pod.Containers[name]; is.ID == was.ID || is.Restarts <= was.Restarts {
			return suite.Violation("container "+name+" was restarted", fmt.Sprintf("%d restarts before, %d after", was.Restarts, is.Restarts))
		}
	}
	if _, ok := o.AfterIn("one").Process(1); !ok {
		return suite.Violation("container one sees a PID 1 after the restart", "it does not", o.Container("one"), o.AfterIn("one"))
	}
	if err := anotherPID1(o.Container("one"), o.AfterIn("one")); err != nil {
		return err
	}
	return everyPairVisible(afterwards(o))
}

// afterwards is the observation with the second snapshots in the place of the
// first, for judges that look at one moment.
func afterwards(o suite.Observation) suite.Observation {
	o.Before = o.After
	if o.AfterPod != nil {
		o.Pod = *o.AfterPod
	}
	return o
}
