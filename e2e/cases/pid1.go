package cases

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// pid1Cases state who is process 1 when the pod shares its PID namespace.
func pid1Cases() []suite.Case {
	return []suite.Case{
		{
			ID:           "pid1/is-the-sandbox",
			Level:        suite.Core,
			Claim:        "PID 1 is the pod sandbox's own process, and the same one for every container.",
			Source:       onUnderstanding1,
			Fixture:      documented,
			Control:      isolated,
			Precondition: nginxServing,
			Judge:        sandboxOwnsPID1("nginx", "shell"),
			Records:      "PID 1's program and user",
			Record:       recordPID1("nginx"),
		},
		{
			ID:           "pid1/sandbox-is-pause",
			Level:        suite.Core,
			Claim:        "On clusters that the suite itself made, the sandbox's program is pause, as the page shows.",
			Source:       onConfiguring + ", step 2 (/pause is PID 1); " + onUnderstanding1,
			Fixture:      documented,
			Control:      isolated,
			Needs:        pauseIsExpected,
			Precondition: nginxServing,
			Judge:        sandboxIsPause,
			Records:      "PID 1's program and user",
			Record:       recordPID1("nginx"),
		},
		{
			ID:           "pid1/sandbox-program",
			Level:        suite.Informational,
			Claim:        "On any other cluster, the sandbox's program may be another than pause: PID 1 is the sandbox's process, and its program is recorded.",
			Source:       onUnderstanding1 + " (it names /pause); CRI, RunPodSandbox (what a sandbox runs is left to the runtime)",
			Fixture:      documented,
			Control:      isolated,
			Needs:        pauseIsNotExpected,
			Precondition: nginxServing,
			Judge:        sandboxOwnsPID1("nginx", "shell"),
			Records:      "PID 1's program and user",
			Record:       recordPID1("nginx"),
		},
		{
			ID:      "pid1/single-container",
			Level:   suite.Core,
			Claim:   "In a pod of one container, too, PID 1 is the sandbox's process, and the container's first process is another.",
			Source:  apiReference + " (the first process in each container)",
			Fixture: lookout,
			Control: lookoutIsolated,
			Judge: func(o suite.Observation) error {
				if err := firstProcessIsNotPID1(o, "lookout"); err != nil {
					return err
				}
				return sandboxOwnsPID1("lookout")(o)
			},
		},
		{
			ID:      "pid1/sandbox-handlers",
			Level:   suite.Informational,
			Claim:   "The sandbox's process sleeps, and has handlers for CHLD, with which it reaps, and for TERM and INT, with which it ends.",
			Source:  "Kubernetes, build/pause/linux/pause.c; " + kep495 + " (the infrastructure container reaps)",
			Fixture: markers,
			Control: markersIsolated,
			Judge:   sandboxHandlesSignals,
			Records: "the signals that PID 1 has handlers for",
			Record: func(o suite.Observation) string {
				p, _ := o.Container("one").Process(1)
				return fmt.Sprintf("PID 1 is in state %s and has handlers for the signals %v", p.State, signalSet(p.SigCgt))
			},
		},
		{
			ID:      "pid1/sandbox-user",
			Level:   suite.Informational,
			Claim:   "The sandbox's process runs as a user of its own, and not as root.",
			Source:  "Kubernetes, build/pause/Dockerfile (USER 65535:65535)",
			Fixture: markers,
			Control: markersIsolated,
			Judge: func(o suite.Observation) error {
				first, err := pid1SeenByAll(o)
				if err != nil {
					return err
				}
				if first.UID == 0 {
					return suite.Violation("PID 1 does not run as root", "its uid is 0", o.Container("one"))
				}
				return nil
			},
			Records: "PID 1's program and user",
			Record:  recordPID1("one"),
		},
		{
			ID:      "pid1/no-container-is",
			Level:   suite.Core,
			Claim:   "No container's first process is PID 1.",
			Source:  onUnderstanding1 + "; " + apiReference,
			Fixture: markers,
			Control: markersIsolated,
			Pair:    everywhere,
			Judge:   fromSome(seenAreNotPID1, firstProcessesAreNotPID1),
		},
		{
			ID:           "pid1/hangup-reaches-the-sandbox",
			Level:        suite.Core,
			Claim:        "kill -HUP 1 in a container does not reach its own process: nginx does not reload, PID 1 stays, nothing restarts.",
			Source:       onUnderstanding1,
			Fixture:      documented,
			Control:      isolated,
			Precondition: nginxServing,
			Act:          hangUpPID1,
			Judge:        hangUpChangedNothing,
			Records:      "how kill itself ended",
			Record:       func(o suite.Observation) string { return "kill -HUP 1 in nginx: " + o.Ran["nginx"].String() },
			Remark: func(o suite.Observation) string {
				if kill := o.Ran["nginx"]; wasRefused(kill) {
					return "the signal was never sent: kill -HUP 1 was refused (" + failed(kill, o.Container("nginx")) + ")"
				}
				return ""
			},
		},
		{
			ID:           "pid1/protected-from-inside",
			Level:        suite.Extended,
			Claim:        "KILL, STOP and USR1 sent to PID 1 from a container do nothing: PID 1 lives on, the pod runs on, and no container's own process receives them.",
			Source:       "pid_namespaces(7): PID 1 receives only signals that it has a handler for; " + onUnderstanding1,
			Fixture:      signalling,
			Control:      signallingIsolated,
			Precondition: listening(receivers...),
			Read:         []string{received},
			Act:          signalPID1,
			Judge:        pid1Protected,
			Records:      "how kill itself ended, for each signal",
			Record:       func(o suite.Observation) string { return "exit codes of kill: " + o.Ran["pid1"].String() },
		},
		{
			ID:           "pid1/unhandled-signals-from-root",
			Level:        suite.Extended,
			Claim:        "Of all signals from 1 to 31 that PID 1 has no handler for, SIGKILL among them, none that root sends from a container does anything.",
			Source:       initSignals + "; gvisor#11836 (SIGKILL ended it)",
			Fixture:      unhandled,
			Control:      unhandledIsolated,
			Precondition: listening(senders...),
			Read:         []string{received},
			Act:          signalUnhandled,
			Judge:        unhandledDropped("root"),
			Records:      "the signals that were sent",
			Record:       recordUnhandled("root"),
		},
		{
			ID:           "pid1/unhandled-signals-from-its-user",
			Level:        suite.Extended,
			Claim:        "Of the same signals, none does anything that PID 1's own user sends, without any capability.",
			Source:       initSignals + "; kill(2); gvisor#11836 (SIGKILL ended it)",
			Fixture:      unhandled,
			Control:      unhandledIsolated,
			Precondition: listening(senders...),
			Read:         []string{received},
			Act:          signalUnhandled,
			Judge:        unhandledDropped("user"),
			Records:      "the signals that were sent",
			Record:       recordUnhandled("user"),
		},
		{
			ID:      "pid1/demanding-image-refuses",
			Level:   suite.Core,
			Claim:   "An image that refuses to start unless it is PID 1 does not start in a pod with a shared process namespace.",
			Source:  onUnderstanding1,
			Fixture: "demands-pid1.yaml",
			Control: "demands-pid1-isolated.yaml",
			Await:   startedOrEnded,
			Act:     seeItEnd,
			Judge:   demandingRefused,
		},
		{
			ID:          "pid1/image-warns",
			Experiments: []string{byLogs},
			Level:       suite.Extended,
			Claim:       "An image that warns when it is not PID 1, as pause itself does, warns in a pod that shares.",
			Source:      onUnderstanding1 + "; Kubernetes, build/pause/linux/pause.c",
			Fixture:     shellLess,
			Control:     shellLessIsolated,
			Act:         terminateBare,
			Judge: func(o suite.Observation) error {
				log, err := o.Log("bare")
				if err != nil {
					return err
				}
				if !strings.Contains(log, "should be the first process") {
					return suite.Violation("pause says that it should be the first process", fmt.Sprintf("it says %q", log))
				}
				return nil
			},
			Records: "the image's warning",
			Record:  func(o suite.Observation) string { return strings.TrimSpace(o.Logs["bare"]) },
		},
		{
			ID:      "pid1/demanding-pod-fails",
			Level:   suite.Extended,
			Claim:   "A pod that shares, is not to restart its containers, and whose one image refuses to start unless it is PID 1, ends as Failed.",
			Source:  onUnderstanding1 + "; Kubernetes documentation, “Pod Lifecycle”, Pod phase",
			Fixture: "demands-pid1.yaml",
			Control: "demands-pid1-isolated.yaml",
			Turns:   suite.Turns{On: beside}, // a pod ends with the last of its containers
			Await:   startedOrEnded,
			Act:     seeItEnd,
			Judge: func(o suite.Observation) error {
				if err := demandingRefused(o); err != nil {
					return err
				}
				if o.AfterPod == nil {
					return suite.CannotTell("the pod's status after its container ended", "none")
				}
				if c := o.AfterPod.Containers["demanding"]; o.AfterPod.Phase != "Failed" || c.Restarts != 0 {
					return suite.Violation("the pod's phase is Failed, and its container was not restarted",
						fmt.Sprintf("phase %q, %d restarts", o.AfterPod.Phase, c.Restarts))
				}
				return nil
			},
		},
	}
}

