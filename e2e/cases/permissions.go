package cases

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/permission"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// permissionsCases state who may do what to whose process. Each holds a part of
// one table, of callers, targets and operations, to the answer that it states,
// and to what the kernel's rules compute from the credentials that were in
// effect: an answer that is right by chance, or by a model that is wrong, is none.
func permissionsCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:     "permissions/cmdline-and-status-open-to-all",
			Level:  suite.Core,
			Claim:  "Every user reads /proc/PID/cmdline and /proc/PID/status of every process in the pod, the sandbox's included.",
			Source: onUnderstanding2 + "; proc(5)",
			Judge: answers(
				allowed(to(everyCaller...), on("master", "worker", "changed", "sibling", "pause"), permission.Cmdline, permission.Status),
			),
		},
		{
			ID:     "permissions/other-user-refused",
			Level:  suite.Core,
			Claim:  "Another user without capabilities is refused environ, root, cwd, exe and fd of every process of the other containers with EACCES, and may open its own process's.",
			Source: onUnderstanding2 + " (protected only by regular Unix permissions); " + ptraceRule,
			Judge: answers(
				denied(probe.EACCES, to("other"), on("master", "worker", "changed", "sibling"), withList...),
				allowed(to("other"), on("own"), withList...),
			),
		},
		{
			ID:     "permissions/signal-follows-uid-and-cap-kill",
			Level:  suite.Extended,
			Claim:  "Who has the target's user ID or CAP_KILL may signal it, and nobody else: SYS_PTRACE makes no difference, the refusal is EPERM.",
			Source: killRule + "; " + onUnderstanding2,
			Judge: answers(
				allowed(to("page", "root", "fewer"), on("master", "worker", "changed", "sibling"), signals...),
				allowed(to("none", "ptrace"), on("master", "sibling"), signals...),
				denied(probe.EPERM, to("none", "ptrace"), on("worker", "changed"), signals...),
				denied(probe.EPERM, to("other"), on("master", "worker", "changed", "sibling"), signals...),
				allowed(to("worker-user"), on("worker", "changed"), signals...),
				denied(probe.EPERM, to("worker-user"), on("master", "sibling"), signals...),
			),
		},
		{
			ID:     "permissions/fewer-capabilities-refused",
			Level:  suite.Extended,
			Claim:  "Root with all the capabilities of a process may read its environ and follow its root, cwd, exe and fd; root with one fewer, even one that has nothing to do with it, is refused with EACCES.",
			Source: ptraceRule,
			Judge: answers(
				allowed(to("page", "root"), on("master", "sibling"), inside...),
				denied(probe.EACCES, to("fewer", "none"), on("master", "sibling"), inside...),
				allowed(to("fewer", "none"), on("own"), inside...),
			),
		},
		{
			ID:     "permissions/sys-ptrace-opens-everything",
			Level:  suite.Extended,
			Claim:  "With SYS_PTRACE besides the default capabilities, root reads environ and follows root, cwd, exe and fd of every process of the other containers; without, it is refused those of another user's with EACCES.",
			Source: ptraceRule,
			Judge: answers(
				allowed(to("page"), on("master", "worker", "changed", "sibling"), withList...),
				denied(probe.EACCES, to("root"), on("worker", "changed"), inside...),
			),
		},
		{
			ID:     "permissions/sys-ptrace-stands-for-capabilities",
			Level:  suite.Extended,
			Claim:  "SYS_PTRACE alone makes up for all capabilities that the caller lacks: with it root opens what root without any is refused of root's processes.",
			Source: ptraceRule,
			Judge: answers(
				allowed(to("ptrace"), on("master", "sibling"), inside...),
				denied(probe.EACCES, to("none"), on("master", "sibling"), inside...),
			),
		},
		{
			ID:     "permissions/sys-ptrace-overrides-no-mode",
			Level:  suite.Extended,
			Claim:  "SYS_PTRACE alone lets root follow the links of another user's process, /proc/PID/root for one, but open none of its files: environ, fd and mem are their owner's, and take DAC_OVERRIDE as well.",
			Source: "proc(5), modes below /proc/PID; " + ptraceRule,
			Judge: answers(
				allowed(to("ptrace"), on("worker"), permission.Root, permission.Cwd, permission.Exe),
				denied(probe.EACCES, to("ptrace"), on("worker"), permission.Environ, permission.List, permission.Open, permission.Attach),
				allowed(to("page"), on("worker"), withList...),
			),
		},
		{
			ID:     "permissions/list-of-files-by-mode",
			Level:  suite.Informational,
			Claim:  "Which descriptors a process has open may be listed by everyone whom the mode of /proc/PID/fd lets in, root with DAC_OVERRIDE for one; what they are may not be seen by that.",
			Source: "proc(5), /proc/PID/fd; " + ptraceRule,
			Judge: answers(
				allowed(to("root", "fewer"), on("worker", "changed"), permission.List),
				denied(probe.EACCES, to("root", "fewer"), on("worker", "changed"), permission.Open),
				denied(probe.EACCES, to("none"), on("worker"), permission.List),
			),
		},
		{
			ID:     "permissions/own-uid-refused-non-dumpable",
			Level:  suite.Extended,
			Claim:  "A process that changed its user after its start is not dumpable: its own user and group may signal it, but are refused its environ, root, cwd, exe and fd with EACCES.",
			Source: ptraceRule + "; prctl(2), PR_SET_DUMPABLE",
			Judge: answers(
				denied(probe.EACCES, to("worker-user"), on("changed"), withList...),
				allowed(to("worker-user"), on("changed"), signals...),
				allowed(to("worker-user"), on("own"), withList...),
			),
		},
		{
			ID:     "permissions/nginx-worker-open-to-its-user",
			Level:  suite.Informational,
			Claim:  "nginx's worker made itself dumpable again after it changed its user: its own user and group may read its environ and follow its root, cwd, exe and fd.",
			Source: ptraceRule + "; prctl(2), PR_SET_DUMPABLE, which nginx calls in each worker",
			Judge: answers(
				allowed(to("worker-user"), on("worker"), withList...),
				denied(probe.EACCES, to("worker-user"), on("changed", "master"), withList...),
			),
		},
		{
			ID:      "permissions/attach-follows-the-same-rule",
			Level:   suite.Extended,
			Claim:   "To attach, as opening /proc/PID/mem does, takes what reading environ takes, and where Yama is in force what it demands besides.",
			Source:  ptraceRule + "; /proc/sys/kernel/yama/ptrace_scope",
			Judge:   attachIsRead,
			Records: "whether Yama limits attaching",
			Record: func(o suite.Observation) string {
				return "Yama: " + yamaOf(o).String()
			},
		},
		{
			ID:      "permissions/hangup-needs-no-sys-ptrace",
			Level:   suite.Informational,
			Claim:   "Root may send nginx's master SIGHUP whether or not it has SYS_PTRACE, or any capability at all; another user may not.",
			Source:  killRule + "; against " + onConfiguring + ", “This operation requires the SYS_PTRACE capability”",
			Judge:   hangUpNeedsNoPtrace,
			Records: "which callers may hang up nginx's master",
			Record:  whoMayHangUp,
		},
		{
			ID:     "permissions/sandbox-is-another-user",
			Level:  suite.Informational,
			Claim:  "PID 1 belongs to a user of its own: root may signal it through CAP_KILL, but is refused its environ, root, cwd, exe and fd, until it has SYS_PTRACE.",
			Source: ptraceRule + "; " + killRule,
			Judge: ofAnotherUser("pause", answers(
				allowed(to("page", "root"), on("pause"), signals...),
				denied(probe.EPERM, to("none", "ptrace", "other", "worker-user"), on("pause"), signals...),
				allowed(to("page"), on("pause"), withList...),
				allowed(to("ptrace"), on("pause"), permission.Root),
				denied(probe.EACCES, to("root", "fewer", "none", "other", "worker-user"), on("pause"), inside...),
			)),
		},
		{
			ID:      "permissions/matrix",
			Level:   suite.Informational,
			Claim:   "Every caller is answered every operation on every target as the kernel's rules compute it from the credentials of the two, but for what a security module refuses besides, of which the table tells.",
			Source:  killRule + "; " + ptraceRule,
			Judge:   everyCellAgrees,
			Records: "the table of callers, targets and operations",
			Record:  matrix,
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "permissions.yaml", "permissions-isolated.yaml"
		cases[i].Given = everyTargetRuns
		cases[i].Act = tryEverything
	}
	return cases
}

