package cases

import (
	"fmt"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// reapingBreakages are the faults that the cases of reaping must find.
var reapingBreakages = map[string][]breakage{
	"reaping/orphan": {
		zombieLeft("maker", "orphan"), zombieLeft("sibling", "orphan"), notSeenBySibling("orphan"),
		notedOtherwise("a process outside adopts the orphan", "orphan", func(p *probe.Process) { p.PPID = 0 }),
		notedOtherwise("the container's first process adopts the orphan", "orphan", func(p *probe.Process) { p.PPID = 7 }),
		notedOtherwise("the sibling sees another process", "orphan from sibling", func(p *probe.Process) { p.StartTime++ }),
	},
	"reaping/thousand-orphans": {
		ranOtherwise("bursts", 0, "made 1000, left 1\n", ""),
		ranOtherwise("bursts", 0, "made 100, left 100\n", ""),
		sandboxReplaced("sibling"), containerRestartedOf("maker"),
		{"a zombie is left of an earlier burst", func(o *suite.Observation) {
			o.After["sibling"].Processes = append(o.After["sibling"].Processes, probe.Process{PID: 9999, PPID: 1, State: "Z", Comm: "sleep"})
		}},
	},
	"reaping/exec": {
		zombieLeft("maker", "session"), zombieLeft("sibling", "session"), notSeenBySibling("session"),
		notedOtherwise("PID 1 is the command's parent", "session", func(p *probe.Process) { p.PPID = 1 }),
	},
	"reaping/exec-probe-timeouts": {
		containerRestartedOf("probed"),
		{"a zombie stays", func(o *suite.Observation) {
			zombie := probe.Process{PID: 9999, PPID: 1, State: "Z", Comm: "sh", StartTime: 5}
			o.Notes["zombies"] = `[{"PID":9999,"StartTime":5}]`
			o.After["probed"].Processes = append(o.After["probed"].Processes, zombie)
		}},
		{"the children pile up", func(o *suite.Observation) {
			child := probe.Process{PID: 9999, PPID: 1, State: "S", Comm: "sh", StartTime: 5, Argv: []string{o.Markers["child"]}}
			o.Before["probed"].Processes = append(o.Before["probed"].Processes, child)
			o.After["probed"].Processes = append(o.After["probed"].Processes, child)
		}},
	},
}

// zombieLeft leaves the noted process in what a container sees afterwards.
func zombieLeft(container, name string) breakage {
	return breakage{fmt.Sprintf("container %s sees a zombie of the %s", container, name), func(o *suite.Observation) {
		p, _ := noted(*o, name)
		p.State, p.Argv = "Z", nil
		o.After[container].Processes = append(o.After[container].Processes, p)
	}}
}

func notSeenBySibling(name string) breakage {
	return breakage{"the sibling does not see the " + name, func(o *suite.Observation) { delete(o.Notes, name+" from sibling") }}
}

// notedOtherwise changes a process that the act noted.
func notedOtherwise(what, name string, change func(*probe.Process)) breakage {
	return breakage{what, func(o *suite.Observation) {
		p, _ := noted(*o, name)
		change(&p)
		o.Notes[name] = encoded(p)
	}}
}
