package cases

import (
	"fmt"
	"strings"
	"testing"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// reapingBreakages are the faults that the cases of reaping must find.
var reapingBreakages = map[string][]breakage{
	"reaping/orphan": {
		zombieLeft("maker", orphan), zombieLeft("sibling", orphan), notSeenBySibling(orphan),
		notedOtherwise("a process outside adopts the orphan", orphan, func(p *probe.Process) { p.PPID = 0 }),
		notedOtherwise("the container's first process adopts the orphan", orphan, func(p *probe.Process) { p.PPID = 7 }),
		sawOtherwise("the sibling sees another process", func(saw *suite.Saw) {
			p := saw.Orphan.From["sibling"]
			p.StartTime++
			saw.Orphan.SeenBy("sibling", p)
		}),
	},
	"reaping/post-start-orphan": {
		zombieLeft("maker", orphan), zombieLeft("sibling", orphan), notSeenBySibling(orphan),
		notedOtherwise("a process outside adopts the orphan", orphan, func(p *probe.Process) { p.PPID = 0 }),
		notedOtherwise("the container's first process adopts the orphan", orphan, func(p *probe.Process) { p.PPID = 7 }),
		sawOtherwise("the sibling sees another process", func(saw *suite.Saw) {
			p := saw.Orphan.From["sibling"]
			p.StartTime++
			saw.Orphan.SeenBy("sibling", p)
		}),
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
		zombieLeft("maker", command), zombieLeft("sibling", command), notSeenBySibling(command),
		notedOtherwise("PID 1 is the command's parent", command, func(p *probe.Process) { p.PPID = 1 }),
	},
	"reaping/exec-probe-timeouts": {
		containerRestartedOf("probed"),
		{"a zombie stays", func(o *suite.Observation) {
			zombie := probe.Process{PID: 9999, PPID: 1, State: "Z", Comm: "sh", StartTime: 5}
			o.Saw.Zombies = &[]probe.Identity{{PID: 9999, StartTime: 5}}
			o.After["probed"].Processes = append(o.After["probed"].Processes, zombie)
		}},
		{"the children pile up", func(o *suite.Observation) {
			child := probe.Process{PID: 9999, PPID: 1, State: "S", Comm: "sh", StartTime: 5, Argv: []string{o.Markers["child"]}}
			o.Before["probed"].Processes = append(o.Before["probed"].Processes, child)
			o.After["probed"].Processes = append(o.After["probed"].Processes, child)
		}},
	},
	"reaping/pids-limit": limitBreakages(),
}

// limitBreakages are what the script tells where one of its steps goes otherwise.
func limitBreakages() []breakage {
	const refused = "sh: can't fork: Resource temporarily unavailable"
	var all []breakage
	for what, lines := range map[string][]string{
		"there is no limit":                     {"hoarder 0 500 ", "seen 507", "full 0 ", "kill 0", "left 26", "freed 0 "},
		"another limit than the pod's holds":    {"hoarder 2 300 " + refused, "seen 308", "full 2 " + refused, "kill 0", "left 15", "freed 0 "},
		"the sibling sees itself alone":         {"hoarder 2 91 " + refused, "seen 4", "full 2 " + refused, "kill 0", "left 4", "freed 0 "},
		"each container has a limit of its own": {"hoarder 2 91 " + refused, "seen 98", "full 0 ", "kill 0", "left 17", "freed 0 "},
		"kill does not reach the hoarder's":     {"hoarder 2 91 " + refused, "seen 98", "full 2 " + refused, "kill 1", "left 99", "freed 2 " + refused},
		"nobody reaps":                          {"hoarder 2 91 " + refused, "seen 98", "full 2 " + refused, "kill 0", "left 99", "freed 2 " + refused},
		"some are reaped, and most are not":     {"hoarder 2 91 " + refused, "seen 98", "full 2 " + refused, "kill 0", "left 80", "freed 0 "},
		"what is gone still counts":             {"hoarder 2 91 " + refused, "seen 98", "full 2 " + refused, "kill 0", "left 8", "freed 2 " + refused},
	} {
		all = append(all, breakage{what, ranOtherwise("exhaust", 0, strings.Join(lines, "\n")+"\n", "").apply})
	}
	return append(all,
		came("kubelet was told of another limit", "configured", probe.CommandResult{Stdout: "2048\n"}),
		came("the pod had no limit", "limit", probe.CommandResult{Stdout: "max\n"}))
}

// TestLimitCannotTell: what proves nothing about the limit is no violation, and
// never a pass.
func TestLimitCannotTell(t *testing.T) {
	c := caseOf(t, "reaping/pids-limit")
	for name, apply := range map[string]func(o *suite.Observation){
		"the limit could not be lowered": ranOtherwise("limit", 2, "1024\n", "sh: can't create /sys/fs/cgroup/pids.max: Read-only file system").apply,
		"the pod has no control group":   ranOtherwise("limit", 0, "", "").apply,
		"the limit was set again":        ranOtherwise("limit-after", 0, "1024\n", "").apply,
		"the script did not run":         func(o *suite.Observation) { o.Ran["exhaust"] = probe.CommandResult{Failure: "the stream was cut"} },
		"the script was cut short":       ranOtherwise("exhaust", 137, "hoarder 2 89 sh: can't fork: Resource temporarily unavailable\nseen 97\n", "").apply,
		"the node is full, and the pod is not": ranOtherwise("exhaust", 0,
			"hoarder 2 20 sh: can't fork: Resource temporarily unavailable\nseen 28\nfull 2 sh: can't fork: Resource temporarily unavailable\nkill 0\nleft 9\nfreed 0 \n", "").apply,
		"the hoarder ended for another reason": ranOtherwise("exhaust", 0,
			"hoarder 2 91 sh: can't create /tmp/made: No space left on device\nseen 98\nfull 0 \nkill 0\nleft 9\nfreed 0 \n", "").apply,
	} {
		t.Run(name, func(t *testing.T) { cannotTellAfter(t, c, apply) })
	}
}

func orphan(saw *suite.Saw) *suite.Sight { return &saw.Orphan }

func command(saw *suite.Saw) *suite.Sight { return &saw.Command }

// zombieLeft leaves a process that the act killed in what a container sees afterwards.
func zombieLeft(container string, of func(*suite.Saw) *suite.Sight) breakage {
	return breakage{fmt.Sprintf("container %s sees a zombie", container), func(o *suite.Observation) {
		p := *of(&o.Saw).Own
		p.State, p.Argv = "Z", nil
		o.After[container].Processes = append(o.After[container].Processes, p)
	}}
}

func notSeenBySibling(of func(*suite.Saw) *suite.Sight) breakage {
	return sawOtherwise("the sibling does not see it", func(saw *suite.Saw) { of(saw).From = nil })
}

// notedOtherwise changes a process that the act killed, as its own container saw it.
func notedOtherwise(what string, of func(*suite.Saw) *suite.Sight, change func(*probe.Process)) breakage {
	return sawOtherwise(what, func(saw *suite.Saw) { change(of(saw).Own) })
}