// startedOrEnded is when demands-pid1.yaml is settled.
var startedOrEnded = &suite.Await{
	Name: "settled (started or ended)", MayEnd: true,
	Done: func(p suite.PodState) bool {
		c := p.Containers["demanding"]
		return c.Ready || c.ExitCode != nil
	},
}

// seeItEnd does nothing but wait: kubelet reports the end of a pod later than
// the end of its last container.
var seeItEnd = &suite.Act{
	Name: "see-it-end",
	Ends: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		_, err := pod.Await(ctx, comeback, "ended, or Ready", func(p suite.PodState) bool {
			return p.Ready || p.Phase == "Failed" || p.Phase == "Succeeded"
		})
		return err
	},
}

func demandingRefused(o suite.Observation) error {
	c := o.Pod.Containers["demanding"]
	if err := endKnown(c, "demanding"); err != nil {
		return err
	}
	if c.ExitCode == nil || *c.ExitCode != 42 {
		return suite.Violation("the container refuses to start and exits with 42", describeEnd(c)) // its status tells, nobody looks into it
	}
	return nil
}

// pid1SeenByAll returns the process that every marked container sees as PID 1.
func pid1SeenByAll(o suite.Observation) (probe.Process, error) {
	var first probe.Process
	names, err := marked(o)
	if err != nil {
		return first, err
	}
	for i, name := range names {
		if _, err := ownProcess(o, name, name); err != nil {
			return first, err
		}
		p, ok := o.Container(name).Process(1)
		if i == 0 {
			first = p
		}
		if !ok || p.Identity() != first.Identity() {
			return first, suite.Violation("all containers see the same PID 1", "they do not", o.Container(names[0]), o.Container(name))
		}
	}
	return first, nil
}

func sandboxHandlesSignals(o suite.Observation) error {
	first, err := pid1SeenByAll(o)
	if err != nil {
		return err
	}
	if first.SigCgt == "" {
		return suite.CannotTell("the signals that PID 1 has handlers for (SigCgt in /proc/1/status)", "the kernel does not say", o.Container("one"))
	}
	handled := signalSet(first.SigCgt)
	for _, signal := range []syscall.Signal{syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT} {
		if !slices.Contains(handled, int(signal)) {
			return suite.Violation(fmt.Sprintf("PID 1 has a handler for signal %d", int(signal)), fmt.Sprintf("it has handlers for %v", handled), o.Container("one"))
		}
	}
	if first.State != "S" {
		return suite.Violation("PID 1 sleeps (state S)", "its state is "+first.State, o.Container("one"))
	}
	return nil
}

// signalSet lists the signals of a mask of /proc/PID/status: bit 0 stands for signal 1.
func signalSet(mask string) []int {
	set, err := strconv.ParseUint(mask, 16, 64)
	if err != nil {
		return nil
	}
	var signals []int
	for signal := 1; signal <= 64; signal++ {
		if set&(1<<(signal-1)) != 0 {
			signals = append(signals, signal)
		}
	}
	return signals
}
