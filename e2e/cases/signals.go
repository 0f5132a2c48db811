package cases

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// signalsCases state what signals from one container do in another.
func signalsCases() []suite.Case {
	return []suite.Case{
		{
			ID:           "signals/hangup-replaces-workers",
			Experiments:  []string{byHangingUp, byAsking},
			Level:        suite.Core,
			Claim:        "SIGHUP from the shell container replaces every nginx worker, keeps the master, restarts no container, and nginx answers HTTP afterwards.",
			Source:       onConfiguring + ", signalling other containers",
			Fixture:      documented,
			Control:      isolated,
			Precondition: nginxServing,
			Act:          walkByExec,
			Judge:        hangUpReloaded("shell"),
		},
		{
			ID:           "signals/works-with-sys-ptrace",
			Experiments:  []string{byHangingUp, byAsking},
			Level:        suite.Core,
			Claim:        "With the capability SYS_PTRACE in effect, the shell container can signal nginx.",
			Source:       onConfiguring + ", “This operation requires the SYS_PTRACE capability”",
			Fixture:      documented,
			Control:      isolated,
			Precondition: nginxServing,
			Act:          walkByExec,
			Judge: func(o suite.Observation) error {
				if err := holdsSysPtrace(o, "shell"); err != nil {
					return err
				}
				return hangUpReloaded("shell")(o)
			},
		},
		{
			ID:           "signals/works-without-sys-ptrace",
			Experiments:  []string{byHangingUp, byAsking},
			Level:        suite.Informational,
			Claim:        "Without the capability SYS_PTRACE, the shell container can signal nginx as well.",
			Source:       "kill(2): signals turn on user IDs and CAP_KILL; against " + onConfiguring + ", “This operation requires the SYS_PTRACE capability”",
			Fixture:      "without-ptrace.yaml",
			Control:      "without-ptrace-isolated.yaml",
			Precondition: nginxServing,
			Act:          walkByExec,
			Judge: func(o suite.Observation) error {
				if err := capabilitiesKnown(o.Container("shell")); err != nil {
					return err
				}
				if effective := capabilitiesOfSelf(o.Container("shell")); effective&capSysPtrace != 0 {
					return suite.CannotTell("a shell without SYS_PTRACE", fmt.Sprintf("CapEff %016x", effective), o.Container("shell"))
				}
				return hangUpReloaded("shell")(o)
			},
			Records: "whether it works, with the shell's capabilities and its LSM label",
			Record: func(o suite.Observation) string {
				label := o.Container("shell").Label
				if label == "" {
					label = "none"
				}
				return fmt.Sprintf("SIGHUP works without SYS_PTRACE; shell CapEff %016x, LSM label %s", capabilitiesOfSelf(o.Container("shell")), label)
			},
		},
		{
			ID:           "signals/log-rotation",
			Level:        suite.Core,
			Claim:        "A log-handler sidecar can move nginx's log and have it reopened with USR1, without losing a line.",
			Source:       onPurpose + " (log handler sidecar)",
			Fixture:      "log-rotation.yaml",
			Control:      "log-rotation-isolated.yaml",
			Precondition: nginxServing,
			Read:         []string{accessLog, accessLog + ".1"},
			Act:          rotateLog,
			Judge:        logRotated,
			Records:      "how many requests were made",
			Record:       func(o suite.Observation) string { return o.Ran["rotate"].String() },
		},
		{
			ID:          "signals/image-without-shell",
			Experiments: []string{byTerminating},
			Level:       suite.Core,
			Claim:       "The process of an image without a shell can be terminated from another container: SIGTERM ends it, and its container alone starts again.",
			Source:      onPurpose + " (container images without a shell); " + onConfiguring + ", signalling other containers",
			Fixture:     shellLess,
			Control:     shellLessIsolated,
			Act:         terminateBare,
			Judge:       bareRestartedAlone,
		},
		{
			ID:           "signals/from-exec",
			Experiments:  []string{byExec},
			Level:        suite.Core,
			Claim:        "Each of HUP, INT, USR1, USR2, TERM and WINCH, sent by a command that is run in one container, reaches the handler of another container's process exactly once.",
			Source:       onConfiguring + ", signalling other containers; " + apiReference + " (view and signal processes)",
			Fixture:      signalling,
			Control:      signallingIsolated,
			Precondition: listening(receivers...),
			Read:         []string{received},
			Act:          signalSiblings,
			Judge:        eachReceivedOnce("by-exec"),
		},
		{
			ID:           "signals/from-main-process",
			Experiments:  []string{byMainProcess},
			Level:        suite.Extended,
			Claim:        "Each of HUP, INT, USR1, USR2, TERM and WINCH, sent by one container's own first process, reaches the handler of another container's process exactly once.",
			Source:       apiReference + " (view and signal processes); kill(2)",
			Fixture:      signalling,
			Control:      signallingIsolated,
			Precondition: listening(receivers...),
			Read:         []string{received, sent},
			Act:          signalSiblings,
			Judge:        sentByMainProcess,
		},
		{
			ID:           "signals/stop-and-continue",
			Experiments:  []string{byStopping},
			Level:        suite.Extended,
			Claim:        "SIGSTOP from one container stops another container's process, and SIGCONT continues it; the container counts as running throughout.",
			Source:       apiReference + " (view and signal processes); signal(7)",
			Fixture:      signalling,
			Control:      signallingIsolated,
			Precondition: listening(receivers...),
			Read:         []string{received},
			Act:          signalSiblings,
			Judge:        stoppedAndContinued,
		},
		{
			ID:           "signals/broadcast",
			Level:        suite.Informational,
			Claim:        "SIGTERM to all processes (kill -TERM -1) from one container reaches every other container's processes, and neither PID 1 nor the sender.",
			Source:       "kill(2): every process of the sender's PID namespace that it may signal, except itself and PID 1",
			Fixture:      signalling,
			Control:      signallingIsolated,
			Precondition: listening(receivers...),
			Read:         []string{received},
			Act:          broadcast,
			Judge:        broadcastReachedSiblings,
			Records:      "whom kill -1 reaches",
			Record: func(suite.Observation) string {
				return fmt.Sprintf("%d containers beside the sender's received it", len(receivers))
			},
		},
	}
}

