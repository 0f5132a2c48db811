package cases

import (
	"context"
	"fmt"
	"slices"
	"time"

	"procns/e2e/internal/permission"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// Who tries what on whom.

// The callers are containers of permissions.yaml.
var everyCaller = []string{"page", "root", "fewer", "none", "ptrace", "other", "worker-user"}

// The targets: nginx's master and one of its workers, the containers changed and
// sibling, the sandbox's PID 1, and the caller's own first process. That one is
// the witness: what the caller may do to it fails nowhere else for lack of a tool
// or of /proc.
var everyTarget = []string{"master", "worker", "changed", "sibling", "pause", "own"}

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
// SIGHUP to the master and to PID 1 come last: the one replaces the worker, and the others'
// answers about that would be about no process; the other ends a sandbox that is not protected from
// it, with all who try. What the signals do is not judged here: the sandbox drops SIGHUP, a worker
// ignores it, and all others survive it.
var tryEverything = &suite.Act{
	Name:   "try-everything",
	Within: 30 * time.Second,
	Sees:   []string{"nginx"},
	Do: func(ctx context.Context, pod suite.PodClient) error {
		for _, round := range []string{"", hangUpRound} {
			for _, caller := range everyCaller {
				if attempts := attemptsOf(pod.Before(), caller, round); len(attempts) > 0 {
					if err := pod.Apart(ctx, caller+round, func(ctx context.Context) error {
						_, err := pod.Exec(ctx, caller+round, caller, permission.TryCommand(attempts...)...)
						return err
					}); err != nil {
						return err
					}
				}
			}
		}
		return nil
	},
}

// hangUpRound names the second round, in which the callers signal the master, and then PID 1.
const hangUpRound = "-hangup"

// hungUpLast are the targets that are sent SIGHUP in the second round.
var hungUpLast = []string{"master", "pause"}

func attemptsOf(o suite.Observation, caller, round string) []permission.Attempt {
	var attempts []permission.Attempt
	for _, target := range everyTarget {
		p, err := targetSeenBy(o, caller, target)
		if err != nil {
			continue // the judges say that the caller does not see it
		}
		operations, last := permission.Operations(), slices.Contains(hungUpLast, target)
		switch {
		case round == hangUpRound && last:
			operations = []permission.Operation{permission.Hangup}
		case round == hangUpRound:
			continue
		case last:
			operations = slices.DeleteFunc(operations, func(p permission.Operation) bool { return p == permission.Hangup })
		}
		attempts = append(attempts, permission.Attempt{Name: target, PID: p.PID, Operations: operations})
	}
	return attempts
}

// triedBy reads what a caller found, in both rounds. Of the second one, there is what could be told: why the rest
// could not, untried says.
func triedBy(o suite.Observation, caller string) (permission.Tried, error) {
	all, err := triedIn(o, caller, "")
	if err != nil {
		return all, err
	}
	last, err := triedIn(o, caller, hangUpRound)
	if err != nil {
		return all, nil //nolint:nilerr // the answers are missing, and who asks for one is told why
	}
	for _, target := range hungUpLast {
		answer, ok := last.Answers[target][permission.Hangup]
		if ok && all.Answers[target] != nil && last.Targets[target].Start == all.Targets[target].Start {
			all.Answers[target][permission.Hangup] = answer
		}
	}
	return all, nil
}

// triedIn reads what a caller found in one round.
func triedIn(o suite.Observation, caller, round string) (permission.Tried, error) {
	if why := o.Saw.Undone[caller+round]; why != "" {
		return permission.Tried{}, suite.Final(suite.CannotTell("container "+caller+" tries the operations", why))
	}
	ran := o.Ran[caller+round]
	tried, err := permission.Parse(ran.Stdout)
	if err == nil && !ran.Ran() {
		err = fmt.Errorf("it %s", ran)
	}
	if err != nil {
		return permission.Tried{}, suite.CannotTell("container "+caller+" tries the operations", fmt.Sprintf("%v: %s", err, ran))
	}
	return tried, nil
}

// untried says why there is no answer to a caller's operation on a target.
func untried(o suite.Observation, caller string, operation permission.Operation, target string) error {
	why := "it was not tried"
	if operation == permission.Hangup && slices.Contains(hungUpLast, target) {
		last, err := triedIn(o, caller, hangUpRound)
		if _, found := last.Targets[target]; err == nil && found {
			err = suite.CannotTell("", "another process has its PID by then")
		}
		if err != nil {
			why += ": " + err.Error()
		}
	}
	return suite.Final(suite.CannotTell(trying(caller, operation, target), why))
}
