package cases

import (
	"fmt"
	"slices"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// breakage is a fault no real cluster here shows, made by hand in an observation
// of a conformant pod.
type breakage struct {
	name  string
	apply func(o *suite.Observation)
}

// edit changes every process of a container's snapshots that is chosen.
func edit(o *suite.Observation, container string, chosen func(probe.Process) bool, change func(*probe.Process)) {
	for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
		editIn(snapshots, container, chosen, change)
	}
}

func editIn(snapshots map[string]*probe.Snapshot, container string, chosen func(probe.Process) bool, change func(*probe.Process)) {
	s := snapshots[container]
	if s == nil {
		return
	}
	for i := range s.Processes {
		if chosen(s.Processes[i]) {
			change(&s.Processes[i])
		}
	}
}

// hide removes processes from what a container sees.
func hide(o *suite.Observation, container string, chosen func(probe.Process) bool) {
	for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
		if s := snapshots[container]; s != nil {
			s.Processes = slices.DeleteFunc(s.Processes, chosen)
		}
	}
}

func isPID1(p probe.Process) bool { return p.PID == 1 }

func isNginx(p probe.Process) bool { return p.Comm == "nginx" }

func withMarker(o *suite.Observation, name string) func(probe.Process) bool {
	marker := o.Markers[name]
	return func(p probe.Process) bool { return p.Has(marker) }
}

func fileRefused(container, path string, errno probe.Errno) breakage {
	return breakage{container + ": " + path + " " + string(errno), func(o *suite.Observation) {
		edit(o, container, func(p probe.Process) bool { return true }, func(p *probe.Process) {
			if _, ok := p.Files[path]; ok {
				p.Files[path] = probe.Access{Errno: errno, Message: "made by hand"}
			}
		})
	}}
}

func fileRead(container, path, marker string) breakage {
	return breakage{container + ": " + path + " is readable", func(o *suite.Observation) {
		edit(o, container, func(p probe.Process) bool { return true }, func(p *probe.Process) {
			if _, ok := p.Files[path]; ok {
				p.Files[path] = probe.Access{Text: o.Markers[marker]}
			}
		})
	}}
}

func fileDiffers(container, path string) breakage {
	return breakage{container + ": " + path + " is another file", func(o *suite.Observation) {
		edit(o, container, func(p probe.Process) bool { return true }, func(p *probe.Process) {
			if a, ok := p.Files[path]; ok && a.OK() {
				p.Files[path] = probe.Access{Text: a.Text + " "}
			}
		})
	}}
}

func hidden(container, marker string) breakage {
	return breakage{container + " does not see " + marker, func(o *suite.Observation) { hide(o, container, withMarker(o, marker)) }}
}

func namespaceOf(container string) breakage {
	return breakage{container + " has another PID namespace", func(o *suite.Observation) {
		o.Before[container].Namespaces["pid"]++
	}}
}

func pidReused(container, marker string) breakage {
	return breakage{container + " sees another process with " + marker + "'s PID", func(o *suite.Observation) {
		edit(o, container, withMarker(o, marker), func(p *probe.Process) { p.StartTime++ })
	}}
}

// The faults that several cases must find.
var (
	hangUpIgnored = breakage{"SIGHUP changes nothing", func(o *suite.Observation) {
		o.After = o.Before
		o.Saw.Page.PSAfter = o.Saw.Page.PSBefore
	}}
	masterReplaced = breakage{"SIGHUP restarts the master", func(o *suite.Observation) {
		editIn(o.After, "nginx", func(p probe.Process) bool { return isNginx(p) && p.PPID == 0 }, func(p *probe.Process) { p.StartTime++ })
	}}
	workersGone = breakage{"SIGHUP leaves no worker", func(o *suite.Observation) {
		o.After["nginx"].Processes = slices.DeleteFunc(o.After["nginx"].Processes, func(p probe.Process) bool { return isNginx(p) && p.PPID != 0 })
	}}
	containerRestarted = containerRestartedOf("nginx")
	masterHidden       = breakage{"the sibling does not see nginx", func(o *suite.Observation) {
		for container := range o.Before {
			if container != "nginx" {
				hide(o, container, isNginx)
			}
		}
	}}
	killRefused = breakage{"kill is refused", func(o *suite.Observation) {
		o.Ran["hangup"] = probe.CommandResult{Code: 1, Stderr: "kill: Operation not permitted"}
	}}
	emptyPS = breakage{"ps prints a fixed text", func(o *suite.Observation) {
		o.Saw.Page.PSBefore = "PID   USER     TIME  COMMAND\n    1 root      0:00 /pause\n    8 root      0:00 nginx: master process nginx -g daemon off;\n   14 101       0:00 nginx: worker process\n   15 root      0:00 sh\n   21 root      0:00 ps ax\n"
		o.Saw.Page.PSAfter = o.Saw.Page.PSBefore
	}}
	otherFile      = breakage{"head prints another file", func(o *suite.Observation) { o.Saw.Page.Head = "user nobody;\n" }}
	nothingPrinted = breakage{"exec reports success and prints nothing", func(o *suite.Observation) {
		o.Saw.Page.Head, o.Saw.Page.Prompt = "", ""
	}}
)

