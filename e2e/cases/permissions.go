package cases

import (
	"slices"

	"procns/e2e/internal/permission"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// permissionsCases state who may do what to whose process. Each holds a part of
// one table, of callers, targets and operations, to the answer that it states,
// and to what the kernel's rules compute from the credentials that were in
// effect: an answer that is right by chance, or by a model that is wrong, is none.
func permissionsCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:     "permissions/cmdline-and-status-open-to-all",
			Level:  suite.Core,
			Claim:  "Every user reads /proc/PID/cmdline and /proc/PID/status of every process in the pod, the sandbox's included.",
			Source: onUnderstanding2 + "; proc(5)",
			Judge: answers(
				allowed(to(everyCaller...), on("master", "worker", "changed", "sibling", "pause"), permission.Cmdline, permission.Status),
			),
		},
		{
			ID:     "permissions/other-user-refused",
			Level:  suite.Core,
			Claim:  "Another user without capabilities is refused environ, root, cwd, exe and fd of every process of the other containers with EACCES, and may open its own process's.",
			Source: onUnderstanding2 + " (protected only by regular Unix permissions); " + ptraceRule,
			Judge: answers(
				denied(probe.EACCES, to("other"), on("master", "worker", "changed", "sibling"), withList...),
				allowed(to("other"), on("own"), withList...),
			),
		},
		{
			ID:     "permissions/signal-follows-uid-and-cap-kill",
			Level:  suite.Extended,
			Claim:  "Who has the target's user ID or CAP_KILL may signal it, and nobody else: SYS_PTRACE makes no difference, the refusal is EPERM.",
			Source: killRule + "; " + onUnderstanding2,
			Judge: answers(
				allowed(to("page", "root", "fewer"), on("master", "worker", "changed", "sibling"), signals...),
				allowed(to("none", "ptrace"), on("master", "sibling"), signals...),
				denied(probe.EPERM, to("none", "ptrace"), on("worker", "changed"), signals...),
				denied(probe.EPERM, to("other"), on("master", "worker", "changed", "sibling"), signals...),
				allowed(to("worker-user"), on("worker", "changed"), signals...),
				denied(probe.EPERM, to("worker-user"), on("master", "sibling"), signals...),
			),
		},
		{
			ID:     "permissions/fewer-capabilities-refused",
			Level:  suite.Extended,
			Claim:  "Root with all the capabilities of a process may read its environ and follow its root, cwd, exe and fd; root with one fewer, even one that has nothing to do with it, is refused with EACCES.",
			Source: ptraceRule,
			Judge: answers(
				allowed(to("page", "root"), on("master", "sibling"), inside...),
				denied(probe.EACCES, to("fewer", "none"), on("master", "sibling"), inside...),
				allowed(to("fewer", "none"), on("own"), inside...),
			),
		},
		{
			ID:     "permissions/sys-ptrace-opens-everything",
			Level:  suite.Extended,
			Claim:  "With SYS_PTRACE besides the default capabilities, root reads environ and follows root, cwd, exe and fd of every process of the other containers; without, it is refused those of another user's with EACCES.",
			Source: ptraceRule,
			Judge: answers(
				allowed(to("page"), on("master", "worker", "changed", "sibling"), withList...),
				denied(probe.EACCES, to("root"), on("worker", "changed"), inside...),
			),
		},
		{
			ID:     "permissions/sys-ptrace-stands-for-capabilities",
			Level:  suite.Extended,
			Claim:  "SYS_PTRACE alone makes up for all capabilities that the caller lacks: with it root opens what root without any is refused of root's processes.",
			Source: ptraceRule,
			Judge: answers(
				allowed(to("ptrace"), on("master", "sibling"), inside...),
				denied(probe.EACCES, to("none"), on("master", "sibling"), inside...),
			),
		},
		{
			ID:     "permissions/sys-ptrace-overrides-no-mode",
			Level:  suite.Extended,
			Claim:  "SYS_PTRACE alone lets root follow the links of another user's process, /proc/PID/root for one, but open none of its files: environ, fd and mem are their owner's, and take DAC_OVERRIDE as well.",
			Source: "proc(5), modes below /proc/PID; " + ptraceRule,
			Judge: answers(
				allowed(to("ptrace"), on("worker"), permission.Root, permission.Cwd, permission.Exe),
				denied(probe.EACCES, to("ptrace"), on("worker"), permission.Environ, permission.List, permission.Open, permission.Attach),
				allowed(to("page"), on("worker"), withList...),
			),
		},
		{
			ID:     "permissions/list-of-files-by-mode",
			Level:  suite.Informational,
			Claim:  "Which descriptors a process has open may be listed by everyone whom the mode of /proc/PID/fd lets in, root with DAC_OVERRIDE for one; what they are may not be seen by that.",
			Source: "proc(5), /proc/PID/fd; " + ptraceRule,
			Judge: answers(
				allowed(to("root", "fewer"), on("worker", "changed"), permission.List),
				denied(probe.EACCES, to("root", "fewer"), on("worker", "changed"), permission.Open),
				denied(probe.EACCES, to("none"), on("worker"), permission.List),
			),
		},
		{
			ID:     "permissions/own-uid-refused-non-dumpable",
			Level:  suite.Extended,
			Claim:  "A process that changed its user after its start is not dumpable: its own user and group may signal it, but are refused its environ, root, cwd, exe and fd with EACCES.",
			Source: ptraceRule + "; prctl(2), PR_SET_DUMPABLE",
			Judge: answers(
				denied(probe.EACCES, to("worker-user"), on("changed"), withList...),
				allowed(to("worker-user"), on("changed"), signals...),
				allowed(to("worker-user"), on("own"), withList...),
			),
		},
		{
			ID:     "permissions/nginx-worker-open-to-its-user",
			Level:  suite.Informational,
			Claim:  "nginx's worker made itself dumpable again after it changed its user: its own user and group may read its environ and follow its root, cwd, exe and fd.",
			Source: ptraceRule + "; prctl(2), PR_SET_DUMPABLE, which nginx calls in each worker",
			Judge: answers(
				allowed(to("worker-user"), on("worker"), withList...),
				denied(probe.EACCES, to("worker-user"), on("changed", "master"), withList...),
			),
		},
		{
			ID:      "permissions/attach-follows-the-same-rule",
			Level:   suite.Extended,
			Claim:   "To attach, as opening /proc/PID/mem does, takes what reading environ takes, and where Yama is in force what it demands besides.",
			Source:  ptraceRule + "; /proc/sys/kernel/yama/ptrace_scope",
			Judge:   attachIsRead,
			Records: "whether Yama limits attaching",
			Record: func(o suite.Observation) string {
				return "Yama: " + yamaOf(o).String()
			},
		},
		{
			ID:      "permissions/hangup-needs-no-sys-ptrace",
			Level:   suite.Informational,
			Claim:   "Root may send nginx's master SIGHUP whether or not it has SYS_PTRACE, or any capability at all; another user may not.",
			Source:  killRule + "; against " + onConfiguring + ", “This operation requires the SYS_PTRACE capability”",
			Judge:   hangUpNeedsNoPtrace,
			Records: "which callers may hang up nginx's master",
			Record:  whoMayHangUp,
		},
		{
			ID:     "permissions/sandbox-is-another-user",
			Level:  suite.Informational,
			Claim:  "PID 1 belongs to a user of its own: root may signal it through CAP_KILL, but is refused its environ, root, cwd, exe and fd, until it has SYS_PTRACE.",
			Source: ptraceRule + "; " + killRule,
			Judge: ofAnotherUser("pause", answers(
				allowed(to("page", "root"), on("pause"), signals...),
				denied(probe.EPERM, to("none", "ptrace", "other", "worker-user"), on("pause"), signals...),
				allowed(to("page"), on("pause"), withList...),
				allowed(to("ptrace"), on("pause"), permission.Root),
				denied(probe.EACCES, to("root", "fewer", "none", "other", "worker-user"), on("pause"), inside...),
			)),
		},
		{
			ID:      "permissions/matrix",
			Level:   suite.Informational,
			Claim:   "Every caller is answered every operation on every target as the kernel's rules compute it from the credentials of the two, but for what a security module refuses besides, of which the table tells.",
			Source:  killRule + "; " + ptraceRule,
			Judge:   everyCellAgrees,
			Records: "the table of callers, targets and operations",
			Record:  matrix,
		},
	}
	for i := range cases {
		cases[i].Fixture, cases[i].Control = "permissions.yaml", "permissions-isolated.yaml"
		cases[i].Precondition = everyTargetRuns
		cases[i].Act = tryEverything
		cases[i].Experiments = none() // the judges ask for those of their callers
	}
	return cases
}

const killRule = "kill(2)"

// Operations that are judged together.
var (
	signals = []permission.Operation{permission.Signal0, permission.Hangup}
	// inside is what the page calls information visible in /proc, and the
	// filesystem: all that is guarded by the access check of ptrace(2).
	inside = []permission.Operation{permission.Environ, permission.Root, permission.Cwd, permission.Exe, permission.Open}
	// withList adds what is guarded by the mode of the directory fd alone.
	withList = append(slices.Clone(inside), permission.List)
)
