package cases

import (
	"context"
	"slices"
	"strconv"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// What kubelet does to a pod's containers while the sandbox stays.

func aliveCases() []suite.Case {
	return []suite.Case{
		{
			ID:           "lifecycle/restart-all-keeps-the-sandbox",
			Level:        suite.Informational,
			Claim:        "The restart rule RestartAllContainers restarts every container once, in the PID namespace and below the PID 1 that were there, and leaves none of the old processes.",
			Source:       "Kubernetes documentation, Pod Lifecycle, Restart All Containers (KEP-5532)",
			MinVersion:   "1.36",
			Fixture:      "lifecycle-restart-all.yaml",
			Control:      "lifecycle-restart-one.yaml",
			Varies:       "action",
			Precondition: leaderHasChild,
			Act:          endLeader,
			Judge:        ifSent("killer", "end leader", allRestartedInPlace),
		},
		{
			ID:         "lifecycle/resize-keeps-the-processes",
			Level:      suite.Informational,
			Claim:      "Resizing a container's CPU in place changes its cgroup, and no process of the pod.",
			Source:     "Kubernetes documentation, Resize CPU and Memory Resources assigned to Containers (KEP-1287)",
			MinVersion: "1.33",
			Fixture:    "lifecycle-resize.yaml",
			Control:    "lifecycle-resize-restarts.yaml",
			Varies:     "resizePolicy",
			Precondition: func(o suite.Observation) error {
				_, err := ownFirst(o, "resized")
				return err
			},
			Read:  cpuQuota,
			Act:   resizeCPU,
			Judge: resizedInPlace,
		},
	}
}

func leaderHasChild(o suite.Observation) error {
	first, err := ownFirst(o, "leader")
	if err != nil {
		return err
	}
	if own := o.Container("leader"); len(family(own, first)) < 2 {
		return suite.CannotTell("the leader's first process has a child", "none", own)
	}
	return nil
}

// endLeader has the leader exit with the code that its rule names.
var endLeader = &suite.Act{
	Name:   "end-leader",
	Within: comeback,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		o := pod.Before()
		leader, seen := o.Container("killer").Find(firstOf(o, "leader"))
		if !seen {
			return nil // the judge says so
		}
		kill, err := pod.Exec(ctx, "end leader", "killer", "kill", "-USR1", strconv.Itoa(leader.PID))
		if err != nil || wasRefused(kill) {
			return err
		}
		_, err = pod.Await(ctx, comeback, "running again", startedAgain(o.Pod, 1, "leader"))
		return err
	},
}

func allRestartedInPlace(o suite.Observation) error {
	all := []string{"leader", "follower", "killer"}
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	from := o.Container("killer")
	var old []probe.Process
	for _, name := range all {
		first, ok := from.Find(firstOf(o, name))
		if !ok {
			return suite.Violation("the killer sees the first process of container "+name, "it does not", from)
		}
		old = append(old, family(from, first)...)
		if err := restartedTimes(o, name, 1); err != nil {
			return err
		}
		if err := samePID1(o, name); err != nil {
			return err
		}
	}
	if err := sharesNow(o, all...); err != nil {
		return err
	}
	return gone(o, from, old, all...)
}

// cpuQuota is where a container reads its own limit: in cgroup v2, and in v1.
var cpuQuota = []string{"/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"}

var resizeCPU = &suite.Act{
	Name:   "resize-cpu",
	Within: comeback,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		_, err := pod.Request(ctx, "resize", suite.Request{
			Verb: "PATCH", Path: "pods/" + pod.Before().Pod.Name + "/resize", ContentType: "application/strategic-merge-patch+json",
			Body: []byte(`{"spec":{"containers":[{"name":"resized","resources":{"limits":{"cpu":"400m"}}}]}}`),
		})
		return err
	},
}

func resizedInPlace(o suite.Observation) error {
	if answer := o.Answers["resize"]; !answer.Accepted() {
		return suite.CannotTell("the server accepts the new limit", answer.String())
	}
	if err := spared(o, "resized", "other"); err != nil {
		return err
	}
	before, after := o.Container("resized"), o.AfterIn("resized")
	if !slices.ContainsFunc(cpuQuota, func(file string) bool {
		was, is := before.Files[file], after.Files[file]
		return was.OK() && is.OK() && was.Text != "" && was.Text != is.Text
	}) {
		return suite.CannotTell("the container's cgroup has the new limit", "it has not", after)
	}
	return nil
}
