package cases

import (
	"fmt"
	"maps"
	"slices"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// How a process is found: by the random text in its arguments, by the program that it runs, and
// by those that it descends from.

// marked returns the containers that have a random text in their arguments,
// which is named like them. Fewer than two prove nothing about each other.
func marked(o suite.Observation) ([]string, error) {
	names := slices.Sorted(maps.Keys(o.Markers))
	if len(names) < 2 {
		return nil, suite.CannotTell("at least two containers with a marker", fmt.Sprintf("%d", len(names)))
	}
	return names, nil
}

// Which process is meant: a condition that Find and All take.

// carrying means a process that has the named marker in its arguments, be it that they mention it.
func carrying(o suite.Observation, marker string) func(probe.Process) bool {
	text := o.Markers[marker]
	return func(p probe.Process) bool { return text != "" && p.Has(text) }
}

// withArgument means a process with this text as an argument of its own, where carrying also means
// a script that mentions it.
func withArgument(text string) func(probe.Process) bool {
	return func(p probe.Process) bool { return text != "" && slices.Contains(p.Argv, text) }
}

// firstOf means the process that a container was started with: it has the container's marker as an
// argument of its own, and its parent is outside the namespace.
func firstOf(o suite.Observation, container string) func(probe.Process) bool {
	is := withArgument(o.Markers[container])
	return func(p probe.Process) bool { return p.PPID == 0 && is(p) }
}

// What a container sees of its own processes: the witness that its observation sees anything at all.

// ownProcess demands that a container sees the process that carries the named marker.
func ownProcess(o suite.Observation, container, marker string) (probe.Process, error) {
	return seesOwn(o, container, "its own process", carrying(o, marker))
}

// ownFirst demands that a container sees its first process, before the act.
func ownFirst(o suite.Observation, container string) (probe.Process, error) {
	return seesOwn(o, container, "its own first process", firstOf(o, container))
}

// ownArgument demands that a container sees the process with the named marker as an argument of its own.
func ownArgument(o suite.Observation, container, marker string) (probe.Process, error) {
	return seesOwn(o, container, "its process "+marker, withArgument(o.Markers[marker]))
}

func seesOwn(o suite.Observation, container, what string, is func(probe.Process) bool) (probe.Process, error) {
	p, ok := o.Container(container).Find(is)
	if !ok {
		return p, suite.CannotTell("container "+container+" sees "+what, "it does not", o.Container(container))
	}
	return p, nil
}

// What others see of it.

// shows tells whether a snapshot holds the very process: one with its PID and its start time.
func shows(s *probe.Snapshot, p probe.Process) bool {
	seen, ok := s.Process(p.PID)
	return ok && seen.Identity() == p.Identity()
}

// showsAs tells whether what a snapshot holds under a condition is the very process.
func showsAs(s *probe.Snapshot, is func(probe.Process) bool, p probe.Process) bool {
	seen, ok := s.Find(is)
	return ok && seen.Identity() == p.Identity()
}

// markedProcess finds a container's process, which carries the named marker,
// from another container; not seeing it there is a violation.
func markedProcess(o suite.Observation, marker, of, from string) (probe.Process, error) {
	own, err := ownProcess(o, of, marker)
	if err != nil {
		return own, err
	}
	seen, ok := o.Container(from).Find(carrying(o, marker))
	if !ok || seen.Identity() != own.Identity() {
		return own, suite.Violation(fmt.Sprintf("container %s sees the process of container %s", from, of), "it does not", o.Container(from))
	}
	return seen, nil
}

// firstRunning finds the first process of a container that runs one of the
// programs: PID 1 only where no other does, for a sandbox may run the same.
func firstRunning(s *probe.Snapshot, programs ...string) (probe.Process, bool) {
	is := func(p probe.Process) bool { return p.PPID == 0 && slices.Contains(programs, p.Comm) }
	if p, ok := s.Find(func(p probe.Process) bool { return p.PID != 1 && is(p) }); ok {
		return p, true
	}
	return s.Find(is)
}

// family is everything that descends from the given processes, and they
// themselves.
func family(s *probe.Snapshot, of ...probe.Process) []probe.Process {
	members := map[int]bool{}
	for _, p := range of {
		members[p.PID] = true
	}
	for grown := true; grown; {
		grown = false
		for _, p := range s.All(func(p probe.Process) bool { return members[p.PPID] && !members[p.PID] && p.PID != 1 }) {
			members[p.PID], grown = true, true
		}
	}
	return s.All(func(p probe.Process) bool { return members[p.PID] })
}

// descends tells whether a process is the ancestor or one of its descendants.
func descends(s *probe.Snapshot, p probe.Process, ancestor int) bool {
	for range s.Processes { // no line of parents is longer
		if p.PID == ancestor {
			return true
		}
		parent, ok := s.Process(p.PPID)
		if !ok {
			return false
		}
		p = parent
	}
	return false
}

func identities(processes []probe.Process) []probe.Identity {
	var all []probe.Identity
	for _, p := range processes {
		all = append(all, p.Identity())
	}
	return all
}

func isZombie(p probe.Process) bool { return p.State == "Z" }

// zombiesIn are the processes that ended and were not reaped.
func zombiesIn(s *probe.Snapshot) []probe.Identity {
	return identities(s.All(isZombie))
}
