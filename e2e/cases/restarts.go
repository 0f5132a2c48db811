package cases

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// What kubelet tells of containers that end and are started again, and what it may have forgotten.

// startedAgain waits until each of the containers was started again so often since, and runs.
func startedAgain(since suite.PodState, times int, containers ...string) func(suite.PodState) bool {
	return func(p suite.PodState) bool {
		return !slices.ContainsFunc(containers, func(name string) bool {
			c := p.Containers[name]
			return c.Restarts < since.Containers[name].Restarts+times || !c.Running
		})
	}
}

// allEnded waits until each of the containers has ended, as far as kubelet knows.
func allEnded(containers ...string) func(suite.PodState) bool {
	return func(p suite.PodState) bool {
		return !slices.ContainsFunc(containers, func(name string) bool { return !hasEnded(p.Containers[name]) })
	}
}

// hasEnded tells whether a container, or its previous instance, has ended.
func hasEnded(c suite.ContainerState) bool { return c.ExitCode != nil || forgotten(c) }

// startedAtOnce demands that the runtime started a container again without failing at
// first: each failure counts as a restart, and is what kubelet tells of the container's end.
// One that does not run in the end is left to the judges, and so is one that could not be
// started because its sandbox was gone.
func startedAtOnce(o suite.Observation, name string) error {
	if o.AfterPod == nil {
		return nil
	}
	c := o.AfterPod.Containers[name]
	if !c.Running || !suite.StartFailed(c.ExitReason) {
		return nil
	}
	for seen := range o.After {
		if samePID1(o, seen) == nil {
			return suite.CannotTell("the runtime starts container "+name+" again at once",
				fmt.Sprintf("it failed at first (%s), and the container runs after %d restarts, in the same sandbox", c.ExitReason, c.Restarts), o.AfterIn(seen))
		}
	}
	return nil
}

// restarted demands that a container's last end is as told, and that it was started again so
// often, and runs.
func restarted(o suite.Observation, name string, times int, ended func(suite.ContainerState) error) error {
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	was, is := o.Pod.Containers[name], o.AfterPod.Containers[name]
	if err := cmp.Or(startedAtOnce(o, name), ended(is)); err != nil {
		return err
	}
	if is.Restarts != was.Restarts+times || !is.Running {
		return suite.Violation("container "+name+" is started again, "+wording.Times(times),
			fmt.Sprintf("%d restarts before, %d after; running: %v, waiting: %q", was.Restarts, is.Restarts, is.Running, is.Waiting))
	}
	return nil
}

// restartedTimes demands that a container was started again so often, and runs.
func restartedTimes(o suite.Observation, name string, times int) error {
	return restarted(o, name, times, func(suite.ContainerState) error { return nil })
}

// restartedOnce demands that a container ended as told, and that another instance of it runs.
func restartedOnce(o suite.Observation, name string, code int, reason string) error {
	return restartedOnceAfter(o, name, func(is suite.ContainerState) error { return endedWith(is, name, code, reason) })
}

// restartedOnceAfter is restartedOnce, whatever end is demanded.
func restartedOnceAfter(o suite.Observation, name string, ended func(suite.ContainerState) error) error {
	err := restarted(o, name, 1, ended)
	if err == nil && o.AfterPod.Containers[name].ID == o.Pod.Containers[name].ID {
		return suite.Violation("another instance of container "+name+" runs", "it is the same")
	}
	return err
}

// startedAnew demands that a container was killed, and runs again. Where kubelet
// notices the container's end before the sandbox's, it first tries to start it
// in the sandbox that is gone: then that attempt (StartError) was the last one to
// end, and there was one restart more. kubelet tells of the pod only once it has
// started every container again, and may have forgotten by then how one ended: that
// it is another instance, in another namespace, proves that the old one did.
func startedAnew(o suite.Observation, name string) error {
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	was, is := o.Pod.Containers[name], o.AfterPod.Containers[name]
	if is.ExitReason != "StartError" && !forgotten(is) {
		if err := endedWith(is, name, 137, "Error"); err != nil {
			return err
		}
	}
	if is.Restarts <= was.Restarts || !is.Running || is.ID == was.ID {
		return suite.Violation("container "+name+" is started again",
			fmt.Sprintf("%d restarts before, %d after; running: %v", was.Restarts, is.Restarts, is.Running))
	}
	return nil
}

