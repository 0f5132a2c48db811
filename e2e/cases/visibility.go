package cases

import (
	"fmt"
	"maps"
	"slices"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// visibilityCases state which processes a container sees.
func visibilityCases() []suite.Case {
	return []suite.Case{
		{
			ID:      "visibility/every-ordered-pair",
			Level:   suite.Core,
			Claim:   "The processes of each container are visible to every other container of the pod.",
			Source:  onPurpose + "; " + onUnderstanding2,
			Fixture: markers,
			Control: markersIsolated,
			Judge:   everyPairVisible,
		},
		{
			ID:      "visibility/one-namespace",
			Level:   suite.Core,
			Claim:   "All containers of the pod are in one PID namespace.",
			Source:  apiReference + " (a single process namespace); namespaces(7)",
			Fixture: markers,
			Control: markersIsolated,
			Judge:   onePIDNamespace,
		},
		{
			ID:        "visibility/not-across-pods",
			Level:     suite.Core,
			Claim:     "Another pod on the same node stays invisible, and has a PID namespace of its own.",
			Source:    onPurpose + "; " + kep495 + ", Non-Goals",
			Fixture:   lookout,
			Control:   lookoutHostPID,
			Varies:    "shareProcessNamespace, hostPID",
			Neighbour: markers,
			Judge:     neighbourInvisible,
		},
		{
			ID:      "visibility/ten-containers",
			Level:   suite.Core,
			Claim:   "Ten containers of one pod are in one PID namespace, and each sees the processes of all others.",
			Source:  onPurpose + "; " + apiReference + " (all of the containers in a pod)",
			Fixture: "crowd.yaml",
			Control: "crowd-isolated.yaml",
			Judge: func(o suite.Observation) error {
				if len(o.Markers) != 10 {
					return suite.CannotTell("ten containers with a marker", fmt.Sprint(len(o.Markers)))
				}
				if err := onePIDNamespace(o); err != nil {
					return err
				}
				return everyPairVisible(o)
			},
		},
		{
			ID:      "visibility/other-namespaces",
			Level:   suite.Extended,
			Claim:   "The containers share the PID namespace besides the network, IPC, UTS and user namespaces that they share anyway, and each keeps a mount namespace of its own.",
			Source:  page + ", Understanding process namespace sharing (pods share many resources); namespaces(7)",
			Fixture: markers,
			Control: markersIsolated,
			Judge:   otherNamespacesAsEver,
			Records: "the inode of each kind of namespace",
			Record: func(o suite.Observation) string {
				return fmt.Sprintf("namespaces of container one: %v", o.Container("one").Namespaces)
			},
		},
	}
}

// marked returns the containers that have a random text in their arguments,
// which is named like them. Fewer than two prove nothing about each other.
func marked(o suite.Observation) ([]string, error) {
	names := slices.Sorted(maps.Keys(o.Markers))
	if len(names) < 2 {
		return nil, suite.CannotTell("at least two containers with a marker", fmt.Sprintf("%d", len(names)))
	}
	return names, nil
}

// carrying is the condition that a process has the named marker in its arguments.
func carrying(o suite.Observation, marker string) func(probe.Process) bool {
	text := o.Markers[marker]
	return func(p probe.Process) bool { return text != "" && p.Has(text) }
}

// ownProcess finds the process that carries the named marker in the container
// that runs it: the witness that the observation sees anything at all.
func ownProcess(o suite.Observation, container, marker string) (probe.Process, error) {
	p, ok := o.Container(container).Find(carrying(o, marker))
	if !ok {
		return p, suite.CannotTell("container "+container+" sees its own process", "it does not", o.Container(container))
	}
	return p, nil
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
			seen, ok := o.Container(from).Find(carrying(o, of))
			if !ok || seen.Identity() != own.Identity() {
				return suite.Violation(
					fmt.Sprintf("container %s sees the process of container %s, PID %s", from, of, own.Identity()),
					"it does not", o.Container(from), o.Container(of))
			}
		}
	}
	return nil
}

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

func neighbourInvisible(o suite.Observation) error {
	own := o.Container("lookout")
	if _, err := ownProcess(o, "lookout", "lookout"); err != nil {
		return err
	}
	if o.Neighbour == nil || len(o.Neighbour.Markers) == 0 || o.Neighbour.Pod.Node != o.Pod.Node {
		return suite.CannotTell("a second pod on the same node", "there is none")
	}
	for name, marker := range o.Neighbour.Markers {
		other := o.Neighbour.Container(name)
		if _, err := ownProcess(*o.Neighbour, name, name); err != nil {
			return err
		}
		if p, ok := own.Find(func(p probe.Process) bool { return p.Has(marker) }); ok {
			return suite.Violation("no process of the second pod is visible", fmt.Sprintf("PID %d is", p.PID), own)
		}
		if p, ok := other.Find(carrying(o, "lookout")); ok {
			return suite.Violation("no process of the first pod is visible to the second", fmt.Sprintf("PID %d is", p.PID), other)
		}
		if err := differentNamespaces(own, other); err != nil {
			return err
		}
	}
	return nodeIsSeen(o)
}

func otherNamespacesAsEver(o suite.Observation) error {
	names, err := marked(o)
	if err != nil {
		return err
	}
	for i, name := range names {
		first, own := o.Container(names[0]), o.Container(name)
		for _, kind := range []string{"net", "ipc", "uts", "user", "mnt", "pid"} {
			if own.Namespaces[kind] == 0 {
				return suite.CannotTell("the "+kind+" namespace of container "+name, fmt.Sprint(own.Namespaces), own)
			}
			if kind != "mnt" && own.Namespaces[kind] != first.Namespaces[kind] {
				return suite.Violation("all containers are in one "+kind+" namespace",
					fmt.Sprintf("%s is in %d, %s in %d", names[0], first.Namespaces[kind], name, own.Namespaces[kind]), first, own)
			}
		}
		for _, other := range names[:i] {
			if own.Namespaces["mnt"] == o.Container(other).Namespaces["mnt"] {
				return suite.Violation("each container has a mount namespace of its own", other+" and "+name+" share one", own, o.Container(other))
			}
		}
	}
	return nil
}
