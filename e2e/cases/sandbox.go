package cases

import (
	"fmt"
	"path"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// Who the sandbox's process is told by what it is. Which program it runs is the
// runtime's choice: pause, OpenShift's pod, a distribution's own, an agent.

// sandboxOwnsPID1 demands that PID 1 is the sandbox's process, as the named
// containers see it.
func sandboxOwnsPID1(containers ...string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		_, err := sandboxOf(o, containers...)
		return err
	}
}

// sandboxOf returns PID 1, where it is the sandbox's process: the same one (PID
// and start time) in every named container's view, with no parent in the
// namespace (PPID 0, pid_namespaces(7)), older than every other process there, and
// no container's own first process.
func sandboxOf(o suite.Observation, containers ...string) (probe.Process, error) {
	own := o.Container(containers[0])
	first, ok := own.Process(1)
	if !ok {
		return first, suite.Violation("container "+containers[0]+" sees a PID 1", "it does not", own)
	}
	for _, name := range containers {
		s := o.Container(name)
		if same, ok := s.Process(1); !ok || same.Identity() != first.Identity() {
			return first, suite.Violation("all containers see the same PID 1", "they do not", own, s)
		}
		if err := eldest(s, first); err != nil {
			return first, err
		}
		if p, ok := knownFirst(o, name); ok && p.PID == first.PID {
			return first, suite.Violation("PID 1 is no container's own first process", "it is container "+name+"'s", s)
		}
	}
	if err := firstProcessesBeside(o, own); err != nil {
		return first, err
	}
	return first, nil
}

// eldest demands that a process has no parent in its namespace, and is older than
// all others that are visible.
func eldest(s *probe.Snapshot, first probe.Process) error {
	if first.PPID != 0 {
		return suite.Violation("PID 1 has no parent in the namespace (PPID 0)", fmt.Sprintf("its parent is PID %d", first.PPID), s)
	}
	for _, p := range s.All(func(p probe.Process) bool { return p.PID != first.PID }) {
		if p.StartTime < first.StartTime {
			return suite.Violation("PID 1 started before every other process", fmt.Sprintf("PID %d is older", p.PID), s)
		}
	}
	return nil
}

// knownFirst finds a container's own first process by what its manifest has it
// run: by the random text in its arguments, or by the page's own programs.
func knownFirst(o suite.Observation, container string) (probe.Process, bool) {
	s := o.Container(container)
	if o.Markers[container] != "" {
		return s.Find(carrying(o, container))
	}
	switch container {
	case "nginx":
		return master(s)
	case "shell":
		return firstRunning(s, "sh", "sleep")
	}
	return probe.Process{}, false
}

// firstProcessesBeside needs as many processes without a parent, beside PID 1, as
// containers run: where there are fewer, PID 1 may be the first process of one
// that nobody knows, such as an injected one, or a container has ended meanwhile.
func firstProcessesBeside(o suite.Observation, s *probe.Snapshot) error {
	running := 0
	for _, c := range o.Pod.Containers {
		if c.Running && c.Kind != "ephemeral" {
			running++
		}
	}
	beside := s.All(func(p probe.Process) bool { return p.PPID == 0 && p.PID != 1 })
	if len(beside) < running {
		return suite.CannotTell(fmt.Sprintf("beside PID 1, a first process of each of the %d running containers", running),
			fmt.Sprintf("there are %d processes without a parent", len(beside)), s)
	}
	return nil
}

// recordPID1 is which program a container sees as PID 1, and whose.
func recordPID1(container string) func(suite.Observation) string {
	return func(o suite.Observation) string {
		p, _ := o.Container(container).Process(1)
		return fmt.Sprintf("PID 1 is %s, uid %d", p.Command(), p.UID)
	}
}

// sandboxIsPause demands the program that the page shows, besides.
func sandboxIsPause(o suite.Observation) error {
	first, err := sandboxOf(o, "nginx", "shell")
	if err != nil {
		return err
	}
	if len(first.Argv) == 0 || path.Base(first.Argv[0]) != "pause" {
		return suite.Violation("PID 1 runs pause, as the page shows", "it runs "+first.Command(), o.Container("nginx"))
	}
	return nil
}

// pauseIsExpected says why a target's sandbox may run any program, or "".
func pauseIsExpected(t suite.Target) string {
	if !t.Made {
		return "the suite did not make the cluster, which chooses the sandbox's program: pid1/sandbox-program records it"
	}
	return ""
}

// pauseIsNotExpected is the reverse of pauseIsExpected.
func pauseIsNotExpected(t suite.Target) string {
	if pauseIsExpected(t) == "" {
		return "the suite made the cluster, whose sandbox is pause: pid1/sandbox-is-pause judges it"
	}
	return ""
}
