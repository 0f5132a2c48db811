package cases

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"procns/e2e/internal/suite"
)

// The manifest with ephemeral containers, and its twin.
const (
	withEphemeral         = "ephemeral.yaml"
	withEphemeralIsolated = "ephemeral-isolated.yaml"
	withExited            = "ephemeral-exited.yaml"
)

// targetReference says what a target does, and what there is without one.
const targetReference = "API reference, EphemeralContainer.targetContainerName"

// ephemeralCases state that ephemeral containers, which are added to a pod that
// runs, are in its namespace.
func ephemeralCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:     "ephemeral/every-ordered-pair",
			Level:  suite.Core,
			Claim:  "An ephemeral container sees the processes of all containers of the pod, and they see its process.",
			Source: apiReference + " (all of the containers in a pod); " + targetReference + " (without one: the namespaces of the Pod spec)",
			Judge:  seesAllFrom("debugger"),
		},
		{
			ID:     "ephemeral/not-pid-1",
			Level:  suite.Core,
			Claim:  "An ephemeral container is in the pod's one PID namespace, and its first process is not PID 1.",
			Source: apiReference + " (the first process in each container will not be assigned PID 1)",
			Judge:  joinsAs("debugger"),
		},
		{
			ID:     "ephemeral/target-makes-no-difference",
			Level:  suite.Extended,
			Claim:  "An ephemeral container with a target sees all containers of the pod as well: its target is in the namespace that they share.",
			Source: targetReference + "; kubelet applies a target to pods that do not share only",
			Judge: func(o suite.Observation) error {
				if err := seesAllFrom("targeted")(o); err != nil {
					return err
				}
				return joinsAs("targeted")(o)
			},
		},
		{
			ID:          "ephemeral/hangup-replaces-workers",
			Experiments: []string{byHangingUp},
			Level:       suite.Extended,
			Claim:       "SIGHUP from an ephemeral container gives nginx new workers.",
			Source:      onConfiguring + ", signalling other containers; KEP-277",
			Judge:       hangUpReloaded("debugger"),
		},
		{
			ID:      "ephemeral/nginx-conf",
			Level:   suite.Extended,
			Claim:   "An ephemeral container with SYS_PTRACE reads nginx's configuration through /proc/PID/root.",
			Source:  onConfiguring + ", /proc/$pid/root; " + ptraceRule,
			Judge:   debuggerReadsConfiguration,
			Records: "the file's SHA-256",
			Record:  func(o suite.Observation) string { return "SHA-256 " + o.Container("nginx").Files[nginxConf].SHA256() },
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = withEphemeral, withEphemeralIsolated
	}
	// The other way about: what a target is for.
	apart := []suite.Case{
		{
			ID:     "ephemeral/isolated-target-alone",
			Level:  suite.Extended,
			Claim:  "In a pod that does not share, an ephemeral container with a target is in its target's PID namespace: the target's first process is PID 1, and no other container is to be seen.",
			Source: targetReference,
			Judge:  targetAlone,
		},
		{
			ID:     "ephemeral/isolated-itself-alone",
			Level:  suite.Extended,
			Claim:  "In a pod that does not share, an ephemeral container without a target is PID 1 of a namespace of its own, and sees no other container.",
			Source: targetReference + " (without one: the namespaces of the Pod spec); " + apiReference + " (default false)",
			Judge:  itselfAlone,
		},
	}
	for i := range apart {
		apart[i].Fixture, apart[i].Control = withEphemeralIsolated, withEphemeral
	}
	cases = append(cases, apart...)
	for i := range cases {
		cases[i].Precondition = nginxServing
		cases[i].Read = []string{nginxConf}
		cases[i].Act = hangUpFromDebugger
		if cases[i].Experiments == nil {
			cases[i].Experiments = none()
		}
	}
	exited := []suite.Case{
		{
			ID:          "ephemeral/exited-target",
			Experiments: []string{byLateContainer},
			Level:       suite.Extended,
			Claim:       "An ephemeral container whose target has ended starts, and sees the container that still runs.",
			Source:      targetReference + "; kubelet applies a target to pods that do not share only",
			Control:     "ephemeral-exited-isolated.yaml",
			Judge:       debugsTheExited,
		},
		{
			ID:          "ephemeral/unknown-target-refused",
			Experiments: []string{byUnknownTarget, byLateContainer},
			Level:       suite.Extended,
			Claim:       "An ephemeral container whose target is no container of the pod is refused.",
			Source:      targetReference + " (the name of the container from PodSpec that this ephemeral container targets)",
			Control:     "ephemeral-exited-helper.yaml",
			Varies:      "name",
			Turns:       suite.Turns{Answered: true},
			Judge:       unknownTargetRefused,
			Records:     "the API server's answer",
			Record:      func(o suite.Observation) string { return o.Answers["unknown"].String() },
		},
	}
	for i := range exited {
		exited[i].Fixture = withExited
		exited[i].Await = crashedBeside
		exited[i].Act = targetTheExited
	}
	cases = append(cases, exited...)
	cases = append(cases, killedCase())
	for i := range cases {
		cases[i].MinVersion = "1.25" // the first in which ephemeral containers are stable
	}
	return cases
}