const killRule = "kill(2)"

// The callers are containers of permissions.yaml.
var everyCaller = []string{"page", "root", "fewer", "none", "ptrace", "other", "worker-user"}

// The targets: nginx's master and one of its workers, the containers changed and
// sibling, the sandbox's PID 1, and the caller's own first process. That one is
// the witness: what the caller may do to it fails nowhere else for lack of a tool
// or of /proc.
var everyTarget = []string{"master", "worker", "changed", "sibling", "pause", "own"}

// Operations that are judged together.
var (
	signals = []permission.Operation{permission.Signal0, permission.Hangup}
	// inside is what the page calls information visible in /proc, and the
	// filesystem: all that is guarded by the access check of ptrace(2).
	inside = []permission.Operation{permission.Environ, permission.Root, permission.Cwd, permission.Exe, permission.Open}
	// withList adds what is guarded by the mode of the directory fd alone.
	withList = append(slices.Clone(inside), permission.List)
)

// everyTargetRuns is the precondition, seen from the targets' own containers.
func everyTargetRuns(o suite.Observation) error {
	if err := nginxServing(o); err != nil {
		return err
	}
	for _, target := range []string{"worker", "changed", "sibling"} {
		if _, err := targetIn(o, target, ""); err != nil {
			return err
		}
	}
	return nil
}

