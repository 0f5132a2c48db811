package cases

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// killSession opens a session in the victim and kills it from the killer, where
// the killer sees it. What both see of it is recorded.
func killSession(ctx context.Context, pod suite.Hands) error {
	s, err := openSession(ctx, pod, "session", "victim")
	if err != nil {
		return err
	}
	defer s.giveUp()
	pod.Note("session seen from victim", encoded(s.process))
	from, err := look(ctx, pod, "killer")
	if err != nil {
		return err
	}
	seen, ok := from.Find(func(p probe.Process) bool { return hasArgument(p, s.argument) })
	if !ok {
		return nil
	}
	pod.Note("session seen from killer", encoded(seen))
	kill, err := pod.Exec(ctx, "kill session", "killer", "kill", "-KILL", strconv.Itoa(seen.PID))
	if err != nil || wasRefused(kill) {
		return err
	}
	ended, err := s.end(comeback)
	pod.Note("session ended", strconv.FormatBool(ended))
	return err
}

// sessionSeen demands that the killer sees the session's process, as the victim
// does.
func sessionSeen(o suite.Observation) (probe.Process, error) {
	own, ok := noted(o, "session seen from victim")
	if !ok {
		return own, suite.CannotTell("the session's process, seen from its own container", "it was not seen")
	}
	other, ok := noted(o, "session seen from killer")
	if !ok || other.Identity() != own.Identity() {
		return own, suite.Violation("the sibling sees the session's process as PID "+own.Identity().String(), "it does not",
			o.Container("victim"), o.Container("killer"))
	}
	return own, nil
}

func execJoined(o suite.Observation) error {
	first, err := ownBeginning(o, "victim")
	if err != nil {
		return err
	}
	process, err := sessionSeen(o)
	if err != nil {
		return err
	}
	if process.PPID != 0 {
		return suite.Violation("the session's process has its parent outside the namespace, PPID 0", fmt.Sprintf("PPID %d", process.PPID))
	}
	// The observation is itself an exec.
	own := o.Container("victim")
	if !first.NSPID.OK() {
		return suite.CannotTell("the PID namespace of the container's first process", first.NSPID.Message, own)
	}
	if joined := fmt.Sprintf("[%d]", own.Namespaces["pid"]); !strings.Contains(first.NSPID.Text, joined) {
		return suite.Violation("an exec is in the PID namespace of the container's first process, "+first.NSPID.Text, joined, own)
	}
	return nil
}

func sessionKilled(o suite.Observation) error {
	if _, err := sessionSeen(o); err != nil {
		return err
	}
	if r := o.Ran["session"]; o.Notes["session ended"] != "true" || r.Code != 137 {
		return suite.Violation("the session ends with exit code 137", fmt.Sprintf("ended: %s; %s", o.Notes["session ended"], r))
	}
	// One restart is the second session's, which is the container's own.
	return restartedOnce(o, "victim", 137, "Error")
}

func sessionEndedWithContainer(o suite.Observation) error {
	if err := restartedOnce(o, "victim", 137, "Error"); err != nil {
		return err
	}
	if r := o.Ran["second session"]; o.Notes["second session ended"] != "true" || r.Code != 137 {
		return suite.Violation("the session in the killed container ends with exit code 137", fmt.Sprintf("ended: %s; %s", o.Notes["second session ended"], r))
	}
	return nil
}