// hangUpReloaded judges the walk by exec: the container saw nginx's master,
// signalled it, and nginx reloaded as it does for a SIGHUP.
func hangUpReloaded(container string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if _, err := masterSeenFrom(o, container); err != nil {
			return err
		}
		if err := succeeded(o, "hangup", "kill -HUP on nginx's master succeeds", o.Container("nginx"), o.Container(container)); err != nil {
			return err
		}
		if err := workersReplaced(o); err != nil {
			return err
		}
		if err := nothingRestarted(o); err != nil {
			return err
		}
		return answersStill(o)
	}
}

// logSilent is the exit code of rotateLog's script where nginx logged nothing.
const logSilent = 3

// accessLog is where log-rotation.yaml has nginx write.
const accessLog = "/logs/access.log"

// rotateLog is the sidecar's work. It requests numbered paths all the while, so
// that each must stand in one of the two files afterwards: one before the log
// is moved, or as many as it takes until the log shows one, then on until the new
// file shows one. It prints how many. Exit code 3 says that nginx answered none.
var rotateLog = &suite.Act{
	Name:   "rotate-log",
	Within: 30 * time.Second,
	Sees:   []string{"nginx"},
	Do: func(ctx context.Context, pod suite.PodClient) error {
		m, ok := master(pod.Before().Container("sidecar"))
		if !ok {
			return nil // the judge says that the sidecar does not see nginx
		}
		const script = withoutProxy + `
request() { wget -q -O /dev/null "http://127.0.0.1/request-$n"; n=$((n+1)); }
n=0
request
until grep -q request- /logs/access.log; do
	request
	[ "$n" -lt 1000 ] || exit 3
done
mv /logs/access.log /logs/access.log.1
kill -USR1 "$1" || exit 1
until grep -q request- /logs/access.log 2>/dev/null; do
	request
	[ "$n" -lt 1000 ] || exit 2
done
echo "$n"
`
		_, err := pod.Exec(ctx, "rotate", "sidecar", "sh", "-c", script, "rotate-log", strconv.Itoa(m.PID))
		return err
	},
}

