package cases

import (
	"fmt"
	"slices"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// walkthroughCases follow the page literally: once through attach with a
// terminal, as its text says, once through exec, as its English version does.
func walkthroughCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:      "walkthrough/manifest-runs",
			Level:   suite.Core,
			Claim:   "The documented manifest runs: both containers Ready in one PID namespace, none restarted.",
			Source:  onConfiguring + ", step 1",
			Fixture: documented,
			Control: isolated,
			Judge:   manifestRuns,
		},
		{
			ID:           "walkthrough/english-manifest-runs",
			Experiments:  none(),
			Level:        suite.Core,
			Claim:        "The manifest of the English page, whose shell container runs sleep, runs: both containers Ready in one PID namespace, none restarted.",
			Source:       onConfiguring + ", step 1 (the English version)",
			Fixture:      english,
			Control:      englishIsolated,
			Precondition: nginxServing,
			Act:          walkByShell,
			Judge:        manifestRuns,
		},
		{
			ID:           "walkthrough/attach-prompt",
			Experiments:  none(),
			Level:        suite.Core,
			Claim:        "Attached to the shell container with a terminal, the shell shows its prompt after Enter.",
			Source:       onConfiguring + ", step 2",
			Fixture:      documented,
			Control:      "no-terminal.yaml",
			Varies:       "tty",
			Precondition: nginxServing,
			Act:          walkByAttach,
			Judge: func(o suite.Observation) error {
				if o.Saw.Page.Prompt == "" {
					return suite.Violation("the shell shows a prompt after Enter", fmt.Sprintf("the terminal showed %q", o.Saw.Page.Screen))
				}
				return nil
			},
			Records: "the prompt",
			Record:  func(o suite.Observation) string { return fmt.Sprintf("prompt %q", o.Saw.Page.Prompt) },
		},
	}
	for _, way := range []struct {
		id, where        string
		fixture, control string
		act              *suite.Act
		lists            func(suite.Observation) error
	}{
		{"attach", onConfiguring + ", step 2", documented, isolated, walkByAttach, psListsAll},
		{"exec", onConfiguring + ", step 2 (kubectl exec in the English version)", documented, isolated, walkByExec, psListsAll},
		{"english", onConfiguring + ", step 2 (the English version)", english, englishIsolated, walkByShell, psListsSleepToo},
	} {
		cases = append(cases,
			suite.Case{
				ID:           "walkthrough/" + way.id + "-ps",
				Experiments:  none(),
				Level:        suite.Core,
				Claim:        "ps ax in the shell container lists the sandbox as PID 1, nginx's master and workers, the shell and ps itself.",
				Source:       way.where,
				Fixture:      way.fixture,
				Control:      way.control,
				Precondition: nginxServing,
				Act:          way.act,
				Judge:        way.lists,
				Records:      "the table that ps printed",
				Record:       func(o suite.Observation) string { return o.Saw.Page.PSBefore },
			},
			suite.Case{
				ID:           "walkthrough/" + way.id + "-hangup",
				Experiments:  []string{byHangingUp},
				Level:        suite.Core,
				Claim:        "kill -HUP on nginx's master, typed in the shell container, gives nginx new workers, as ps then shows.",
				Source:       onConfiguring + ", signalling other containers",
				Fixture:      way.fixture,
				Control:      way.control,
				Precondition: nginxServing,
				Act:          way.act,
				Judge:        psShowsNewWorkers,
			},
			suite.Case{
				ID:           "walkthrough/" + way.id + "-nginx-conf",
				Experiments:  []string{byHead},
				Level:        suite.Core,
				Claim:        "head /proc/PID/root/etc/nginx/nginx.conf in the shell container prints the head of nginx's configuration.",
				Source:       onConfiguring + ", /proc/$pid/root",
				Fixture:      way.fixture,
				Control:      way.control,
				Precondition: nginxServing,
				Read:         []string{nginxConf},
				Act:          way.act,
				Judge:        headPrintsConfiguration,
			},
		)
	}
	return cases
}

// The manifest of the page's English version.
const (
	english         = "share-process-namespace-english.yaml"
	englishIsolated = "share-process-namespace-english-isolated.yaml"
)

func manifestRuns(o suite.Observation) error {
	for _, name := range []string{"nginx", "shell"} {
		c := o.Pod.Containers[name]
		if suite.StartFailed(c.ExitReason) && c.Ready {
			return suite.CannotTell("the runtime starts container "+name+" at once", fmt.Sprintf("it failed at first (%s), and kubelet started it again", c.ExitReason))
		}
		if !c.Ready || c.Restarts > 0 {
			return suite.Violation("container "+name+" is ready and was never restarted",
				fmt.Sprintf("ready: %v, restarts: %d", c.Ready, c.Restarts))
		}
	}
	nginx, shell := o.Container("nginx"), o.Container("shell")
	if nginx.Namespaces["pid"] != shell.Namespaces["pid"] {
		return suite.Violation("nginx and shell are in one PID namespace",
			fmt.Sprintf("namespaces %d and %d", nginx.Namespaces["pid"], shell.Namespaces["pid"]), nginx, shell)
	}
	return nil
}