// targetIn finds a target in the container that runs it. What changes its user is
// none before it did. PID 1 of nginx's container is the sandbox's only where it is
// not nginx.
func targetIn(o suite.Observation, target, caller string) (probe.Process, error) {
	nginx := o.Container("nginx")
	m, ok := master(nginx)
	if !ok {
		return m, suite.CannotTell("nginx's master process in its own container", "none", nginx)
	}
	switch target {
	case "master":
		return m, nil
	case "worker":
		for _, w := range workers(nginx, m) {
			if w.UID != m.UID {
				return w, nil
			}
		}
		return m, suite.CannotTell("a worker of nginx's that has changed its user, in its own container", "none", nginx)
	case "changed":
		p, err := ownProcess(o, "changed", "changed")
		if err == nil && p.UID == m.UID {
			err = suite.CannotTell("the server in container changed has changed its user", "it has not", o.Container("changed"))
		}
		return p, err
	case "sibling":
		return ownProcess(o, "sibling", "sibling")
	case "pause":
		first, ok := nginx.Process(1)
		if !ok || first.Identity() == m.Identity() {
			return first, suite.Violation("PID 1 is the sandbox's", "it is nginx, or hidden", nginx)
		}
		return first, nil
	}
	return ownProcess(o, caller, caller)
}

// targetSeenBy finds a target in what the caller sees: the same process, in the same
// PID namespace. Its PID means another process in another.
func targetSeenBy(o suite.Observation, caller, target string) (probe.Process, error) {
	want, err := targetIn(o, target, caller)
	if err != nil || target == "own" {
		return want, err
	}
	own, other := o.Container("nginx"), o.Container(caller)
	if _, err := ownProcess(o, caller, caller); err != nil {
		return want, err
	}
	got, ok := other.Process(want.PID)
	if !ok || got.Identity() != want.Identity() || own.Namespaces["pid"] == 0 || own.Namespaces["pid"] != other.Namespaces["pid"] {
		return want, suite.Violation(
			fmt.Sprintf("container %s sees the %s as PID %s", caller, target, want.Identity()),
			"it does not", own, other)
	}
	return got, nil
}

// tryEverything has each caller try all operations on all targets that it sees.
// SIGHUP to the master comes last: it replaces the worker, and the others'
// answers about that would be about no process. What the signals do is not judged
// here: the sandbox drops SIGHUP, a worker ignores it, and all others survive it.
var tryEverything = &suite.Act{
	Name:   "try-everything",
	Within: 30 * time.Second,
	Sees:   []string{"nginx"},
	Do: func(ctx context.Context, pod suite.Hands) error {
		for _, round := range []string{"", hangUpRound} {
			for _, caller := range everyCaller {
				if attempts := attemptsOf(pod.Before(), caller, round); len(attempts) > 0 {
					if _, err := pod.Exec(ctx, caller+round, caller, permission.TryCommand(attempts...)...); err != nil {
						return err
					}
				}
			}
		}
		return nil
	},
}