func logRotated(o suite.Observation) error {
	if _, err := masterSeenFrom(o, "sidecar"); err != nil {
		return err
	}
	if r := o.Ran["rotate"]; r.Ran() && r.Code == logSilent {
		return suite.CannotTell("nginx logs the sidecar's requests before the log is moved", r.String(), o.Container("nginx"))
	}
	const reopened = "nginx reopens its log after USR1 from the sidecar"
	if err := succeeded(o, "rotate", reopened, o.Container("nginx"), o.AfterIn("nginx")); err != nil {
		return err
	}
	rotation := o.Ran["rotate"]
	requests, err := strconv.Atoi(strings.TrimSpace(rotation.Stdout))
	if err != nil {
		return suite.Violation(reopened, rotation.String(), o.Container("nginx"), o.AfterIn("nginx"))
	}
	m, _ := master(o.Container("nginx"))
	if err := sameMaster(m, o.Container("nginx"), o.AfterIn("nginx")); err != nil {
		return err
	}
	own := o.AfterIn("nginx")
	now, moved := own.Files[accessLog], own.Files[accessLog+".1"]
	if !now.OK() || !moved.OK() {
		return suite.Violation("nginx's container sees the new log and the moved one", now.Message+" "+moved.Message, own)
	}
	if now.Cut || moved.Cut {
		return suite.CannotTell("the two logs, each whole", fmt.Sprintf("one is longer than the %d bytes that are read", probe.FileLimit), own)
	}
	for n := range requests {
		line := fmt.Sprintf(" /request-%d ", n)
		if found := strings.Count(now.Text, line) + strings.Count(moved.Text, line); found != 1 {
			return suite.Violation(fmt.Sprintf("request %d stands once in the two logs together", n), fmt.Sprintf("%d times", found), own)
		}
	}
	return nothingRestarted(o)
}

// terminateBare ends the process that nobody could end from inside its own
// container, and records what it had printed until then.
var terminateBare = &suite.Act{
	Name:   "terminate-bare",
	Within: comeback,
	Sees:   []string{"shell"},
	Do: func(ctx context.Context, pod suite.PodClient) error {
		if err := pod.Apart(ctx, byLogs, func(ctx context.Context) error { return pod.Logs(ctx, "bare", "bare", false) }); err != nil {
			return err
		}
		p, ok := pod.Before().Container("shell").Find(carrying(pod.Before(), "bare"))
		if !ok {
			return nil // the judge says that the shell does not see it
		}
		return pod.Apart(ctx, byTerminating, func(ctx context.Context) error {
			_, err := pod.Exec(ctx, "terminate", "shell", "kill", "-TERM", strconv.Itoa(p.PID))
			return err
		})
	},
}

func bareRestartedAlone(o suite.Observation) error {
	before, after := o.Container("shell"), o.AfterIn("shell")
	if bare := o.Container("bare"); !bare.NoShell {
		return suite.CannotTell("a container without a shell", "a shell ran in it", bare)
	}
	was, ok := before.Find(carrying(o, "bare"))
	if !ok {
		return suite.Violation("the shell container sees the process of the image without a shell", "it does not", before)
	}
	if err := succeeded(o, "terminate", "kill -TERM succeeds on the process of the image without a shell", before); err != nil {
		return err
	}
	if o.AfterPod == nil {
		return suite.CannotTell("the pod's status after the signal", "none")
	}
	c := o.AfterPod.Containers["bare"]
	if err := endKnown(c, "bare"); err != nil {
		return err
	}
	if err := errors.Join(restartedTimes(o, "bare", 1), nothingRestarted(o, "bare")); err != nil {
		return err
	}
	// pause, told to terminate, ends with 0 (pause.c).
	if c.ExitCode == nil || *c.ExitCode != 0 {
		return suite.Violation("the process ended by itself, with 0", describeEnd(c), after)
	}
	now, ok := after.Find(carrying(o, "bare"))
	if !ok || now.Identity() == was.Identity() {
		return suite.Violation("a new process has taken the place of "+was.Identity().String(), "none has", before, after)
	}
	return samePID1(o, "shell")
}
