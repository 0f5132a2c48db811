package cases

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// endsWithPID1: PID 1 ends of a signal, and the command that sent it with it.
func endsWithPID1(container, command, printed string) breakage {
	return breakage{"PID 1 ends of a signal, and the command that sent it with it", func(o *suite.Observation) {
		sandboxReplaced(container).apply(o)
		o.Ran[command] = probe.CommandResult{Code: 137, Stdout: printed}
	}}
}

// unhandledActs are what a signal that PID 1 has no handler for could do nevertheless.
func unhandledActs(from string) []breakage {
	died := func(o *suite.Observation) {
		delete(o.Saw.PID1After, "user")
		for _, sender := range senders {
			editIn(o.After, sender, isPID1, func(p *probe.Process) { p.StartTime++ })
		}
	}
	restarts := containerRestartedOf("root")
	return []breakage{
		{restarts.name, func(o *suite.Observation) {
			delete(o.Saw.PID1After, "user")
			restarts.apply(o)
		}},
		ownFileBecomes(from, received, "the sender's own process gets the signal", func(string) string { return "marker USR1\n" }),
		{"PID 1 ends, and another is there", died},
		endsWithPID1(from, from, "1 0\n3 0\n"),
		{"PID 1 is stopped", func(o *suite.Observation) {
			delete(o.Saw.PID1After, "user")
			editIn(o.After, from, isPID1, func(p *probe.Process) { p.State = "T" })
		}},
	}
}

// TestNextSenderHarmed: what the second sender did to PID 1 is no doing of the first one's.
func TestNextSenderHarmed(t *testing.T) {
	for id, want := range map[string]string{"pid1/unhandled-signals-from-its-user": "yes", "pid1/unhandled-signals-from-root": "violation"} {
		c := caseOf(t, id)
		o := recorded(t, c, c.Fixture)
		containerRestartedOf("root").apply(&o)
		sandboxReplaced("user").apply(&o)
		sandboxReplaced("root").apply(&o)
		assert.Equal(t, want, answer(c.Judge(o)), id)
	}
}

// TestSandboxOfAnotherUser: which user a sandbox runs as is the runtime's to say, and decides
// who may signal it (kill(2)).
func TestSandboxOfAnotherUser(t *testing.T) {
	c := caseOf(t, "pid1/unhandled-signals-from-its-user")
	o := recorded(t, c, c.Fixture)
	edit(&o, "user", isPID1, func(p *probe.Process) { p.UID = 0 })
	edit(&o, "user", func(p probe.Process) bool { return true }, func(p *probe.Process) { p.CapEff = "0000000000000000" })
	ranOtherwise("user", 0, "1 1\n9 1\n", "sh: can't kill pid 1: Operation not permitted").apply(&o)
	err := c.Judge(o)
	assert.True(t, suite.IsInapplicable(err), "%v", err)
}
