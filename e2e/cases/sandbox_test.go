package cases

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// otherSandboxes are programs that runtimes and distributions give a sandbox, with
// the name that the kernel has of them.
var otherSandboxes = []struct {
	name, comm string
	argv       []string
}{
	{"OpenShift", "pod", []string{"/usr/bin/pod"}},
	{"systemd's", "systemd-pause", []string{"/usr/lib/systemd/systemd-pause"}},
	{"a distribution's own", "distropause", []string{"/opt/bin/distropause", "--reap"}},
	{"a script", "sh", []string{"/bin/sh", "/sandbox"}},
	{"of a long command line", "agent", []string{"/usr/bin/agent", strings.Repeat("-flag ", 30)}},
	{"without a command line", "sandbox-agent", nil},
}

// TestSandboxOfAnotherName: no case but pid1/sandbox-is-pause turns on the name of
// the sandbox's program, whatever a cluster's runtime runs.
func TestSandboxOfAnotherName(t *testing.T) {
	for _, other := range otherSandboxes {
		t.Run(other.name, func(t *testing.T) {
			for _, c := range every() {
				o := recorded(t, c, c.Fixture)
				if o.Deletion != nil && len(o.Before) == 0 {
					continue
				}
				rename(&o, other.comm, other.argv)
				o.Redact(ownOf(t, c.Fixture, o))
				if o.Neighbour != nil {
					rename(o.Neighbour, other.comm, other.argv)
					o.Neighbour.Redact(ownOf(t, c.Neighbour, *o.Neighbour))
				}
				err := c.Judge(o)
				if c.ID == "pid1/sandbox-is-pause" {
					assert.True(t, suite.IsViolation(err), "%v", err)
					continue
				}
				assert.NoError(t, err, c.ID)
			}
		})
	}
}

// rename gives the sandbox's process another program, in all that was seen of it:
// snapshots, copies, and what ps printed.
func rename(o *suite.Observation, comm string, argv []string) {
	to := probe.Process{Comm: comm, Argv: argv}
	for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
		for _, s := range snapshots {
			for i := range s.Processes {
				if p := &s.Processes[i]; p.PID == 1 && len(p.Argv) == 1 && p.Argv[0] == "/pause" {
					p.Comm, p.Argv = comm, argv
				}
			}
		}
	}
	for name, copied := range o.Copies {
		rename(&copied, comm, argv)
		o.Copies[name] = copied
	}
	notes := o.Saw.Notes()
	for name, note := range notes {
		command := to.Command()
		if len(command) > 50 { // as busybox cuts it for a terminal
			command = command[:50]
		}
		notes[name] = strings.ReplaceAll(note, " /pause", " "+command)
	}
	o.Saw = sawOf(notes)
}

// TestSandboxIsPauseWhereTheSuiteMadeTheCluster: exactly one of the two cases
// applies to each target.
func TestSandboxIsPauseWhereTheSuiteMadeTheCluster(t *testing.T) {
	for _, row := range []struct {
		name   string
		target suite.Target
		core   bool
	}{
		{"the suite's own cluster", suite.Target{Made: true}, true},
		{"another cluster", suite.Target{}, false},
		{"a runtime class there", suite.Target{RuntimeClass: "gvisor"}, false},
	} {
		core, elsewhere := caseOf(t, "pid1/sandbox-is-pause"), caseOf(t, "pid1/sandbox-program")
		assert.Equal(t, row.core, core.Needs(row.target) == "", row.name)
		assert.Equal(t, !row.core, elsewhere.Needs(row.target) == "", row.name)
	}
}

// TestSandboxMayBeUnknown: where an injected container's process may be PID 1, the
// observation proves nothing.
func TestSandboxMayBeUnknown(t *testing.T) {
	c := caseOf(t, "pid1/is-the-sandbox")
	o := recorded(t, c, c.Fixture)
	o.Pod.Containers["injected"] = suite.ContainerState{Running: true}
	err := c.Judge(o)
	require.Error(t, err)
	assert.False(t, suite.IsViolation(err), "%v", err)
}

func TestIsRowOf(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, row := range []struct {
		printed string
		p       probe.Process
		want    bool
	}{
		{"/pause", probe.Process{Comm: "pause", Argv: []string{"/pause"}}, true},
		{"/", probe.Process{Comm: "pause", Argv: []string{"/pause"}}, false},
		{"", probe.Process{Comm: "pause", Argv: []string{"/pause"}}, false},
		{"[agent]", probe.Process{Comm: "agent"}, true},
		{"{sh} /bin/sandbox", probe.Process{Comm: "sh", Argv: []string{"/bin/sandbox"}}, true},
		{"{other} /bin/sandbox", probe.Process{Comm: "sh", Argv: []string{"/bin/sandbox"}}, false},
		{long[:53], probe.Process{Comm: "x", Argv: []string{long}}, true},
		{"nginx: master process", probe.Process{Comm: "pause", Argv: []string{"/pause"}}, false},
	} {
		assert.Equal(t, row.want, isRowOf(probe.PSRow{PID: 1, Command: row.printed}, row.p), row.printed)
	}
}
