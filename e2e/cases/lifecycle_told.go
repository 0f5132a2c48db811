package cases

import (
	"fmt"

	"procns/e2e/internal/suite"
)

// What kubelet tells of a container's end.

// forgotten says that kubelet started a container again and no longer knows how
// it ended before: its garbage collection, once a minute, takes a dead container whose
// successor was created and has not started yet, which on a busy node lasts seconds. It
// keeps one dead instance by default, and counts the successor as that.
func forgotten(c suite.ContainerState) bool { return c.Restarts > 0 && c.ExitCode == nil }

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

// endKnown demands that kubelet has not forgotten how a container ended.
func endKnown(c suite.ContainerState, name string) error {
	if forgotten(c) {
		return suite.CannotTell("how container "+name+" ended, from kubelet", "it was started again, and kubelet no longer knows")
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

func describeEnd(c suite.ContainerState) string {
	if c.ExitCode == nil {
		return fmt.Sprintf("it has not ended (running: %v, restarts: %d)", c.Running, c.Restarts)
	}
	return fmt.Sprintf("it ended with exit code %d (%s)", *c.ExitCode, c.ExitReason)
}
