package cases

import (
	"fmt"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// The one rule for what a node refuses besides the kernel's own rules of user IDs and
// capabilities, which docs/SYS_PTRACE.md states. A security module judges by labels, and
// a seccomp filter by system calls; both are asked besides, and refuse more.
//
//   - What the documentation promises, signals and files between the containers of a
//     pod, is judged whoever refuses it: refused, the claim does not hold there, and the
//     explanation names the guard.
//   - What nobody promises, above all reaching PID 1, which has another label than the
//     containers, is not judged where a known guard refuses it: the case is skipped,
//     with the guard and the errno as the proof.
//   - What is refused and no guard is known to have done it cannot be told.
//
// An act that must have happened is a condition of every verdict: a claim that nothing
// happens is not proved by a signal that was never sent.

// guardOf names what is known to be in force for a container and refuses things with this
// errno besides the kernel's own rules, or is empty. Security modules answer EACCES, to
// signals too, where the rules of kill(2) answer EPERM; so do seccomp filters by default,
// which nobody can tell from those rules unless the sender has CAP_KILL.
func guardOf(s *probe.Snapshot, errno probe.Errno, signal bool) string {
	switch confinement := s.Confinement(); {
	case errno == probe.EACCES && confinement != "":
		return confinement
	case errno == probe.EPERM && signal && s.Seccomp() && capabilitiesOfSelf(s)&capKill != 0:
		return "a seccomp filter is in effect, and the sender has CAP_KILL"
	case !signal && s.HidePID() != "":
		return "/proc is mounted with " + s.HidePID()
	}
	return ""
}

// refusal is the errno with which a command that sends signals was refused one.
func refusal(r probe.CommandResult) (probe.Errno, bool) {
	errno := probe.ErrnoOf(r.Stderr)
	return errno, r.Ran() && r.Code != 0 && (errno == probe.EPERM || errno == probe.EACCES)
}

// notPromised judges a signal that was refused and that nobody promises to anybody.
func notPromised(s *probe.Snapshot, needed, observed string, errno probe.Errno) error {
	if guard := guardOf(s, errno, true); guard != "" {
		return suite.Forbidden(needed, fmt.Sprintf("%s (%s); %s", observed, errno, guard), s)
	}
	return suite.Final(suite.CannotTell(needed, observed+"; no security module is known to have refused it", s))
}

// failed describes a command that failed, with the guard that may have refused it.
func failed(r probe.CommandResult, seen ...*probe.Snapshot) string {
	text := r.String()
	errno, refused := refusal(r)
	if !refused {
		return text
	}
	var named []string
	for _, s := range seen {
		if guard := guardOf(s, errno, true); guard != "" {
			named = append(named, "container "+s.Container+": "+guard)
		}
	}
	return strings.Join(append([]string{text}, named...), "; ")
}

// couldSignal demands that a command whose only work is to signal a container of the
// same pod was run, and was not refused that: what would have come of the signal is not
// waited for. A command that ended otherwise, or was not tried because there was nobody
// to be seen, is left to the judges of its effect.
func couldSignal(o suite.Observation, name, container string) error {
	r, tried := o.Ran[name]
	if tried && !r.Ran() {
		return suite.Final(suite.CannotTell("container "+container+" runs kill", r.String(), o.Container(container)))
	}
	if _, refused := refusal(r); !refused {
		return nil
	}
	return suite.Final(suite.Violation("container "+container+" may signal its siblings' processes", failed(r, o.Container(container)), o.Container(container)))
}

// ifSent has a claim judged where such a command was not refused.
func ifSent(container, name string, judge func(suite.Observation) error) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if err := couldSignal(o, name, container); err != nil {
			return err
		}
		return judge(o)
	}
}

// wasRefused tells an act that there is nothing to wait for.
func wasRefused(r probe.CommandResult) bool {
	_, refused := refusal(r)
	return refused
}