// psListsAll compares the table that ps printed with what nginx's own container
// sees: the roles must be the right processes, not only the right words.
func psListsAll(o suite.Observation) error {
	own := o.Container("nginx")
	table := o.Saw.Page.PSBefore
	rows, err := probe.ParsePS(table)
	if err != nil {
		return suite.CannotTell("the table of ps ax", err.Error())
	}
	m, ok := master(own)
	if !ok {
		return suite.CannotTell("nginx's master process in its own container", "none", own)
	}
	missing := func(what string) error {
		return suite.Violation("ps ax in the shell container lists "+what, "it printed:\n"+table, own, o.Container("shell"))
	}
	has := func(pid int, prefix string) bool {
		return slices.ContainsFunc(rows, func(r probe.PSRow) bool { return r.PID == pid && strings.HasPrefix(r.Command, prefix) })
	}
	sandbox, ok := own.Process(1)
	if !ok || m.PID == 1 || !slices.ContainsFunc(rows, func(r probe.PSRow) bool { return r.PID == 1 && isRowOf(r, sandbox) }) {
		return missing("the sandbox as PID 1")
	}
	if !has(m.PID, "nginx: master process") {
		return missing(fmt.Sprintf("nginx's master as PID %d", m.PID))
	}
	for _, w := range workers(own, m) {
		if !has(w.PID, "nginx: worker process") {
			return missing(fmt.Sprintf("nginx's worker as PID %d", w.PID))
		}
	}
	if !slices.ContainsFunc(rows, func(r probe.PSRow) bool { return r.Command == "sh" || strings.HasSuffix(r.Command, "/sh") }) {
		return missing("the shell")
	}
	// A busybox whose shell runs ps within itself lists it as {ps}.
	if len(psRows(rows, "ps ax"))+len(psRows(rows, "{ps}")) == 0 {
		return missing("ps itself")
	}
	return nil
}

// psListsSleepToo demands what the English page's container itself runs, besides.
func psListsSleepToo(o suite.Observation) error {
	if err := psListsAll(o); err != nil {
		return err
	}
	rows, err := probe.ParsePS(o.Saw.Page.PSBefore)
	if err != nil {
		return suite.CannotTell("the table of ps ax", err.Error())
	}
	sleep, ok := o.Container("shell").Find(func(p probe.Process) bool { return p.PPID == 0 && p.Command() == "sleep 3600" })
	if !ok || !slices.ContainsFunc(rows, func(r probe.PSRow) bool { return r.PID == sleep.PID && r.Command == "sleep 3600" }) {
		return suite.Violation("ps ax lists the shell container's own sleep 3600", "it printed:\n"+o.Saw.Page.PSBefore, o.Container("shell"))
	}
	return nil
}

func psShowsNewWorkers(o suite.Observation) error {
	if o.Saw.Page.PSAfter == "" {
		return suite.Violation("the shell container can signal nginx's master, which ps shows", "ps showed no master:\n"+o.Saw.Page.PSBefore,
			o.Container("nginx"), o.Container("shell"))
	}
	if err := couldSignal(o, "hangup", "shell"); err != nil {
		return err
	}
	if !newWorkersIn(o.Saw.Page.PSBefore, o.Saw.Page.PSAfter) {
		said := fmt.Sprintf("%q", o.Saw.Page.Hangup)
		if typed := (probe.CommandResult{Code: 1, Stderr: o.Saw.Page.Hangup}); wasRefused(typed) {
			said = failed(typed, o.Container("shell"))
		}
		return suite.Final(suite.Violation("ps shows new workers after kill -HUP",
			"kill printed "+said+"; ps before:\n"+o.Saw.Page.PSBefore+"and after:\n"+o.Saw.Page.PSAfter,
			o.Container("nginx"), o.AfterIn("nginx")))
	}
	return workersReplaced(o)
}

func headPrintsConfiguration(o suite.Observation) error {
	own := o.Container("nginx").Files[nginxConf]
	if !own.OK() {
		return suite.CannotTell(nginxConf+" in nginx's own container", own.Message)
	}
	head := o.Saw.Page.Head
	// A terminal shows the typed command first.
	if line, rest, ok := strings.Cut(head, "\n"); ok && strings.Contains(line, "head /proc/") {
		head = rest
	}
	if want := firstLines(own.Text, 10); strings.TrimSpace(head) != strings.TrimSpace(want) || strings.TrimSpace(want) == "" {
		return suite.Violation("the first ten lines of nginx's configuration:\n"+want, fmt.Sprintf("%q", head), o.Container("shell"))
	}
	return nil
}
