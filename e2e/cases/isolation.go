package cases

import (
	"fmt"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// isolationCases state what a pod without sharing looks like.
func isolationCases() []suite.Case {
	return []suite.Case{
		{
			ID:      "isolation/field-absent",
			Level:   suite.Core,
			Claim:   "Without the field, each container's first process is PID 1 and the container sees its own processes only.",
			Source:  onConfiguring + " (sharing is enabled by the field); " + apiReference + " (default false)",
			Fixture: markersIsolated,
			Control: markers,
			Judge:   eachAlone,
		},
		{
			ID:      "isolation/field-false",
			Level:   suite.Core,
			Claim:   "With the field set to false, each container's first process is PID 1 and the container sees its own processes only.",
			Source:  onConfiguring + " (sharing is enabled by the field); " + apiReference,
			Fixture: "markers-false.yaml",
			Control: markers,
			Judge:   eachAlone,
		},
	}
}

// eachAlone demands of every container: its own first process is PID 1, all that
// it sees descends from there (or from an exec), no sibling's process is among
// it, and no sibling has its PID namespace.
func eachAlone(o suite.Observation) error {
	names, err := marked(o)
	if err != nil {
		return err
	}
	for _, name := range names {
		own := o.Container(name)
		// Before the container's own process is missed: an exec that went to a
		// sibling sees that one's in its place.
		for _, sibling := range names {
			if sibling == name {
				continue
			}
			if p, ok := own.Find(func(p probe.Process) bool { return p.Has(o.Markers[sibling]) }); ok {
				return suite.Violation(fmt.Sprintf("container %s does not see container %s", name, sibling), fmt.Sprintf("it sees its PID %d", p.PID), own)
			}
			if own.Namespaces["pid"] == o.Container(sibling).Namespaces["pid"] {
				return suite.Violation("each container has a PID namespace of its own",
					fmt.Sprintf("%s and %s share one", name, sibling), own, o.Container(sibling))
			}
		}
		first, err := ownProcess(o, name, name)
		if err != nil {
			return err
		}
		if first.PID != 1 {
			return suite.Violation("container "+name+"'s first process is PID 1", fmt.Sprintf("it is PID %d", first.PID), own)
		}
		if others := own.All(func(p probe.Process) bool { return p.PPID == 0 && p.PID != 1 }); len(others) > 0 {
			return suite.Violation("container "+name+" has one first process", fmt.Sprintf("PID %d is another", others[0].PID), own)
		}
	}
	return nil
}