// hangUpRound names the second round, in which the callers signal the master.
const hangUpRound = "-hangup"

func attemptsOf(o suite.Observation, caller, round string) []permission.Attempt {
	var attempts []permission.Attempt
	for _, target := range everyTarget {
		p, err := targetSeenBy(o, caller, target)
		if err != nil {
			continue // the judges say that the caller does not see it
		}
		operations := permission.Operations()
		switch {
		case round == hangUpRound && target == "master":
			operations = []permission.Operation{permission.Hangup}
		case round == hangUpRound:
			continue
		case target == "master":
			operations = slices.DeleteFunc(operations, func(p permission.Operation) bool { return p == permission.Hangup })
		}
		attempts = append(attempts, permission.Attempt{Name: target, PID: p.PID, Operations: operations})
	}
	return attempts
}

// triedBy reads what a caller found, in both rounds.
func triedBy(o suite.Observation, caller string) (permission.Tried, error) {
	var all permission.Tried
	for _, round := range []string{"", hangUpRound} {
		if round == hangUpRound && len(attemptsOf(o, caller, round)) == 0 {
			continue // there was nothing to signal
		}
		ran := o.Ran[caller+round]
		tried, err := permission.Parse(ran.Stdout)
		if err == nil && !ran.Ran() {
			err = fmt.Errorf("it %s", ran)
		}
		if err != nil {
			return all, suite.CannotTell("container "+caller+" tries the operations", fmt.Sprintf("%v: %s", err, ran))
		}
		if round == "" {
			all = tried
		} else if answer, ok := tried.Answers["master"][permission.Hangup]; ok && all.Answers["master"] != nil {
			all.Answers["master"][permission.Hangup] = answer
		}
	}
	return all, nil
}

// rowOf is what a caller was answered about a target, beside what the rules compute.
func rowOf(o suite.Observation, caller, target string) (permission.Row, error) {
	var none permission.Row
	p, err := targetSeenBy(o, caller, target)
	if err != nil {
		return none, err
	}
	tried, err := triedBy(o, caller)
	if err != nil {
		return none, err
	}
	if found := tried.Targets[target]; found.Start != p.StartTime {
		return none, suite.CannotTell(fmt.Sprintf("container %s tries the operations on the %s, PID %s", caller, target, p.Identity()),
			fmt.Sprintf("the process that it tried started at tick %d", found.Start), o.Container(caller))
	}
	return permission.Compare(caller, tried, target), nil
}

// expectation is a part of the table that has one answer.
type expectation struct {
	errno           probe.Errno
	callers, target []string
	operations      []permission.Operation
}

func allowed(callers, targets []string, operations ...permission.Operation) expectation {
	return expectation{"", callers, targets, operations}
}

func denied(errno probe.Errno, callers, targets []string, operations ...permission.Operation) expectation {
	return expectation{errno, callers, targets, operations}
}

// to and on let an expectation be read.
func to(callers ...string) []string { return callers }
func on(targets ...string) []string { return targets }

// answers demands of each cell of the expectations the stated answer.
func answers(expectations ...expectation) func(suite.Observation) error {
	return func(o suite.Observation) error {
		for _, e := range expectations {
			for _, caller := range e.callers {
				for _, target := range e.target {
					row, err := rowOf(o, caller, target)
					if err != nil {
						return err
					}
					for _, operation := range e.operations {
						cell, ok := row.Cells[operation]
						if !ok {
							return suite.CannotTell(trying(caller, operation, target), "it was not tried")
						}
						if err := judgeCell(o, caller, target, operation, cell, e.errno); err != nil {
							return err
						}
					}
				}
			}
		}
		return nil
	}
}

// askForSysPtrace are the callers whose manifest asks for that capability by name.
var askForSysPtrace = []string{"page", "ptrace"}

// ofAnotherUser demands that a target runs as another user than root, whose claim says so,
// before its answers are looked at: CRI-O, for one, runs the sandbox as root.
func ofAnotherUser(target string, judge func(suite.Observation) error) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if _, err := targetSeenBy(o, "root", target); err != nil {
			return err
		}
		tried, err := triedBy(o, "root")
		if err != nil {
			return err
		}
		if p, ok := tried.Targets[target]; ok && p.UID.Real == tried.Self.UID.Real {
			return suite.Final(suite.Violation("the "+target+" belongs to a user of its own", fmt.Sprintf("it is uid %d's, as container root's own processes are", p.UID.Real), o.Container("root")))
		}
		return judge(o)
	}
}