// spared demands of containers that they have the first process and the PID 1
// that they had, and that kubelet did not restart them.
func spared(o suite.Observation, names ...string) error {
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	for _, name := range names {
		was, is := o.Pod.Containers[name], o.AfterPod.Containers[name]
		if is.ID != was.ID || is.Restarts != was.Restarts || !is.Running {
			return suite.Violation("container "+name+" runs on, and is not restarted",
				fmt.Sprintf("%d restarts before, %d after; running: %v", was.Restarts, is.Restarts, is.Running))
		}
		before, after := o.Container(name), o.AfterIn(name)
		first, err := ownFirst(o, name)
		if err != nil {
			return err
		}
		if now, ok := after.Find(firstOf(o, name)); !ok || !isSame(before, first, after, now) {
			return suite.Violation(fmt.Sprintf("container %s's first process stays PID %s", name, first.Identity()), "it does not", before, after)
		}
		if err := samePID1(o, name); err != nil {
			return err
		}
	}
	return nil
}

// nothingRestarted demands that kubelet restarted no container of the pod, and that each
// that ran runs, but for those named.
func nothingRestarted(o suite.Observation, but ...string) error {
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the act", "none")
	}
	known := map[string]suite.ContainerState{}
	maps.Copy(known, o.Pod.Containers)
	maps.Copy(known, o.AfterPod.Containers)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		was, now := o.Pod.Containers[name], o.AfterPod.Containers[name]
		if slices.Contains(but, name) {
			continue
		}
		if now.ID != was.ID || now.Restarts != was.Restarts {
			return suite.Violation("no container restarts",
				fmt.Sprintf("container %s: %d restarts before, %d after", name, was.Restarts, now.Restarts))
		}
		if was.Running && !now.Running {
			return suite.Violation("container "+name+" runs on", describeEnd(now))
		}
	}
	return nil
}

// forgotten says that kubelet started a container again and no longer knows how
// it ended before: its garbage collection, once a minute, takes a dead container whose
// successor was created and has not started yet, which on a busy node lasts seconds. It
// keeps one dead instance by default, and counts the successor as that.
func forgotten(c suite.ContainerState) bool { return c.Restarts > 0 && c.ExitCode == nil }

// statusUnknown is the reason that kubelet gives, with exit code 137, for a container that ran and that the
// runtime does not have any more: both are made up by kubelet, which does not know how it ended.
const statusUnknown = "ContainerStatusUnknown"

// endKnown demands that kubelet knows how a container ended, and has not forgotten it.
func endKnown(c suite.ContainerState, name string) error {
	how := "how container " + name + " ended, from kubelet"
	switch {
	case forgotten(c):
		return suite.CannotTell(how, "it was started again, and kubelet no longer knows")
	case c.ExitCode != nil && c.ExitReason == statusUnknown:
		return suite.CannotTell(how, "kubelet did not find it any more: "+describeEnd(c))
	}
	return nil
}

func endedWith(c suite.ContainerState, name string, code int, reason string) error {
	if err := endKnown(c, name); err != nil {
		return err
	}
	if c.ExitCode == nil || *c.ExitCode != code || c.ExitReason != reason {
		return suite.Violation(fmt.Sprintf("container %s ends with exit code %d (%s)", name, code, reason), describeEnd(c))
	}
	return nil
}

// stopped demands that kubelet stopped a container: with SIGTERM, or with SIGKILL where its first process, of a
// node that is busy, did not run within the grace period.
func stopped(c suite.ContainerState, name string) error {
	if c.ExitCode != nil && *c.ExitCode == 137 {
		return endedWith(c, name, 137, "Error")
	}
	return endedWith(c, name, 143, "Error")
}

// lastEndedWith judges a container's end by the deleted pod's last status, where
// kubelet told of it. Of a container that still runs there, the end is its previous instance's.
func lastEndedWith(o suite.Observation, name string, code int, reason string) error {
	c := o.Deletion.Last.Containers[name]
	if c.ExitCode == nil || c.Running {
		return suite.CannotTell("the end of container "+name+" in the pod's last status", describeEnd(c))
	}
	return endedWith(c, name, code, reason)
}

func describeEnd(c suite.ContainerState) string {
	if c.ExitCode == nil {
		return fmt.Sprintf("it has not ended (running: %v, restarts: %d)", c.Running, c.Restarts)
	}
	return fmt.Sprintf("it ended with exit code %d (%s)", *c.ExitCode, c.ExitReason)
}
