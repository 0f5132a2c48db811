package cases

import (
	"context"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// What becomes of signals that containers send to PID 1.

// hangUpPID1 does what some images' scripts do, in nginx's container.
var hangUpPID1 = &suite.Act{
	Name:     "hang-up-pid-1",
	Within:   30 * time.Second,
	NoEffect: true,
	Sees:     []string{"nginx"},
	Do: func(ctx context.Context, pod suite.Hands) error {
		_, err := pod.Exec(ctx, "nginx", "nginx", "sh", "-c", "kill -HUP 1")
		return err
	},
}

// hangUpChangedNothing turns on the effect on nginx alone. kill itself may be refused,
// by credentials (kill(2)) or a security module: then PID 1 was found to be another's
// process, which is what is claimed. A kill that ended in any other way was none.
func hangUpChangedNothing(o suite.Observation) error {
	if kill := o.Ran["nginx"]; !kill.Ran() || kill.Code != 0 && !wasRefused(kill) {
		return suite.CannotTell("kill -HUP 1 is tried in nginx's container", kill.String())
	}
	if err := samePID1(o, "nginx"); err != nil {
		return err
	}
	if err := workersUntouched(o); err != nil {
		return err
	}
	return nothingRestarted(o)
}

// samePID1 demands that a container sees the same PID 1 after the act as before.
func samePID1(o suite.Observation, container string) error {
	before, after := o.Container(container), o.AfterIn(container)
	was, okWas := before.Process(1)
	is, okIs := after.Process(1)
	if !okWas || !okIs || was.Identity() != is.Identity() || before.Kernel.Beside(after.Kernel) == probe.TwoKernels {
		return suite.Violation("PID 1 stays the same process", "it does not", before, after)
	}
	return nil
}

// signalPID1 sends PID 1 what it has no handler for: two signals that nobody can
// have one for, and one that a receiver has.
var signalPID1 = &suite.Act{
	Name:     "signal-pid-1",
	Within:   30 * time.Second,
	NoEffect: true,
	Do: func(ctx context.Context, pod suite.Hands) error {
		const script = `for name in KILL STOP USR1; do kill "-$name" 1; echo "$name $?"; done`
		_, err := pod.Exec(ctx, "pid1", "by-exec", "sh", "-c", script)
		return err
	},
}

// pid1Protected needs each signal to have been sent. On the control PID 1 is the
// receiver itself: the kernel keeps KILL and STOP from it as well, but USR1 it gets.
func pid1Protected(o suite.Observation) error {
	kill := o.Ran["pid1"]
	const needed = "container by-exec sends PID 1 each of KILL, STOP and USR1"
	if errno := probe.ErrnoOf(kill.Stderr); kill.Ran() && (errno == probe.EACCES || errno == probe.EPERM) {
		return notPromised(o.Container("by-exec"), needed, kill.String(), errno)
	}
	if !kill.Ran() || kill.Stdout != "KILL 0\nSTOP 0\nUSR1 0\n" {
		return suite.CannotTell(needed, kill.String())
	}
	if err := samePID1(o, "by-exec"); err != nil {
		return err
	}
	after := o.AfterIn("by-exec")
	if first, _ := after.Process(1); first.State == "T" || first.State == "Z" {
		return suite.Violation("PID 1 is neither stopped nor dead", "its state is "+first.State, after)
	}
	for _, receiver := range receivers {
		if err := wroteDown(o, receiver); err != nil {
			return err
		}
	}
	return nothingRestarted(o)
}
