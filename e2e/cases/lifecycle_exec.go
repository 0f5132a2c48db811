package cases

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"procns/e2e/internal/suite"
)

// killSession opens a session in the victim and kills it from the killer, where
// the killer sees it. What both see of it is recorded.
func killSession(ctx context.Context, pod suite.PodClient) error {
	s, err := openSession(ctx, pod, "session", "victim")
	if err != nil {
		return err
	}
	defer s.giveUp()
	seen, ok, err := s.noteSeenFrom(ctx, pod, "killer")
	if err != nil || !ok {
		return err
	}
	kill, err := pod.Exec(ctx, "kill session", "killer", "kill", "-KILL", strconv.Itoa(seen.PID))
	if err != nil || wasRefused(kill) {
		return err
	}
	return s.noteEnd(pod, comeback)
}

func execJoined(o suite.Observation) error {
	first, err := ownFirst(o, "victim")
	if err != nil {
		return err
	}
	process, err := sessionSeen(o, "session", "victim", "killer")
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
	if _, err := sessionSeen(o, "session", "victim", "killer"); err != nil {
		return err
	}
	if err := sessionEnded137(o, "session", "the session ends with exit code 137"); err != nil {
		return err
	}
	// One restart is the second session's, which is the container's own.
	return restartedOnce(o, "victim", 137, "Error")
}

func sessionEndedWithContainer(o suite.Observation) error {
	if err := restartedOnce(o, "victim", 137, "Error"); err != nil {
		return err
	}
	return sessionEnded137(o, "second session", "the session in the killed container ends with exit code 137")
}
