package mutants

import (
	"slices"

	"procns/e2e/internal/sabotage/wrapper"
)

// All returns every mutant: the control first, then by what they break. How to add one:
// docs/ADDING_A_MUTANT.md.
func All() []Mutant {
	return slices.Concat([]Mutant{{
		Name:   Control,
		Breaks: "Nothing: runc is called through the wrapper, which changes nothing.",
		Imitates: "a sound cluster; what falls here falls because of the wrapper, or because the machine is overloaded, " +
			"and proves nothing about the other mutants",
		Runtime: &wrapper.Breakage{},
	}}, namespaces(), sandboxes(), rights(), contents(), execs(), ends(),
		webhooks(), policies(), servers(), gateways(), upgrades(), nodes())
}

// namespaces are mutants whose containers are in another namespace than they should be.
func namespaces() []Mutant {
	return []Mutant{
		{
			Name:     "own-pid-namespace",
			Breaks:   "Each container has a PID namespace of its own although the pod is to share one.",
			Imitates: "kata-containers agent#261, runtime#2788, kata#4680 (the field ignored); website#13563 (dropped)",
			Runtime:  &wrapper.Breakage{Container: wrapper.OwnPIDNamespace},
			// The pod is what its control is; but what the cases of admission judge is stored as it should be.
			Falls: []Expected{
				{Cases: []string{Shares, "!upgrade", "!admission/*", "admission/restricted-pod-shares", "controllers/static-pod-shares", "!debug/copy-does-not-share", "!controllers/rollout-isolates"}},
				{Cases: []string{"debug/copy-shares"}, Why: "the copy is to share, and is isolated"},
				{Cases: []string{"debug/copy-does-not-share"}, Why: "the original, which is to share, is isolated"},
				{Cases: []string{"lifecycle/restart-on-failure", "lifecycle/restart-never", "lifecycle/sandbox-end-with-*"},
					Why: "a sibling's signal, by which the containers are to end, does not reach them"},
				{Cases: []string{"security/two-users-denied"}, Why: "the two do not even see each other's arguments"},
			},
			Blurs: []Expected{
				{Cases: []string{Isolated}, Why: "the control, which is to share, is isolated as well, so that nothing differs"},
			},
			Disruptions: []string{"disruption"},
		},
		{
			Name:     "always-shared",
			Breaks:   "Containers share the sandbox's PID namespace although the field is absent or false.",
			Imitates: "kubernetes#48937 (sharing by default), gvisor#217",
			Runtime:  &wrapper.Breakage{Container: wrapper.AlwaysShare},
			Run:      []string{"isolation", "ephemeral", "debug", "controllers", "neighbours"},
			Falls: []Expected{
				{Cases: []string{"isolation/*", "ephemeral/isolated-itself-alone", "controllers/rollout-isolates"}},
				{Cases: []string{"ephemeral/isolated-target-alone"}, Why: "the target is in the sandbox's namespace, and with it all siblings"},
				{Cases: []string{"debug/copy-does-not-share"}, Why: "the copy without the field shares as well"},
				{Cases: []string{"debug/copy-shares"}, Why: "the original, which is to be isolated, shares as well"},
			},
			Blurs: []Expected{{Cases: []string{Shares, "!debug/copy-does-not-share", "!controllers/rollout-isolates"},
				Why: "the control, which is to be isolated, shares as well, so that it does not bite"}},
		},
		{
			Name:     "one-namespace-for-all-pods",
			Breaks:   "The containers of all pods that share are in one PID namespace.",
			Imitates: "gvisor#217 in its kind (one namespace for more than was asked); KEP-495 rules sharing between pods out",
			Runtime:  &wrapper.Breakage{Container: wrapper.OneForAllPods},
			Run:      []string{"visibility/not-across-pods", "visibility/one-namespace", "neighbours"},
			Confined: "what acts on processes of its pod would act on those of all pods",
			Falls:    []Expected{{Cases: []string{"visibility/not-across-pods", "neighbours/nothing-of-the-node"}}},
			Blurs:    []Expected{{Cases: []string{"neighbours/host-pid-sees-the-node"}, Why: "the other pod, which is to be in a namespace of its own, is in the same one"}},
		},
		{
			Name:     "node-pid-namespace",
			Breaks:   "Every container is in the node's PID namespace, whatever its pod asks for.",
			Imitates: "containerd#5008 in its kind: a namespace mode mistaken for another",
			Runtime:  &wrapper.Breakage{Container: wrapper.NodePIDNamespace},
			Run:      []string{"visibility/not-across-pods", "neighbours", "isolation"},
			Confined: "what signals processes of its pod would signal those of the node",
			Falls: []Expected{
				{Cases: []string{"visibility/not-across-pods", "neighbours/nothing-of-the-node", "neighbours/*-beside-*", "isolation/*"}},
			},
			Blurs: []Expected{{Cases: []string{"neighbours/host-pid-sees-the-node"}, Why: "the control sees the node as well, so that it does not bite"}},
		},
		{
			Name:     "host-pid-ignored",
			Breaks:   "A pod that is to be in the node's PID namespace has others.",
			Imitates: "runtimes that have no namespace of the node to give, and do not refuse",
			Runtime:  &wrapper.Breakage{Sandbox: wrapper.IgnoreHostPID},
			Run:      []string{"neighbours", "visibility/not-across-pods"},
			Falls:    []Expected{{Cases: []string{"neighbours/host-pid-sees-the-node"}}},
			Blurs: []Expected{{Cases: []string{"neighbours/nothing-of-the-node", "neighbours/*-beside-*", "visibility/not-across-pods"},
				Why: "the control, which is to see the node, does not, so that it does not bite"}},
		},
		{
			Name:     "net-and-ipc-unshared",
			Breaks:   "The containers of a pod share no network, IPC and UTS namespace.",
			Imitates: "podman#9128, #10268",
			Runtime:  &wrapper.Breakage{Container: wrapper.Unshare("network", "ipc", "uts")},
			Run:      []string{"visibility", "signals/hangup-replaces-workers", "signals/log-rotation", "pid1/is-the-sandbox"},
			Falls: []Expected{
				{Cases: []string{"visibility/other-namespaces"}},
			},
			Blurs: []Expected{
				{Cases: []string{"signals/hangup-replaces-workers", "signals/log-rotation"},
					Why: "nginx is asked through the localhost that the pod's containers have in common, and answers before the signal as little as after it"},
			},
		},
		{
			Name:     "target-is-the-sandbox",
			Breaks:   "An ephemeral container with a target joins the sandbox's PID namespace instead of its target's.",
			Imitates: "kubernetes#98362, containerd#5008, cri-o before 1.23",
			Runtime:  &wrapper.Breakage{Container: wrapper.TargetIsSandbox},
			Run:      []string{"ephemeral"},
			Falls:    []Expected{{Cases: []string{"ephemeral/isolated-target-alone"}}},
		},
	}
}

