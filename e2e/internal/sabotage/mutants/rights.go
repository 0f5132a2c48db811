package mutants

import (
	"syscall"

	"procns/e2e/internal/sabotage/wrapper"
)

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