// judgeCell holds one answer to the expected one.
func judgeCell(o suite.Observation, caller, target string, operation permission.Operation, cell permission.Cell, want probe.Errno) error {
	computed := cell.Computed
	if computed.Errno != want {
		if slices.Contains(askForSysPtrace, caller) {
			if err := holdsSysPtrace(o, caller); err != nil {
				return err
			}
		}
		// The runtime's default capabilities are others than the claim is about,
		// or the model is wrong.
		return cannotTell(o, "credentials by which "+trying(caller, operation, target)+" is "+inWords(want),
			fmt.Sprintf("by its credentials it is %s: %s", inWords(computed.Errno), computed.Rule))
	}
	if cell.Observed.Errno == want {
		return nil
	}
	found := &suite.Finding{
		Expected: fmt.Sprintf("%s is %s: %s", trying(caller, operation, target), inWords(want), computed.Rule),
		Observed: fmt.Sprintf("it is %s (%q)", inWords(cell.Observed.Errno), cell.Observed.Message),
		Evidence: matrix(o),
		Final:    true, // the answers are those that were given
	}
	if cell.Observed.Errno == "" {
		return found
	}
	if guard := guardOf(o.Container(caller), cell.Observed.Errno, slices.Contains(signals, operation)); guard != "" {
		found.Observed += "; " + guard
		found.Forbidden = want != "" || !promised(operation, target)
	}
	return found
}

// promised tells whether the page says that nothing but ordinary permissions decides:
// of signals between containers, and of what /proc shows of their processes. It says
// nothing of the sandbox's process, of what a container may do to its own, nor of
// attaching.
func promised(operation permission.Operation, target string) bool {
	return target != "pause" && target != "own" && operation != permission.Attach
}

func cannotTell(o suite.Observation, needed, observed string) error {
	return &suite.Finding{Expected: needed, Observed: observed, Evidence: matrix(o), CannotTell: true}
}

func trying(caller string, operation permission.Operation, target string) string {
	return fmt.Sprintf("%s by container %s on %s", operation, caller, map[string]string{
		"master": "nginx's master", "worker": "nginx's worker", "changed": "the server that changed its user", "sibling": "the sibling", "pause": "the sandbox", "own": "its own process",
	}[target])
}

func inWords(errno probe.Errno) string {
	if errno == "" {
		return "allowed"
	}
	return "refused with " + string(errno)
}

// everyCellAgrees holds all of the table to the model, and tells of every cell
// that differs at once.
func everyCellAgrees(o suite.Observation) error {
	var wrong []string
	var unclear error
	for _, caller := range everyCaller {
		for _, target := range everyTarget {
			row, err := rowOf(o, caller, target)
			if err != nil {
				return err
			}
			for _, operation := range permission.Operations() {
				cell, ok := row.Cells[operation]
				if !ok {
					return suite.CannotTell(trying(caller, operation, target), "it was not tried")
				}
				err := judgeCell(o, caller, target, operation, cell, cell.Computed.Errno)
				switch {
				case suite.IsViolation(err):
					wrong = append(wrong, err.Error())
				case suite.IsForbidden(err): // by a known guard, which the table names
				case unclear == nil:
					unclear = err
				}
			}
		}
	}
	if len(wrong) > 0 {
		return suite.Final(suite.Violation("every answer as the rules compute it", strings.Join(wrong, "\n")+"\n\n"+matrix(o)))
	}
	return unclear
}

