package cases

import (
	"fmt"
	"slices"
	"strings"

	"procns/e2e/internal/permission"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// How the answers are held to the claims, and to what the kernel's rules compute.

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
							return untried(o, caller, operation, target)
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
					return untried(o, caller, operation, target)
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
