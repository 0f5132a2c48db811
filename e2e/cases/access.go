package cases

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// What a container may read, and which capabilities it has.

func describeAccess(a probe.Access) string {
	if !a.OK() {
		return fmt.Sprintf("%s (%s)", a.Errno, a.Message)
	}
	if len(a.Text) > 80 {
		return fmt.Sprintf("%d bytes, SHA-256 %s", len(a.Text), a.SHA256())
	}
	return fmt.Sprintf("%q", a.Text)
}

// ownFileHolds is the precondition that a container itself reads the random text
// in one of its files.
func ownFileHolds(container, path, marker string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if own := o.Container(container).Files[path]; !own.OK() || own.Text != o.Markers[marker] {
			return suite.CannotTell("container "+container+" reads its own "+path, describeAccess(own))
		}
		return nil
	}
}

// readsFile demands that a container reads a text in a file below /proc/PID/root of a process that
// it sees.
func readsFile(o suite.Observation, from string, p probe.Process, path, text string) error {
	if got := p.Files[path]; !got.OK() || got.Text != text || text == "" {
		return suite.Violation(fmt.Sprintf("container %s reads the text %q in /proc/%d/root%s", from, text, p.PID, path), describeAccess(got), o.Container(from))
	}
	return nil
}

// readsVariable demands that a container reads a variable, with its value, in /proc/PID/environ of a
// process that it sees.
func readsVariable(o suite.Observation, from string, p probe.Process, name, value string) error {
	if !hasVariable(p, name, value) {
		return suite.Violation(fmt.Sprintf("container %s reads %s=%s in /proc/%d/environ", from, name, value, p.PID), describeAccess(p.Environ), o.Container(from))
	}
	return nil
}

// hasVariable tells whether a process's environment could be read, and holds a variable.
func hasVariable(p probe.Process, name, value string) bool {
	return p.Environ.OK() && slices.Contains(strings.Split(p.Environ.Text, "\x00"), name+"="+value)
}

// capSysPtrace is CAP_SYS_PTRACE's bit (capabilities(7)).
const capSysPtrace = 1 << 19

// capKill is CAP_KILL's bit (capabilities(7)).
const capKill = 1 << 5

// knownCapabilities are capabilitiesOfSelf, and whether the kernel says which they are
// (CapEff of /proc/PID/status).
func knownCapabilities(s *probe.Snapshot) (set uint64, known bool) {
	for _, p := range s.Processes {
		if p.PID == s.Self {
			set, err := strconv.ParseUint(p.CapEff, 16, 64)
			return set, err == nil
		}
	}
	return 0, false
}

// capabilitiesOfSelf returns the effective capabilities of the observing shell,
// which are those of any process exec'd in the container.
func capabilitiesOfSelf(s *probe.Snapshot) uint64 {
	set, _ := knownCapabilities(s)
	return set
}

// capabilitiesKnown demands that the kernel says which capabilities a container's
// commands have.
func capabilitiesKnown(s *probe.Snapshot) error {
	if _, known := knownCapabilities(s); !known {
		return suite.CannotTell("the effective capabilities of container "+s.Container+" (CapEff of /proc/PID/status)", "the kernel does not say", s)
	}
	return nil
}

// holdsSysPtrace demands of a container whose manifest asks for SYS_PTRACE, as root, that it has it.
func holdsSysPtrace(o suite.Observation, container string) error {
	if err := capabilitiesKnown(o.Container(container)); err != nil {
		return err
	}
	if effective := capabilitiesOfSelf(o.Container(container)); effective&capSysPtrace == 0 {
		return suite.Violation("container "+container+"'s effective capabilities hold SYS_PTRACE, as the manifest asks",
			fmt.Sprintf("CapEff %016x", effective), o.Container(container))
	}
	return nil
}
