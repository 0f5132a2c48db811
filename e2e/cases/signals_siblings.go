package cases

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// signalSiblings has the sender's container signal each receiver: the first from
// a command run in it, the second from its own first process, and the third is
// stopped, signalled, and continued.
var signalSiblings = &suite.Act{
	Name:   "signal-siblings",
	Within: 30 * time.Second,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		pids := map[string]string{}
		for _, name := range receivers {
			p, ok := pod.Before().Container("sender").Find(carrying(pod.Before(), name))
			if !ok {
				return nil // the judges say that the sender does not see it
			}
			pids[name] = strconv.Itoa(p.PID)
		}
		const send = `pid=$1; shift; for name in "$@"; do kill "-$name" "$pid" || exit 1; done`
		const tell = `pid=$1; shift; for name in "$@"; do echo "$name $pid" >/commands || exit 1; done`
		for experiment, command := range map[string][]string{
			byExec:        append([]string{"sh", "-c", send, "send", pids["by-exec"]}, trapped...),
			byMainProcess: append([]string{"sh", "-c", tell, "tell", pids["by-main"]}, trapped...),
		} {
			if err := pod.Apart(ctx, experiment, func(ctx context.Context) error {
				_, err := pod.Exec(ctx, experiment, "sender", command...)
				return err
			}); err != nil {
				return err
			}
		}
		return pod.Apart(ctx, byStopping, func(ctx context.Context) error {
			// A stopped process is given its signals once it is continued, not before.
			stop, err := pod.Exec(ctx, "stop", "sender", "sh", "-c", send, "send", pids["stopped"], "STOP", "USR1")
			if err != nil || wasRefused(stop) {
				return err // where it was refused, it is not stopped
			}
			stopped := func(p probe.Process) bool { return strconv.Itoa(p.PID) == pids["stopped"] && p.State == "T" }
			p, err := onceSeen(ctx, pod, "sender", reply, stopped)
			if err != nil {
				return err
			}
			if p.PID != 0 {
				pod.Note(func(saw *suite.Saw) { saw.Stopped = &p })
			}
			_, err = pod.Exec(ctx, "continue", "sender", "sh", "-c", send, "send", pids["stopped"], "CONT")
			return err
		})
	},
}

// eachReceivedOnce demands that the sender saw the receiver, and that the
// receiver wrote down each signal once, and nothing else.
func eachReceivedOnce(receiver string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if _, err := markedProcess(o, receiver, receiver, "sender"); err != nil {
			return err
		}
		if receiver == "by-exec" {
			if err := succeeded(o, "from-exec", "kill succeeds on another container's process", o.Container("sender")); err != nil {
				return err
			}
		}
		if err := wroteDown(o, receiver, trapped...); err != nil {
			return err
		}
		return nothingRestarted(o)
	}
}

// sentByMainProcess demands besides that it was the sender's first process that
// sent them, which it wrote down itself.
func sentByMainProcess(o suite.Observation) error {
	if err := eachReceivedOnce("by-main")(o); err != nil {
		return err
	}
	receiver, err := ownProcess(o, "by-main", "by-main")
	if err != nil {
		return err
	}
	var want strings.Builder
	for _, name := range trapped {
		fmt.Fprintf(&want, "%s %d\n", name, receiver.PID)
	}
	if log := o.AfterIn("sender").Files[sent]; !log.OK() || log.Text != want.String() {
		return suite.Violation("the sender's first process sends each signal that it is told to", describeAccess(log), o.AfterIn("sender"))
	}
	return nil
}

func stoppedAndContinued(o suite.Observation) error {
	receiver, err := markedProcess(o, "stopped", "stopped", "sender")
	if err != nil {
		return err
	}
	for _, name := range []string{"stop", "continue"} {
		if err := succeeded(o, name, "kill succeeds on another container's process", o.Container("sender")); err != nil {
			return err
		}
	}
	if stopped := o.Saw.Stopped; stopped == nil || stopped.Identity() != receiver.Identity() || stopped.State != "T" {
		return suite.Violation(fmt.Sprintf("process %s is stopped (state T), as its sibling sees it", receiver.Identity()), "it was not", o.Container("sender"))
	}
	if now, ok := o.AfterIn("sender").Process(receiver.PID); !ok || now.State == "T" {
		return suite.Violation(fmt.Sprintf("process %s runs on after SIGCONT", receiver.Identity()), "it does not", o.AfterIn("sender"))
	}
	// What was sent to it while it was stopped is handled now: it does run.
	if err := wroteDown(o, "stopped", "USR1"); err != nil {
		return err
	}
	return nothingRestarted(o)
}

// broadcast signals all there is to be signalled, from a shell that would tell
// if it were reached itself.
var broadcast = &suite.Act{
	Name:   "broadcast",
	Within: 30 * time.Second,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		_, err := pod.Exec(ctx, "broadcast", "sender", "sh", "-c", `trap "echo reached" TERM; kill -TERM -1; echo "sent $?"`)
		return err
	},
}

func broadcastReachedSiblings(o suite.Observation) error {
	kill := o.Ran["broadcast"]
	if !kill.Ran() {
		return suite.CannotTell("kill -TERM -1 runs in the sender's container", kill.String())
	}
	if kill.Stdout != "sent 0\n" {
		kill.Code = 1 // kill's own, which the shell printed
		return suite.Final(suite.Violation("kill -TERM -1 succeeds, and does not reach its sender", failed(kill, o.Container("sender")), o.AfterIn("sender")))
	}
	for _, name := range receivers {
		if err := wroteDown(o, name, "TERM"); err != nil {
			return err
		}
	}
	if err := samePID1(o, "sender"); err != nil {
		return err
	}
	return nothingRestarted(o)
}