// sandboxes are mutants whose PID 1 is not what it should be.
func sandboxes() []Mutant {
	pause := func(how string) *wrapper.Breakage { return &wrapper.Breakage{Sandbox: wrapper.ReplacePause(how)} }
	return []Mutant{
		{
			Name:     "application-is-pid-1",
			Breaks:   "PID 1 of the shared namespace is the first process of the pod's first container, and not the sandbox's.",
			Imitates: "kata-containers 3 with the sandbox API (71afeccdf1)",
			Runtime:  &wrapper.Breakage{Container: wrapper.FollowFirst, Created: wrapper.FollowedFirst},
			Run:      []string{"pid1", "visibility", "init", "sidecar", "walkthrough/exec-*", "isolation"},
			Falls: []Expected{
				{Cases: []string{"pid1/no-container-is", "pid1/is-the-sandbox", "pid1/sandbox-is-pause", "pid1/single-container", "pid1/hangup-reaches-the-sandbox",
					"pid1/demanding-*", "pid1/image-warns", "init/not-pid-1", "sidecar/not-pid-1", "walkthrough/exec-ps"}},
				{Cases: []string{"init/one-namespace", "init/sees-only-the-sandbox-besides", "init/leftovers-are-gone"}, Why: "each init container has a namespace of its own, which ends with it"},
				{Cases: []string{"pid1/protected-from-inside", "pid1/unhandled-*"}, Why: "the PID 1 that is signalled has handlers of its own, unlike pause"},
			},
		},
		{
			Name:     "pause-does-not-reap",
			Breaks:   "PID 1 does not wait for the children that it inherits.",
			Imitates: "kubernetes#50865 (pause 3.0), openshift/images#27, kata agent#803",
			Runtime:  pause(wrapper.PauseDoesNotReap),
			Run:      []string{"reaping", "pid1", "lifecycle/kill-*", "lifecycle/leftovers-die", "lifecycle/leftovers-of-exec-die"},
			Falls: []Expected{
				{Cases: []string{"reaping/orphan", "reaping/thousand-orphans", "reaping/exec-probe-timeouts", "reaping/post-start-orphan"}},
				{Cases: []string{"reaping/pids-limit"}, Why: "what the sibling kills stays as zombies, which count against the pod's limit"},
				{Cases: []string{"lifecycle/leftovers-die", "lifecycle/leftovers-of-exec-die"}, Why: "what is left of a container is killed, and stays as zombies"},
			},
		},
		{
			Name:     "pause-exits-on-hangup",
			Breaks:   "PID 1 ends at SIGHUP, and the pod with it.",
			Imitates: "nothing known; a sandbox program with a handler for SIGHUP, such as any written in Go has, would do it",
			Runtime:  pause(wrapper.PauseExitsOnHangup),
			Run:      []string{"pid1", "signals", "walkthrough/exec-*"},
			Falls:    []Expected{{Cases: []string{"pid1/hangup-reaches-the-sandbox"}}},
		},
		{
			Name:     "pause-ignores-term",
			Breaks:   "PID 1 does not end at SIGTERM.",
			Imitates: "nothing known; a sandbox program without a handler would do it: a PID 1 does not receive what it has none for",
			Runtime:  pause(wrapper.PauseIgnoresTerm),
			Run:      []string{"pid1", "lifecycle/*sandbox*", "lifecycle/deletion-completes"},
			Falls: []Expected{{Cases: []string{"lifecycle/sandbox-end-restarts-the-pod", "lifecycle/new-sandbox-shares",
				"lifecycle/sandbox-end-with-*", "lifecycle/sandbox-end-is-reported", "pid1/sandbox-handlers"}}},
		},
		{
			Name:     "sandbox-runs-as-root",
			Breaks:   "The sandbox's process runs as root, whatever the pod asks for.",
			Imitates: "pause before 3.5",
			Runtime:  &wrapper.Breakage{Sandbox: wrapper.SandboxAsRoot},
			Run:      []string{"security", "pid1", "permissions"},
			Falls: []Expected{
				{Cases: []string{"security/sandbox-user-is-the-pods", "pid1/sandbox-user", "permissions/sandbox-is-another-user"}},
			},
		},
		{
			Name:     "sandbox-of-another-name",
			Breaks:   "Nothing: the sandbox's process, which does all that pause does, is /usr/bin/pod.",
			Imitates: "OpenShift's pod image, and any runtime that brings a sandbox program of its own",
			Runtime:  &wrapper.Breakage{Sandbox: wrapper.RenamePause("/usr/bin/pod")},
			Run:      []string{"pid1", "visibility", "walkthrough", "init", "sidecar", "reaping/orphan", "permissions", "ephemeral", "lifecycle/*sandbox*", "isolation"},
			Foreign:  "on clusters that the suite makes itself, the sandbox is pause",
			Harmless: "which program holds the namespace is the runtime's to choose; the page shows one of them",
		},
	}
}