// attachIsRead holds two columns to each other. Yama knows of nothing but
// attaching: where it is in force, only who has SYS_PTRACE may attach to what it
// has not started.
func attachIsRead(o suite.Observation) error {
	yama := yamaOf(o)
	attaching := func(e expectation, freedFromYama bool) []expectation {
		read, attach := e, e
		read.operations, attach.operations = []permission.Operation{permission.Environ}, []permission.Operation{permission.Attach}
		if yama >= 3 || yama >= 1 && !freedFromYama {
			attach.errno = probe.EACCES
		}
		return []expectation{read, attach}
	}
	return answers(slices.Concat(
		attaching(allowed(to("page"), on("master", "worker", "changed", "sibling")), true),
		attaching(allowed(to("ptrace"), on("master", "changed", "sibling")), true),
		attaching(allowed(to("root"), on("master", "sibling")), false),
		attaching(denied(probe.EACCES, to("root"), on("worker", "changed")), false),
		attaching(denied(probe.EACCES, to("fewer", "none", "other"), on("master", "worker", "changed", "sibling")), false),
		attaching(denied(probe.EACCES, to("worker-user"), on("master", "changed", "sibling")), false),
	)...)(o)
}

// yamaOf is the node's setting, as the first caller read it.
func yamaOf(o suite.Observation) permission.Yama {
	tried, err := triedBy(o, everyCaller[0])
	if err != nil {
		return permission.NoYama
	}
	return tried.Yama
}

// hangUpNeedsNoPtrace: the capability must be in effect where the signal is sent
// with it, and missing where it is sent without it.
func hangUpNeedsNoPtrace(o suite.Observation) error {
	if err := answers(
		allowed(to("page", "root", "fewer", "none", "ptrace"), on("master"), permission.Hangup),
		denied(probe.EPERM, to("other", "worker-user"), on("master"), permission.Hangup),
	)(o); err != nil {
		return err
	}
	for caller, has := range map[string]bool{"page": true, "ptrace": true, "root": false, "fewer": false, "none": false} {
		tried, err := triedBy(o, caller)
		if err != nil {
			return err
		}
		if (tried.Self.Effective&permission.SysPtrace != 0) != has {
			return cannotTell(o, fmt.Sprintf("container %s, with SYS_PTRACE in effect: %v", caller, has), tried.Self.String())
		}
	}
	m, _ := master(o.Container("nginx"))
	if err := sameMaster(m, o.Container("nginx"), o.AfterIn("nginx")); err != nil {
		return err
	}
	return nothingRestarted(o)
}

// whoMayHangUp answers the question whether the page's example needs SYS_PTRACE.
func whoMayHangUp(o suite.Observation) string {
	var b strings.Builder
	for _, caller := range everyCaller {
		tried, err := triedBy(o, caller)
		if err != nil {
			continue // the judge said so
		}
		fmt.Fprintf(&b, "kill -HUP on nginx's master as %s: %s\n", tried.Self, inWords(tried.Answers["master"][permission.Hangup].Errno))
	}
	return b.String()
}

// matrix is the whole table, with the credentials it is computed from. Rows in
// which a caller is allowed everything to its own process are left out.
func matrix(o suite.Observation) string {
	var rows []permission.Row
	var who strings.Builder
	described := map[string]bool{}
	describe := func(name string, p permission.Process) {
		if !described[name] {
			described[name] = true
			fmt.Fprintf(&who, "%-11s  %s\n", name, p)
		}
	}
	for _, caller := range everyCaller {
		tried, err := triedBy(o, caller)
		if err != nil {
			continue // the judges say so
		}
		describe(caller, tried.Self)
		for _, target := range everyTarget {
			row, err := rowOf(o, caller, target)
			if err != nil || target == "own" && allAllowed(row) {
				continue
			}
			rows = append(rows, row)
		}
	}
	for _, target := range everyTarget {
		if tried, err := triedBy(o, everyCaller[0]); err == nil && target != "own" {
			if p, ok := tried.Targets[target]; ok {
				describe(target, p)
			}
		}
	}
	if len(rows) == 0 {
		return ""
	}
	if confinement := o.Container(everyCaller[0]).Confinement(); confinement != "" {
		fmt.Fprintf(&who, "%-11s  %s\n", "module", confinement)
	}
	return permission.Table(rows) + "\n" + who.String() + fmt.Sprintf("%-11s  %s\n", "Yama", yamaOf(o)) +
		"Each caller may do everything to its own first process, unless a row says otherwise.\n" +
		"A!B: observed A, computed B. mem: opened, which takes the access mode of PTRACE_ATTACH.\n"
}

func allAllowed(row permission.Row) bool {
	for _, cell := range row.Cells {
		if cell.Observed.Errno != "" || cell.Computed.Errno != "" {
			return false
		}
	}
	return true
}
