package cases

import (
	"fmt"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// neighboursCases state what a pod sees of others on its node, and of the node.
func neighboursCases() []suite.Case {
	return []suite.Case{
		{
			ID:      "neighbours/nothing-of-the-node",
			Level:   suite.Core,
			Claim:   "A container of a pod that shares sees the sandbox's process and those of its pod, and no other of the node.",
			Source:  onPurpose + " (containers in that pod); " + kep495 + ", Non-Goals",
			Fixture: lookout,
			Control: lookoutHostPID,
			Turns:   suite.Turns{On: beside}, // its processes are strangers as well
			Varies:  "shareProcessNamespace, hostPID",
			Judge:   noStrangers,
		},
		{
			ID:        "neighbours/sharing-beside-isolated",
			Level:     suite.Core,
			Claim:     "A pod that shares sees no process of a pod beside it that does not.",
			Source:    onPurpose + " (containers in that pod); " + kep495 + ", Non-Goals",
			Fixture:   lookout,
			Control:   lookoutHostPID,
			Varies:    "shareProcessNamespace, hostPID",
			Neighbour: markersIsolated,
			Judge:     neighbourInvisible,
		},
		{
			ID:        "neighbours/isolated-beside-sharing",
			Level:     suite.Core,
			Claim:     "A pod that does not share sees no process of a pod beside it that does.",
			Source:    onPurpose + " (containers in that pod); " + apiReference + " (default false)",
			Fixture:   lookoutIsolated,
			Control:   lookoutHostPID,
			Varies:    "hostPID",
			Neighbour: markers,
			Judge:     neighbourInvisible,
		},
		{
			ID:        "neighbours/host-pid-sees-the-node",
			Level:     suite.Extended,
			Claim:     "A pod with hostPID sees the processes of other pods on its node, and PID 1 is the node's init instead of a sandbox.",
			Source:    kep495 + ", the table of hostPID and shareProcessNamespace; API reference, PodSpec.hostPID",
			Fixture:   lookoutHostPID,
			Control:   lookout,
			Varies:    "shareProcessNamespace, hostPID",
			Neighbour: markers,
			Judge:     nodeVisible,
			Records:   "the node's own PID 1",
			Record: func(o suite.Observation) string {
				first, _ := o.Container("lookout").Process(1)
				return fmt.Sprintf("PID 1 is %s; %d processes are visible", first.Command(), len(o.Container("lookout").Processes))
			},
		},
	}
}

// noStrangers demands that whatever the lookout sees is PID 1, its own first
// process, or below that. Our own observation is no part of it.
func noStrangers(o suite.Observation) error {
	s := o.Container("lookout")
	own, err := ownProcess(o, "lookout", "lookout")
	if err != nil {
		return err
	}
	for _, p := range s.All(func(p probe.Process) bool { return p.PID != 1 && !descends(s, p, own.PID) }) {
		return suite.Violation("every process that is visible is the sandbox's or the container's", fmt.Sprintf("PID %d is neither", p.PID), s)
	}
	if err := nodeIsSeen(o); err != nil {
		return err
	}
	if own.PID == 1 {
		return nil // a pod that does not share
	}
	_, err = sandboxOf(o, "lookout")
	return err
}

// nodeVisible finds the other pod's processes by their random texts and their start times, under whatever PIDs
// they have in the node's namespace. A copy of that pod carries the same texts, and may run there too.
func nodeVisible(o suite.Observation) error {
	s := o.Container("lookout")
	if _, err := ownProcess(o, "lookout", "lookout"); err != nil {
		return err
	}
	if o.Neighbour == nil || len(o.Neighbour.Markers) == 0 || o.Neighbour.Pod.Node != o.Pod.Node {
		return suite.CannotTell("a second pod on the same node", "there is none")
	}
	if err := nodeIsSeen(o); err != nil {
		return err
	}
	if err := ofEach(o.Neighbour.Markers, func(name, _ string) error {
		own, err := ownProcess(*o.Neighbour, name, name)
		if err != nil {
			return err
		}
		is := carrying(*o.Neighbour, name)
		if _, ok := s.Find(func(p probe.Process) bool { return is(p) && p.StartTime == own.StartTime }); !ok {
			return suite.Violation("the process of the other pod's container "+name+" is visible", "it is not", s)
		}
		return nil
	}); err != nil {
		return err
	}
	return nodesInit(s, o.Neighbour)
}

// nodesInit demands that PID 1 is the node's own, by what it is: it has no parent,
// is older than all that is visible, and is not the sandbox of the other pod, which
// is visible as another process. Where the other pod has the same PID 1, nothing is
// there to tell the two apart by.
func nodesInit(s *probe.Snapshot, other *suite.Observation) error {
	first, ok := s.Process(1)
	if !ok {
		return suite.Violation("PID 1 is the node's init", "there is no PID 1", s)
	}
	if err := eldest(s, first); err != nil {
		return err
	}
	return ofEach(other.Markers, func(name, _ string) error {
		sandbox, ok := other.Container(name).Process(1)
		if !ok {
			return suite.CannotTell("the other pod's own PID 1", "container "+name+" sees none", other.Container(name))
		}
		if sandbox.Identity() == first.Identity() {
			return suite.CannotTell("another pod in a PID namespace of its own", "its PID 1 is the same process", s, other.Container(name))
		}
		if sandbox.StartTime <= first.StartTime {
			return suite.Violation("PID 1 is the node's init", "it is no older than the other pod's sandbox", s, other.Container(name))
		}
		return nil
	})
}
