package cases

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

func copyStoredWith(sharing string) breakage {
	return inCopy("reversed", breakage{"the field is stored as " + sharing, func(o *suite.Observation) { o.Pod.Sharing = sharing }})
}

// seesToo puts a process of one container among those that another one sees.
func seesToo(from, of string) breakage {
	return breakage{from + " sees " + of, func(o *suite.Observation) {
		p, _ := o.Container(of).Find(withMarker(o, of))
		p.PID, p.PPID = 9999, 1
		o.Before[from].Processes = append(o.Before[from].Processes, p)
	}}
}

func shellNow(o *suite.Observation, change func(*suite.ContainerState)) {
	c := o.AfterPod.Containers["shell"]
	change(&c)
	o.AfterPod.Containers["shell"] = c
}

func isShell(p probe.Process) bool { return p.PPID == 0 && p.Comm == "sh" }

// anotherProcess is none of a recorded pod's.
var anotherProcess = probe.Identity{PID: 99, StartTime: 99}

// debugBreakages are the faults that the cases of debug must find.
var debugBreakages = map[string][]breakage{
	"debug/copy-shares": {
		copyStoredWith("absent"), copyStoredWith("false"),
		inCopy("reversed", namespaceOf("two")), inCopy("reversed", hidden("one", "three")), inCopy("reversed", hidden(suite.DebugContainer, "two")),
		seesToo("one", "two"),
		inCopy("reversed", breakage{"a container's process is PID 1", func(o *suite.Observation) {
			for c := range o.Before {
				edit(o, c, withMarker(o, "one"), func(p *probe.Process) { p.PID = 1 })
			}
		}}),
	},
	"debug/copy-does-not-share": {
		copyStoredWith("true"), hidden("two", "one"),
		inCopy("reversed", seesToo("three", "one")), inCopy("reversed", seesToo(suite.DebugContainer, "two")),
		inCopy("reversed", breakage{"the container for debugging shares a namespace", func(o *suite.Observation) {
			o.Before[suite.DebugContainer].Namespaces["pid"] = o.Before["one"].Namespaces["pid"]
		}}),
	},
	"debug/attach-again": {
		{"another shell answers the second time", func(o *suite.Observation) { o.Saw.Shell.Second = anotherProcess }},
		{"another shell than the container's answers", func(o *suite.Observation) {
			o.Saw.Shell.First, o.Saw.Shell.Second = anotherProcess, anotherProcess
		}},
		{"nginx does not see the shell", func(o *suite.Observation) { hide(o, "nginx", isShell) }},
	},
	"debug/new-size-reaches-the-shell": {
		{"the size stays the first", func(o *suite.Observation) { o.Saw.Shell.Sizes[toldSizes[0].String()] = "50 200" }},
		{"the second size does not arrive", func(o *suite.Observation) { o.Saw.Shell.Sizes[toldSizes[1].String()] = toldSizes[0].String() }},
	},
	"debug/exit-gives-a-new-shell": {
		{"exit is told as a failure", func(o *suite.Observation) {
			shellNow(o, func(c *suite.ContainerState) { code := 137; c.ExitCode = &code })
		}},
		{"the container is not started again", func(o *suite.Observation) {
			shellNow(o, func(c *suite.ContainerState) { c.Running, c.Restarts = false, 0 })
		}},
		{"the container is started again and again", func(o *suite.Observation) {
			shellNow(o, func(c *suite.ContainerState) { c.Restarts = 5 })
		}},
		{"nginx does not see the new shell", func(o *suite.Observation) {
			hide(&suite.Observation{Before: o.After}, "nginx", isShell)
		}},
		{"the old shell stays", func(o *suite.Observation) {
			old, _ := shellIn(o.Container("nginx"))
			o.After["nginx"].Processes = append(o.After["nginx"].Processes, old)
		}},
		{"the new shell joins another namespace", func(o *suite.Observation) { o.After["shell"].Namespaces["pid"]++ }},
		{"the shell is the old one", func(o *suite.Observation) { o.After = o.Before }},
		{"nginx's workers are replaced", func(o *suite.Observation) {
			editIn(o.After, "nginx", func(p probe.Process) bool { return isNginx(p) && p.PPID != 0 }, func(p *probe.Process) { p.StartTime++ })
		}},
	},
}

// TestControlsBiteOnTheNamespace: a control that bites because its act was not
// over yet would prove nothing about the namespace.
func TestControlsBiteOnTheNamespace(t *testing.T) {
	for id, says := range map[string]string{
		"debug/attach-again":               "nginx's container sees the shell that answers",
		"debug/exit-gives-a-new-shell":     "nginx's container sees the new shell",
		"ephemeral/exited-target":          "it waits: CreateContainerError",
		"ephemeral/isolated-target-alone":  "sees nginx's master as PID 1",
		"ephemeral/unknown-target-refused": "observed HTTP 200",
		"sidecar/sees-the-others-end":      "container proxy sees the process of container one",
	} {
		for _, c := range All() {
			if c.ID == id {
				assert.ErrorContains(t, c.Judge(recorded(t, c, c.Control)), says, id)
			}
		}
	}
}