// notTheSandbox are faults after which PID 1 is not the sandbox's process.
var notTheSandbox = []breakage{
	pid1Is("nginx's master", func(p probe.Process) bool { return isNginx(p) && p.PPID == 0 }),
	pid1Is("the shell", func(p probe.Process) bool { return p.Comm == "sh" && p.PPID == 0 }),
	{"each container has its own pause", func(o *suite.Observation) {
		edit(o, "shell", isPID1, func(p *probe.Process) { p.StartTime++ })
	}},
	{"PID 1 is hidden", func(o *suite.Observation) { hide(o, "nginx", isPID1) }},
	{"a process is older than PID 1", func(o *suite.Observation) {
		edit(o, "nginx", isNginx, func(p *probe.Process) { p.StartTime = 1 })
	}},
	{"PID 1 has a parent", func(o *suite.Observation) {
		for c := range o.Before {
			edit(o, c, isPID1, func(p *probe.Process) { p.PPID = 7 })
		}
	}},
}

// pid1Is has a container's own first process be PID 1, for all to see, under
// whatever name: it is as old as the sandbox was.
func pid1Is(what string, first func(probe.Process) bool) breakage {
	return breakage{"PID 1 is " + what, func(o *suite.Observation) {
		for container := range o.Before {
			s := o.Before[container]
			sandbox, _ := s.Process(1)
			hide(o, container, isPID1)
			edit(o, container, func(p probe.Process) bool { return first(p) && !p.Observer }, func(p *probe.Process) {
				p.PID, p.StartTime, p.Argv = 1, sandbox.StartTime, sandbox.Argv
			})
		}
	}}
}

// ranOtherwise replaces the result of one of the act's commands.
func ranOtherwise(name string, code int, stdout, stderr string) breakage {
	return breakage{fmt.Sprintf("%s ends with %d: %q", name, code, stdout+stderr), func(o *suite.Observation) {
		o.Ran[name] = probe.CommandResult{Code: code, Stdout: stdout, Stderr: stderr}
	}}
}

func handlersOfPID1(what string, mask uint64) breakage {
	return breakage{what, func(o *suite.Observation) {
		edit(o, "one", isPID1, func(p *probe.Process) { p.SigCgt = fmt.Sprintf("%016x", mask) })
	}}
}

func inodeOf(container, kind string) breakage {
	return breakage{container + " has another " + kind + " namespace", func(o *suite.Observation) { o.Before[container].Namespaces[kind]++ }}
}

func containerRestartedOf(container string) breakage {
	return breakage{"container " + container + " restarts", func(o *suite.Observation) {
		c := o.AfterPod.Containers[container]
		c.Restarts++
		o.AfterPod.Containers[container] = c
	}}
}

func sandboxReplaced(seenFrom string) breakage {
	return breakage{"the sandbox is replaced", func(o *suite.Observation) {
		editIn(o.After, seenFrom, isPID1, func(p *probe.Process) { p.StartTime++ })
	}}
}

// ownFileBecomes changes what a container reads in its own file after the act.
func ownFileBecomes(container, path, what string, change func(string) string) breakage {
	return breakage{what, func(o *suite.Observation) {
		file := o.After[container].Files[path]
		file.Text = change(file.Text)
		o.After[container].Files[path] = file
	}}
}

var sharesAnyway = []breakage{
	{"two containers share a namespace", func(o *suite.Observation) {
		o.Before["one"].Namespaces["pid"] = o.Before["two"].Namespaces["pid"]
	}},
	{"a sibling's process is visible", func(o *suite.Observation) {
		p, _ := o.Container("two").Find(withMarker(o, "two"))
		p.PID, p.PPID = 9999, 1
		o.Before["one"].Processes = append(o.Before["one"].Processes, p)
	}},
	{"an exec goes to the sibling", func(o *suite.Observation) {
		o.Before["one"], o.Before["two"], o.Before["three"] = o.Before["two"], o.Before["three"], o.Before["one"]
	}},
	{"the first process is not PID 1", func(o *suite.Observation) {
		edit(o, "three", withMarker(o, "three"), func(p *probe.Process) { p.PID = 7 })
	}},
	{"another process has its parent outside", func(o *suite.Observation) {
		o.Before["one"].Processes = append(o.Before["one"].Processes, probe.Process{PID: 9999, Comm: "stranger"})
	}},
}

func environ(container string, access probe.Access) breakage {
	return breakage{container + ": environ " + access.String(), func(o *suite.Observation) {
		edit(o, container, withMarker(o, "argument"), func(p *probe.Process) { p.Environ = access })
	}}
}

// variableLost gives a variable of the environment that a container reads another name.
func variableLost(container, name string) breakage {
	return breakage{container + " reads no " + name, func(o *suite.Observation) {
		edit(o, container, withMarker(o, "argument"), func(p *probe.Process) {
			p.Environ.Text = strings.Replace(p.Environ.Text, name+"=", "ELSE=", 1)
		})
	}}
}