// hangUpFromDebugger is the page's signal, sent from the ephemeral container.
var hangUpFromDebugger = &suite.Act{
	Name:   "hang-up",
	Within: 30 * time.Second,
	Sees:   []string{"nginx"},
	Do: func(ctx context.Context, pod suite.PodClient) error {
		m, ok := master(pod.Before().Container("debugger"))
		if !ok {
			return nil // the judges say that it is not to be seen
		}
		return pod.Apart(ctx, byHangingUp, func(ctx context.Context) error {
			if err := askNginx(ctx, pod, answeredBefore, "debugger"); err != nil {
				return err
			}
			if _, err := pod.Exec(ctx, "hangup", "debugger", "kill", "-HUP", strconv.Itoa(m.PID)); err != nil {
				return err
			}
			return askNginx(ctx, pod, answeredAfter, "debugger")
		})
	},
}

// joinsAs demands of an ephemeral container that it is in the namespace of the
// containers that were there before, and not as PID 1.
func joinsAs(name string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if _, err := ownProcess(o, name, name); err != nil {
			return err
		}
		for _, other := range []string{"nginx", "app"} {
			if err := sameNamespace(o.Container(name), o.Container(other)); err != nil {
				return err
			}
		}
		return firstProcessIsNotPID1(o, name)
	}
}

// seesAllFrom demands of an ephemeral container that it sees nginx's master and
// the process of every other container, and that they see its own.
func seesAllFrom(name string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if _, err := masterSeenFrom(o, name); err != nil {
			return err
		}
		for _, other := range []string{"app", "debugger", "targeted"} {
			if other == name {
				continue
			}
			if _, err := markedProcess(o, other, other, name); err != nil {
				return err
			}
			if _, err := markedProcess(o, name, name, other); err != nil {
				return err
			}
		}
		_, err := markedProcess(o, name, name, "nginx")
		return err
	}
}

func debuggerReadsConfiguration(o suite.Observation) error {
	own := o.Container("nginx").Files[nginxConf]
	if !own.OK() || own.Text == "" {
		return suite.CannotTell(nginxConf+" in nginx's own container", describeAccess(own), o.Container("nginx"))
	}
	seen, err := masterSeenFrom(o, "debugger")
	if err != nil {
		return err
	}
	if got := seen.Files[nginxConf]; !got.OK() || got.SHA256() != own.SHA256() {
		return suite.Violation(fmt.Sprintf("/proc/%d/root%s has the SHA-256 %s", seen.PID, nginxConf, own.SHA256()),
			describeAccess(got), o.Container("debugger"))
	}
	return nil
}

// targetAlone needs every container to see its own process: only then does it
// say something that another does not.
func targetAlone(o suite.Observation) error {
	nginx, targeted := o.Container("nginx"), o.Container("targeted")
	m, ok := master(nginx)
	if !ok {
		return suite.CannotTell("nginx's master process in its own container", "none", nginx)
	}
	if _, err := ownProcess(o, "targeted", "targeted"); err != nil {
		return err
	}
	if err := sameNamespace(targeted, nginx); err != nil {
		return err
	}
	if first, _ := targeted.Process(1); first.Identity() != m.Identity() {
		return suite.Violation("the container whose target is nginx sees nginx's master as PID 1", "PID 1 is "+first.Command(), targeted, nginx)
	}
	return seesNone(o, "targeted", "app", "debugger")
}

func itselfAlone(o suite.Observation) error {
	own, err := ownProcess(o, "debugger", "debugger")
	if err != nil {
		return err
	}
	debugger := o.Container("debugger")
	if own.PID != 1 {
		return suite.Violation("the ephemeral container's first process is PID 1", fmt.Sprintf("it is PID %d", own.PID), debugger)
	}
	if m, ok := master(debugger); ok {
		return suite.Violation("the ephemeral container does not see nginx", fmt.Sprintf("it sees its PID %d", m.PID), debugger)
	}
	return seesNone(o, "debugger", "app", "targeted")
}
