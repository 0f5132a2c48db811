package mutants

import (
	"slices"
	"syscall"

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

// rights are mutants whose containers may do less, or more, than they should.
func rights() []Mutant {
	walks := []string{"walkthrough", "signals", "permissions", "security/same-user-signals", "security/seccomp-runtime-default"}
	signalled := []string{"walkthrough/*-hangup", "signals/hangup-replaces-workers", "signals/works-with-sys-ptrace",
		"signals/works-without-sys-ptrace", "signals/log-rotation", "signals/image-without-shell", "signals/from-*", "signals/stop-and-continue",
		"signals/broadcast", "security/same-user-signals", "security/seccomp-runtime-default"}
	return []Mutant{
		{
			Name:     "sys-ptrace-dropped",
			Breaks:   "No process gets SYS_PTRACE, though the pod asks for it and nothing says that it did not.",
			Imitates: "aws/containers-roadmap#1102 (Fargate), and runtimes with a fixed set of capabilities",
			Runtime:  &wrapper.Breakage{Process: wrapper.DropCapability("CAP_SYS_PTRACE")},
			Run:      []string{"walkthrough", "signals", "filesystem", "secrets", "permissions", "ephemeral"},
			Falls: []Expected{
				{Cases: []string{"secrets/environment-readable", "secrets/environment-from-objects-readable", "secrets/file-guarded-by-mode", "secrets/file-readable-by-its-user", "permissions/sys-ptrace-*"}},
				{Cases: []string{"secrets/mounted-secret-guarded-by-mode"}, Why: "root, which is to read what the other is refused, is another user than the one that it reads of"},
				{Cases: []string{"filesystem/image-without-shell"}, Why: "that image's process belongs to another user"},
				{Cases: []string{"permissions/attach-follows-the-same-rule", "permissions/matrix", "permissions/sandbox-is-another-user"},
					Why: "they compare with what a caller that has SYS_PTRACE is answered"},
				{Cases: []string{"signals/works-with-sys-ptrace"}, Why: "the shell does not have what the manifest asks for by name"},
			},
		},
		{
			Name:     "cap-kill-dropped",
			Breaks:   "No process gets CAP_KILL, though it is in the default set.",
			Imitates: "runtimes with a smaller default set of capabilities",
			Runtime:  &wrapper.Breakage{Process: wrapper.DropCapability("CAP_KILL")},
			Run:      []string{"walkthrough", "signals", "pid1", "permissions"},
			Falls: []Expected{
				{Cases: []string{"permissions/matrix", "permissions/sandbox-is-another-user"}},
				{Cases: []string{"signals/image-without-shell"}, Why: "that image's process belongs to another user"},
			},
			Blurs: []Expected{
				{Cases: []string{"permissions/signal-follows-uid-and-cap-kill"},
					Why: "the pod does not ask for CAP_KILL by name, and which capabilities are the default is the runtime's to say"},
				{Cases: []string{"pid1/protected-from-inside", "pid1/unhandled-signals-from-root"}, Why: "the kills are refused, so that nothing was sent to PID 1"},
			},
		},
		{
			Name:     "proc-hidden",
			Breaks:   "/proc is mounted with hidepid=2: who may not look into a process does not see it either.",
			Imitates: "hardened hosts; proc(5)",
			Runtime:  &wrapper.Breakage{Container: wrapper.HideProcesses},
			Run:      []string{"visibility", "secrets", "permissions", "security", "filesystem"},
			Falls: []Expected{
				{Cases: []string{"secrets/argument-readable-by-any-user", "security/two-users-denied"}},
				{Cases: []string{"secrets/environment-guarded", "secrets/root-guarded", "permissions/attach-follows-the-same-rule", "permissions/cmdline-and-status-open-to-all",
					"permissions/other-user-refused", "permissions/own-uid-refused-non-dumpable", "permissions/signal-follows-uid-and-cap-kill"}, Why: "what is not seen is not refused either"},
			},
			Blurs: []Expected{
				{Cases: []string{"permissions/*"},
					Why: "a refusal under such a mount is the mount's doing, and says nothing of the kernel's rules about credentials, which these cases are about"},
				{Cases: []string{"visibility/not-across-pods"}, Why: "the control, which is to see the node, is not root, and sees itself alone"},
			},
		},
		{
			Name:     "proc-root-unreadable",
			Breaks:   "No container may look into another's processes, /proc/PID/root and environ included, whatever it asks for.",
			Imitates: "kubernetes#90759, podman#7886 (a security label for each container), containerd#7695",
			Runtime:  &wrapper.Breakage{Container: wrapper.Estrange, Exec: wrapper.EstrangeExec},
			Run:      []string{"filesystem", "secrets", "walkthrough/exec-*", "ephemeral/nginx-conf", "security/read-only-root-filesystem", "security/seccomp-runtime-default"},
			Falls: []Expected{
				{Cases: []string{"filesystem/*", "walkthrough/exec-nginx-conf", "secrets/environment-*readable", "secrets/file-guarded-by-mode", "secrets/mounted-secret-guarded-by-mode",
					"secrets/file-readable-by-its-user", "ephemeral/nginx-conf", "security/seccomp-runtime-default"}},
			},
			Blurs: []Expected{{Cases: []string{"security/read-only-root-filesystem"}, Why: "the control, which is to be written through the same door, cannot be either"}},
		},
		{
			Name:     "kill-does-nothing",
			Breaks:   "kill(2) returns 0 and does nothing.",
			Imitates: "nothing known; a seccomp profile that refuses with the error number 0 does it",
			Runtime:  &wrapper.Breakage{Container: wrapper.AnswerKill(0)},
			Run:      walks,
			Falls: []Expected{
				{Cases: signalled},
				{Cases: []string{"permissions/signal-follows-uid-and-cap-kill", "permissions/hangup-needs-no-sys-ptrace", "permissions/matrix"},
					Why: "who may not signal is told that it did"},
			},
		},
		{
			Name:     "kill-refused",
			Breaks:   "kill(2) is refused with EACCES.",
			Imitates: "containerd#12886, #13905 (AppArmor's stacked profiles)",
			Runtime:  &wrapper.Breakage{Container: wrapper.AnswerKill(int(syscall.EACCES))},
			Run:      walks,
			Falls: []Expected{
				{Cases: signalled},
				{Cases: []string{"permissions/signal-follows-uid-and-cap-kill", "permissions/own-uid-refused-non-dumpable",
					"permissions/hangup-needs-no-sys-ptrace", "permissions/matrix", "permissions/sandbox-is-another-user"}},
			},
		},
		{
			Name:     "root-filesystem-writable",
			Breaks:   "A root filesystem that is to be read-only can be written.",
			Imitates: "nothing known; a property that a runtime could drop without anyone being told",
			Runtime:  &wrapper.Breakage{Container: wrapper.WritableRoot},
			Run:      []string{"filesystem", "security"},
			Falls:    []Expected{{Cases: []string{"security/read-only-root-filesystem"}}},
		},
	}
}

// contents are mutants whose containers do not hold what they should.
func contents() []Mutant {
	return []Mutant{
		{
			Name:     "environment-scrubbed",
			Breaks:   "Containers start without the environment that their pod gives them.",
			Imitates: "nothing known; a property that a runtime could drop without anyone being told",
			Runtime:  &wrapper.Breakage{Process: wrapper.ScrubEnvironment},
			Run:      []string{"secrets", "security", "walkthrough/exec-*"},
			Falls:    []Expected{{Cases: []string{"secrets/environment-readable", "secrets/environment-from-objects-readable", "security/same-user-reads", "security/user-namespace", "security/user-namespace-ephemeral"}}},
		},
		{
			Name:     "secret-modes-widened",
			Breaks:   "The files of mounted Secrets have the mode 0777.",
			Imitates: "nothing known; volumes that are mounted with a fixed mask have it",
			Runtime:  &wrapper.Breakage{Container: wrapper.WidenSecrets},
			Run:      []string{"secrets", "filesystem"},
			Falls:    []Expected{{Cases: []string{"secrets/mounted-secret-guarded-by-mode"}}},
		},
		{
			Name:     "ps-prints-a-fixed-text",
			Breaks:   "The shell image's ps prints a table like the documentation's, whatever runs.",
			Imitates: "tests that compare ps with a text, and pass for years (critest's PodPID, Kata's k8s-pid-ns.bats)",
			Runtime:  &wrapper.Breakage{Container: wrapper.FixPS},
			Run:      []string{"walkthrough", "security/seccomp-runtime-default", "visibility"},
			Falls: []Expected{
				{Cases: []string{"walkthrough/*-ps"}},
				{Cases: []string{"walkthrough/*-hangup", "walkthrough/*-nginx-conf", "security/seccomp-runtime-default"}, Why: "the PID that ps shows for nginx's master is another's or nobody's"},
			},
		},
		{
			Name:     "no-prompt",
			Breaks:   "A shell with a terminal shows no prompt.",
			Imitates: "website#46478 (attach gives no shell)",
			Runtime:  &wrapper.Breakage{Process: wrapper.NoPrompt},
			Run:      []string{"walkthrough"},
			Falls: []Expected{
				{Cases: []string{"walkthrough/attach-prompt"}},
				{Cases: []string{"walkthrough/attach-hangup", "walkthrough/attach-nginx-conf"}, Why: "the walk ends where there is no prompt to type at"},
			},
			Blurs: []Expected{{Cases: []string{"walkthrough/attach-ps"}, Why: "the walk ends where there is no prompt, so that ps was never typed"}},
		},
		{
			Name:     "terminal-without-size",
			Breaks:   "A terminal does not tell its size, whatever the client said.",
			Imitates: "nothing known; a gateway or a shim that drops the resize stream shows the same",
			Runtime:  &wrapper.Breakage{Container: wrapper.NoTerminalSize},
			Run:      []string{"debug", "walkthrough/attach-*"},
			Falls:    []Expected{{Cases: []string{"debug/new-size-reaches-the-shell"}}},
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

// ends are mutants in which containers and pods do not end as they should.
func ends() []Mutant {
	return []Mutant{
		{
			Name:     "leftovers-survive",
			Breaks:   "What a container's first process leaves behind survives the container.",
			Imitates: "cri-o#5895, containerd#2744, runc#2632, kata#4663",
			Runtime:  &wrapper.Breakage{Leaving: wrapper.LeaveProcesses, Relay: true},
			Run:      []string{"lifecycle", "init", "reaping"},
			Falls: []Expected{
				{Cases: []string{"lifecycle/leftovers-die", "lifecycle/leftovers-of-exec-die", "lifecycle/no-leftovers-however-it-ends", "init/leftovers-are-gone"}},
				{Cases: []string{"lifecycle/restart-all-keeps-the-sandbox"}, Why: "of the containers that are all started anew, something is left"},
				{Cases: []string{"init/sees-only-the-sandbox-besides"}, Why: "what the init container before it left is there"},
				{Cases: []string{"disruption/containerd-restart-leaves-no-old-process"}, Why: "of the container that is killed after the restart, its child is left"},
			},
			Blurs: []Expected{{Cases: []string{"lifecycle/sandbox-end-with-restart-never", "lifecycle/sandbox-end-with-restart-on-failure",
				"lifecycle/sandbox-end-restarts-the-pod", "lifecycle/new-sandbox-shares"},
				Why: "what was left holds the container's end up: it is stopped, nothing can be looked at in it, and its status says that it runs"}},
			Disruptions: []string{"disruption/containerd-restart-leaves-no-old-process"},
		},
		{
			Name:     "restart-restarts-the-pod",
			Breaks:   "The restart of one container restarts the whole pod.",
			Imitates: "kata#4756 (a container that shares cannot be restarted alone)",
			Runtime:  &wrapper.Breakage{Container: wrapper.EndSandboxOnRestart},
			Run:      []string{"lifecycle", "stress", "signals/image-without-shell", "debug"},
			Falls: []Expected{
				{Cases: []string{"lifecycle/kill-spares-the-siblings", "lifecycle/liveness-failure-spares-the-siblings", "lifecycle/out-of-memory",
					"lifecycle/restart-always", "lifecycle/restart-on-failure", "stress/rapid-restarts", "signals/image-without-shell", "debug/exit-gives-a-new-shell", "lifecycle/nginx-quits"}},
				{Cases: []string{"lifecycle/kill-restarts-the-container", "lifecycle/restarted-container-shares", "lifecycle/exec-ends-with-its-container", "lifecycle/exec-killed-by-a-sibling",
					"lifecycle/exit-codes", "lifecycle/leftovers-die", "lifecycle/leftovers-of-exec-die", "lifecycle/unread-session-container-ends", "lifecycle/logs-stay-apart"},
					Why: "the container is first started in the sandbox that is ending, and what is last known of it is that this failed (128, StartError)"},
			},
		},
		{
			Name:     "end-ends-the-pod",
			Breaks:   "The sandbox ends when one of several containers has ended.",
			Imitates: "moby#50523 (stopping one container kills all)",
			Runtime:  &wrapper.Breakage{Deleted: wrapper.EndSandboxWithContainer},
			Run:      []string{"lifecycle", "sidecar", "pid1/demanding-*"},
			Falls: []Expected{
				{Cases: []string{"lifecycle/restart-never", "lifecycle/restart-on-failure", "lifecycle/restart-always", "lifecycle/kill-spares-the-siblings", "lifecycle/restarted-container-shares",
					"lifecycle/liveness-failure-spares-the-siblings", "lifecycle/out-of-memory", "lifecycle/nginx-quits"}},
				{Cases: []string{"lifecycle/exit-codes"}, Why: "the container is first started in the sandbox that is ending, and what is last known of it is that this failed (128, StartError)"},
				{Cases: []string{"lifecycle/restart-all-keeps-the-sandbox"}, Why: "the first of the containers that are all started anew ends it"},
				{Cases: []string{"lifecycle/grace-period", "sidecar/told-to-end-in-the-init-phase"}, Why: "the sandbox ends with the first container that ends, and takes the others along"},
			},
			Chance: []Expected{{Cases: []string{"lifecycle/exec-ends-with-its-container", "lifecycle/exec-killed-by-a-sibling", "lifecycle/kill-restarts-the-container",
				"lifecycle/leftovers-die", "lifecycle/leftovers-of-exec-die", "lifecycle/unread-session-container-ends", "lifecycle/logs-stay-apart"},
				Why: "where kubelet is quick, the container is first started in the sandbox that is ending, and what is last known of it is that this failed (128, StartError)"},
				{Cases: []string{"lifecycle/pre-stop-hook-shares"}, Why: "the drainer can end with the sandbox before the herald's hook tells it"}},
			Blurs: []Expected{{Cases: []string{"sidecar/sees-the-others-end", "lifecycle/exec-in-the-grace-period"}, Why: "the container that would tell has ended with the sandbox"}},
		},
		{
			Name:     "control-group-left",
			Breaks:   "A deleted pod leaves a control group on its node.",
			Imitates: "runc#4040, #4145",
			Runtime:  &wrapper.Breakage{Deleted: wrapper.LeaveGroup("/sys/fs/cgroup")},
			Run:      []string{"lifecycle/nothing-left-on-the-node", "lifecycle/deletion-completes"},
			Falls:    []Expected{{Cases: []string{"lifecycle/nothing-left-on-the-node"}}},
		},
	}
}

// upgrades are mutants that begin to break while pods wait to be judged after an upgrade.
func upgrades() []Mutant {
	return []Mutant{{
		Name:     "upgraded-runtime-isolates",
		Breaks:   "An upgrade restarts containers of pods that share, into PID namespaces of their own.",
		Imitates: "kubernetes#129385 (a new kubelet restarts all containers), on a node whose new runtime ignores the field (kata-containers runtime#2788)",
		Runtime:  &wrapper.Breakage{Container: wrapper.Awake(wrapper.OwnPIDNamespace)},
		Between:  wake,
		Run:      []string{"upgrade"},
		Confined: "before it wakes up, it breaks nothing",
		Falls:    []Expected{{Cases: []string{"upgrade"}}},
	}}
}

// wake has the mutant begin, and stops a container of each witness, as an upgrade may. It ends
// when kubelet has started them again.
const wake = `
mkdir -p "$(dirname "$AWAKE")"
: >"$AWAKE"
ones() { crictl ps --quiet --label io.kubernetes.pod.namespace=procns-witnesses --name '^(nginx|one)$' | sort; }
before=$(ones)
[ -n "$before" ]
crictl stop --timeout 1 $before
# Kubelet starts them within seconds; two minutes are for a machine that is busy.
for i in $(seq 120); do
	after=$(ones)
	if [ "$(echo "$after" | wc -l)" = "$(echo "$before" | wc -l)" ] && ! echo "$after" | grep -qF "$before"; then
		exit 0
	fi
	sleep 1 # between two looks at the containers, which crictl cannot watch
done
echo "kubelet has not started the containers again"
exit 1
`

// nodes are mutants of the worker itself.
func nodes() []Mutant {
	return []Mutant{{
		Name:     "runtime-restart-ends-pods",
		Breaks:   "A restart of the container runtime ends every container on the node.",
		Imitates: "a containerd.service without KillMode=process and Delegate=yes: systemd then ends the shims along with it",
		Node:     endShimsWithRuntime,
		Run:      []string{"disruption"},
		Confined: "it breaks the node for every pod on it",
		Falls: []Expected{
			{Cases: []string{"disruption/containerd-restart-changes-nothing", "disruption/containerd-restart-keeps-new-containers-joining"}},
		},
	}}
}

// endShimsWithRuntime changes how systemd stops containerd: the shims are in its control group.
const endShimsWithRuntime = `
mkdir -p /etc/systemd/system/containerd.service.d
cat >/etc/systemd/system/containerd.service.d/50-procns-sabotage.conf <<'END'
[Service]
KillMode=control-group
TimeoutStopSec=5
END
systemctl daemon-reload
`