// execs are mutants whose execs do not do what they should.
func execs() []Mutant {
	return []Mutant{
		{
			Name:     "exec-in-another-container",
			Breaks:   "An exec joins the namespaces of the next container of the pod.",
			Imitates: "youki#185, opengcs#371 (exec joined the wrong namespaces)",
			Runtime:  &wrapper.Breakage{Exec: wrapper.ExecInNext},
			Run:      []string{"walkthrough/exec-*", "isolation", "visibility/one-namespace"},
			Falls:    []Expected{{Cases: []string{"isolation/*"}}},
			Blurs: []Expected{{Cases: []string{"walkthrough/exec-*"},
				Why: "what a container itself sees is the witness, and another container's view does not hold it"}},
		},
		{
			Name:     "short-execs-do-nothing",
			Breaks:   "An exec of a short command is answered with exit code 0 and no output, without having run.",
			Imitates: "cri-tools#863 (exit code 0, empty output)",
			Runtime:  &wrapper.Breakage{Exec: wrapper.SilentExec},
			Run:      []string{"signals", "lifecycle/kill-*", "lifecycle/liveness-*", "lifecycle/readiness-*", "walkthrough/exec-*"},
			Falls: []Expected{
				{Cases: []string{"signals/image-without-shell", "signals/from-exec", "signals/from-main-process", "signals/stop-and-continue"}},
				{Cases: []string{"lifecycle/liveness-failure-spares-the-siblings"}, Why: "the probe succeeds, as it has not been run"},
			},
			Blurs: []Expected{
				{Cases: []string{"walkthrough/exec-*", "signals/hangup-replaces-workers", "signals/works-with*"},
					Why: "without the table of ps there is no PID to signal: an exec that prints nothing proves nothing about processes"},
				{Cases: []string{"lifecycle/kill-restarts-the-container", "lifecycle/kill-spares-the-siblings"}, Why: "the session by exec that is to end with the container does not begin"},
				{Cases: []string{"lifecycle/readiness-probe-shares"}, Why: "what the hook after the start is to write is not there to be probed"},
			},
		},
	}
}
