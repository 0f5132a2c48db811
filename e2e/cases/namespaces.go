package cases

import (
	"fmt"
	"maps"
	"slices"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// Who is in which PID namespace, and who sees whom there.

func onePIDNamespace(o suite.Observation) error {
	names, err := marked(o)
	if err != nil {
		return err
	}
	return onePIDNamespaceOf(o, names...)
}

func onePIDNamespaceOf(o suite.Observation, containers ...string) error {
	inodes := map[uint64]bool{}
	var seen []*probe.Snapshot
	for _, name := range containers {
		s := o.Container(name)
		inodes[s.Namespaces["pid"]] = true
		seen = append(seen, s)
	}
	if inodes[0] {
		return suite.CannotTell("the PID namespace of each container", fmt.Sprint(inodes), seen...)
	}
	if len(inodes) != 1 {
		return suite.Violation("one PID namespace", fmt.Sprintf("%d namespaces", len(inodes)), seen...)
	}
	return nil
}

// sameNamespace demands that two containers saw one PID namespace: the same inode
// and the same PID 1. The kernel gives the inode of a namespace that is gone to
// the next one, so that the inode alone could be a coincidence.
func sameNamespace(a, b *probe.Snapshot) error {
	firstA, okA := a.Process(1)
	firstB, okB := b.Process(1)
	if a.Namespaces["pid"] == 0 || b.Namespaces["pid"] == 0 {
		return suite.CannotTell("the PID namespaces of "+a.Container+" and "+b.Container, "they are unknown", a, b)
	}
	if a.Namespaces["pid"] != b.Namespaces["pid"] || !okA || !okB || !isSame(a, firstA, b, firstB) {
		return suite.Violation(
			fmt.Sprintf("containers %s and %s are in one PID namespace, with one PID 1", a.Container, b.Container),
			fmt.Sprintf("namespaces %d and %d, PID 1 %s and %s", a.Namespaces["pid"], b.Namespaces["pid"], firstA.Identity(), firstB.Identity()), a, b)
	}
	return nil
}

// sameNamespaces demands that each container is in the PID namespace it was in,
// with the same PID 1. A pod that was only stored has none.
func sameNamespaces(o suite.Observation) error {
	for _, name := range slices.Sorted(maps.Keys(o.Before)) {
		before, after := o.Container(name), o.AfterIn(name)
		was, okWas := before.Process(1)
		is, okIs := after.Process(1)
		if !okWas || !okIs || before.Namespaces["pid"] == 0 || after.Namespaces["pid"] == 0 {
			return suite.CannotTell("container "+name+"'s PID namespace before and after", "it was not seen", before, after)
		}
		if before.Namespaces["pid"] != after.Namespaces["pid"] || !isSame(before, was, after, is) {
			return suite.Violation("container "+name+" stays in its PID namespace", "it does not", before, after)
		}
	}
	return nil
}

// samePID1 demands that a container sees the same PID 1 after the act as before.
func samePID1(o suite.Observation, container string) error {
	before, after := o.Container(container), o.AfterIn(container)
	if len(after.Processes) == 0 {
		return suite.CannotTell("container "+container+" sees processes after the act", "it was not looked into, or sees none", after)
	}
	was, okWas := before.Process(1)
	is, okIs := after.Process(1)
	if !okWas || !okIs || !isSame(before, was, after, is) {
		return suite.Violation("PID 1 stays the same process", "it does not", before, after)
	}
	return nil
}

func everyPairVisible(o suite.Observation) error {
	names, err := marked(o)
	if err != nil {
		return err
	}
	for _, of := range names {
		own, err := ownProcess(o, of, of)
		if err != nil {
			return err
		}
		for _, from := range names {
			if !showsAs(o.Container(from), carrying(o, of), own) {
				return suite.Violation(
					fmt.Sprintf("container %s sees the process of container %s, PID %s", from, of, own.Identity()),
					"it does not", o.Container(from), o.Container(of))
			}
		}
	}
	return nil
}

// sharesNow demands of the second snapshots that each container sees each
// one's first process, that none of these is PID 1, and that there is one
// namespace.
func sharesNow(o suite.Observation, names ...string) error {
	namespace := o.AfterIn(names[0]).Namespaces["pid"]
	for _, of := range names {
		own := o.AfterIn(of)
		first, ok := own.Find(firstOf(o, of))
		if !ok || namespace == 0 {
			return suite.CannotTell("container "+of+" sees its own first process after the act", "it does not", own)
		}
		if first.PID == 1 || own.Namespaces["pid"] != namespace {
			return suite.Violation("container "+of+" is in the pod's PID namespace, and not as PID 1",
				fmt.Sprintf("it is PID %d in namespace %d, and %s is in %d", first.PID, own.Namespaces["pid"], names[0], namespace), own, o.AfterIn(names[0]))
		}
		for _, from := range names {
			if !showsAs(o.AfterIn(from), firstOf(o, of), first) {
				return suite.Violation(fmt.Sprintf("container %s sees the first process of container %s, PID %s", from, of, first.Identity()),
					"it does not", o.AfterIn(from), own)
			}
		}
	}
	return nil
}

// seesNone demands that a container neither sees the named others nor shares a
// namespace with them.
func seesNone(o suite.Observation, from string, others ...string) error {
	s := o.Container(from)
	for _, other := range others {
		if _, err := ownProcess(o, other, other); err != nil {
			return err
		}
		if p, ok := s.Find(carrying(o, other)); ok {
			return suite.Violation(fmt.Sprintf("container %s does not see container %s", from, other), fmt.Sprintf("it sees its PID %d", p.PID), s)
		}
		if s.Namespaces["pid"] == o.Container(other).Namespaces["pid"] {
			return suite.Violation(fmt.Sprintf("containers %s and %s have different PID namespaces", from, other), "they share one", s, o.Container(other))
		}
	}
	return nil
}

// firstProcessesAreNotPID1 finds each container's first process by the random
// text in its arguments.
func firstProcessesAreNotPID1(o suite.Observation) error {
	names, err := marked(o)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := firstProcessIsNotPID1(o, name); err != nil {
			return err
		}
	}
	return nil
}

func firstProcessIsNotPID1(o suite.Observation, name string) error {
	first, err := ownProcess(o, name, name)
	if err != nil {
		return err
	}
	if first.PID == 1 || first.PPID != 0 {
		return suite.Violation(
			fmt.Sprintf("container %s's first process has a PID other than 1, and its parent outside the namespace (PPID 0)", name),
			fmt.Sprintf("PID %d, PPID %d", first.PID, first.PPID), o.Container(name))
	}
	return nil
}
