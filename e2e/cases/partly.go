package cases

import (
	"fmt"

	"procns/e2e/internal/suite"
)

// Judges of a pod of which some containers were not looked into: the control of a sweep's pair. What the
// others saw decides, and where it does not, nothing can be told.

// fromSome is a judge, for a pod of which not all containers were looked into as well: there partly is asked,
// with those that were, seen, and those that were not. Its nil is no pass: what these see is not known.
func fromSome(partly func(o suite.Observation, seen, unseen []string) error, judge func(suite.Observation) error) func(suite.Observation) error {
	return func(o suite.Observation) error {
		names, err := marked(o)
		if err != nil {
			return err
		}
		var seen, unseen []string
		for _, name := range names {
			if o.Before[name] == nil {
				unseen = append(unseen, name)
			} else {
				seen = append(seen, name)
			}
		}
		if len(unseen) == 0 {
			return judge(o)
		}
		if err := partly(o, seen, unseen); err != nil {
			return err
		}
		return notLookedInto(o, unseen[0], seen)
	}
}

// notLookedInto says of a container that it was not looked into, and who sees its process.
func notLookedInto(o suite.Observation, name string, seen []string) error {
	observed := "it was not looked into"
	for _, from := range seen {
		if p, ok := o.Container(from).Find(carrying(o, name)); ok {
			observed += fmt.Sprintf("; container %s sees its process, PID %d", from, p.PID)
		}
	}
	return suite.CannotTell("a look into container "+name, observed)
}

// unseenAreVisible demands of the containers that were looked into that each sees the processes of those that
// were not, and run. One that does not see them is in another PID namespace than they are.
func unseenAreVisible(o suite.Observation, seen, unseen []string) error {
	for _, of := range unseen {
		if !o.Pod.Containers[of].Running {
			return suite.CannotTell("container "+of+" runs", "it was not looked into, and does not run by its status")
		}
	}
	for _, from := range seen {
		if _, err := ownProcess(o, from, from); err != nil {
			return err
		}
		for _, of := range unseen {
			if _, ok := o.Container(from).Find(carrying(o, of)); !ok {
				return suite.Violation(fmt.Sprintf("container %s sees the process of container %s", from, of), "it does not", o.Container(from))
			}
		}
	}
	return nil
}

// seenAreNotPID1 demands of the containers that were looked into that their first processes are not PID 1.
func seenAreNotPID1(o suite.Observation, seen, _ []string) error {
	for _, name := range seen {
		if err := firstProcessIsNotPID1(o, name); err != nil {
			return err
		}
	}
	return nil
}
