package cases

import (
	"fmt"

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
			Pair:    everywhere,
			Judge:   fromSome(unseenAreVisible, everyPairVisible),
		},
		{
			ID:      "visibility/one-namespace",
			Level:   suite.Core,
			Claim:   "All containers of the pod are in one PID namespace.",
			Source:  apiReference + " (a single process namespace); namespaces(7)",
			Fixture: markers,
			Control: markersIsolated,
			Pair:    everywhere,
			Judge:   fromSome(unseenAreVisible, onePIDNamespace),
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

func neighbourInvisible(o suite.Observation) error {
	own := o.Container("lookout")
	if _, err := ownProcess(o, "lookout", "lookout"); err != nil {
		return err
	}
	if o.Neighbour == nil || len(o.Neighbour.Markers) == 0 || o.Neighbour.Pod.Node != o.Pod.Node {
		return suite.CannotTell("a second pod on the same node", "there is none")
	}
	if err := ofEach(o.Neighbour.Markers, func(name, marker string) error {
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
		return differentNamespaces(own, other)
	}); err != nil {
		return err
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
