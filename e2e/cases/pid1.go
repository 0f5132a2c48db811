package cases

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// pid1Cases state who is process 1 when the pod shares its PID namespace.
func pid1Cases() []suite.Case {
	return []suite.Case{
		{
			ID:      "pid1/is-the-sandbox",
			Level:   suite.Core,
			Claim:   "PID 1 is the pod sandbox's own process, and the same one for every container.",
			Source:  onUnderstanding1 + "; " + onConfiguring + ", step 2 (/pause is PID 1)",
			Fixture: documented,
			Control: isolated,
			Given:   nginxServing,
			Judge:   sandboxOwnsPID1,
			Record: func(o suite.Observation) string {
				p, _ := o.Container("nginx").Process(1)
				return fmt.Sprintf("PID 1 is %s, uid %d", p.Command(), p.UID)
			},
		},
		{
			ID:      "pid1/no-container-is",
			Level:   suite.Core,
			Claim:   "No container's first process is PID 1.",
			Source:  onUnderstanding1 + "; " + apiReference,
			Fixture: markers,
			Control: markersIsolated,
			Judge:   firstProcessesAreNotPID1,
		},
		{
			ID:      "pid1/hangup-reaches-the-sandbox",
			Level:   suite.Core,
			Claim:   "kill -HUP 1 signals the sandbox and not the container's own process: nginx does not reload, nothing restarts.",
			Source:  onUnderstanding1,
			Fixture: documented,
			Control: isolated,
			Given:   nginxServing,
			Act:     hangUpPID1,
			Judge:   hangUpChangedNothing,
			Record:  func(o suite.Observation) string { return "kill -HUP 1 in nginx: " + o.Ran["nginx"].String() },
		},
		{
			ID:      "pid1/protected-from-inside",
			Level:   suite.Extended,
			Claim:   "KILL, STOP and USR1 sent to PID 1 from a container do nothing: PID 1 lives on, the pod runs on, and no container's own process receives them.",
			Source:  "pid_namespaces(7): PID 1 receives only signals that it has a handler for; " + onUnderstanding1,
			Fixture: signalling,
			Control: signallingIsolated,
			Given:   receiversListen,
			Read:    []string{received},
			Act:     signalPID1,
			Judge:   pid1Protected,
			Record:  func(o suite.Observation) string { return "exit codes of kill: " + o.Ran["pid1"].String() },
		},
		{
			ID:      "pid1/demanding-image-refuses",
			Level:   suite.Core,
			Claim:   "An image that refuses to start unless it is PID 1 does not start in a pod with a shared process namespace.",
			Source:  onUnderstanding1,
			Fixture: "demands-pid1.yaml",
			Control: "demands-pid1-isolated.yaml",
			Await: &suite.Await{
				Name: "settled (started or ended)",
				Done: func(p suite.PodState) bool {
					c := p.Containers["demanding"]
					return c.Ready || c.ExitCode != nil
				},
			},
			Judge: func(o suite.Observation) error {
				c := o.Pod.Containers["demanding"]
				if c.ExitCode == nil || *c.ExitCode != 42 {
					return suite.Violation("the container refuses to start and exits with 42", describeExit(c), o.Container("demanding"))
				}
				return nil
			},
		},
	}
}

// sandboxNames are the programs that runtimes give a sandbox: upstream's pause,
// and OpenShift's pod.
var sandboxNames = []string{"pause", "pod"}

// sandboxOwnsPID1 demands that PID 1 is one process for all, that it is older
// than every process of the containers, and that it is a sandbox's program.
func sandboxOwnsPID1(o suite.Observation) error {
	nginx, shell := o.Container("nginx"), o.Container("shell")
	first, ok := nginx.Process(1)
	if !ok {
		return suite.Violation("nginx's container sees a PID 1", "it does not", nginx)
	}
	same, ok := shell.Process(1)
	if !ok || same.Identity() != first.Identity() {
		return suite.Violation("both containers see the same PID 1", "they do not", nginx, shell)
	}
	if len(first.Argv) == 0 || !slices.Contains(sandboxNames, path.Base(first.Argv[0])) {
		return suite.Violation(fmt.Sprintf("PID 1 runs the sandbox's program, one of %v", sandboxNames), "it runs "+first.Command(), nginx)
	}
	for _, s := range []*probe.Snapshot{nginx, shell} {
		for _, p := range s.All(func(p probe.Process) bool { return p.PID != 1 }) {
			if p.StartTime < first.StartTime {
				return suite.Violation("the sandbox's process started before every other", fmt.Sprintf("PID %d is older", p.PID), s)
			}
		}
	}
	return nil
}

// firstProcessesAreNotPID1 finds each container's first process by the random
// text in its arguments.
func firstProcessesAreNotPID1(o suite.Observation) error {
	names, err := marked(o)
	if err != nil {
		return err
	}
	for _, name := range names {
		first, err := ownProcess(o, name, name)
		if err != nil {
			return err
		}
		if first.PID == 1 || first.PPID != 0 {
			return suite.Violation(
				fmt.Sprintf("container %s's first process has a PID other than 1, and its parent outside the namespace (PPID 0)", name),
				fmt.Sprintf("PID %d, PPID %d", first.PID, first.PPID), o.Container(name))
		}
	}
	return nil
}

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

// hangUpChangedNothing turns on the effect alone: whether kill itself succeeds
// depends on credentials (kill(2)) and on LSMs, and proves nothing
// (pid_namespaces(7): a signal PID 1 has no handler for is dropped).
func hangUpChangedNothing(o suite.Observation) error {
	if !o.Ran["nginx"].Ran() {
		return suite.CannotTell("kill -HUP 1 runs in nginx's container", o.Ran["nginx"].String())
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
	if !okWas || !okIs || was.Identity() != is.Identity() {
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
	Sees:     []string{"by-exec"},
	Do: func(ctx context.Context, pod suite.Hands) error {
		const script = `for name in KILL STOP USR1; do kill "-$name" 1; echo "$name $?"; done`
		_, err := pod.Exec(ctx, "pid1", "by-exec", "sh", "-c", script)
		return err
	},
}

// pid1Protected turns on the effect alone. On the control PID 1 is the receiver
// itself: the kernel keeps KILL and STOP from it as well, but USR1 it gets.
func pid1Protected(o suite.Observation) error {
	if !o.Ran["pid1"].Ran() {
		return suite.CannotTell("kill runs in container by-exec", o.Ran["pid1"].String())
	}
	if err := samePID1(o, "by-exec"); err != nil {
		return err
	}
	after := o.AfterIn("by-exec")
	if first, _ := after.Process(1); first.State == "T" || first.State == "Z" {
		return suite.Violation("PID 1 is neither stopped nor dead", "its state is "+first.State, after)
	}
	if err := wroteDown(o, "by-exec"); err != nil {
		return err
	}
	return nothingRestarted(o)
}

func describeExit(c suite.ContainerState) string {
	if c.ExitCode == nil {
		return fmt.Sprintf("it has not ended (ready: %v)", c.Ready)
	}
	return fmt.Sprintf("it exited with %d", *c.ExitCode)
}
