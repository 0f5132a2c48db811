package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// securityCases state what holds of sharing under a security context.
func securityCases() []suite.Case {
	cases := []suite.Case{
		{
			ID:           "security/read-only-root-filesystem",
			Experiments:  []string{byWritingInto("app"), byWritingInto("sealed")},
			Level:        suite.Extended,
			Claim:        "A read-only root filesystem stays read-only for other containers: what they write through /proc/PID/root is refused with EROFS.",
			Source:       "API reference, SecurityContext.readOnlyRootFilesystem; proc(5), /proc/PID/root",
			Fixture:      files,
			Control:      filesIsolated,
			Precondition: linksMade,
			Read:         append(slices.Clone(linked), fromSibling),
			Act:          reachThrough,
			Judge:        sealedStaysSealed,
		},
		{
			ID:           "security/seccomp-runtime-default",
			Level:        suite.Extended,
			Claim:        "Under the runtime's default seccomp profile, the page's walk works: ps lists all, SIGHUP replaces nginx's workers, /proc/PID/root shows its configuration.",
			Source:       "Kubernetes documentation, “Restrict a Container's Syscalls with seccomp” (RuntimeDefault); " + onConfiguring,
			Fixture:      "seccomp.yaml",
			Control:      "seccomp-isolated.yaml",
			Precondition: nginxServing,
			Read:         []string{nginxConf},
			Act:          walkUnderSeccomp,
			Judge: func(o suite.Observation) error {
				if filtered := o.Ran["seccomp"]; strings.TrimSpace(filtered.Stdout) != "Seccomp:\t2" {
					if proof := ownKernel(o, "shell"); proof != "" && strings.TrimSpace(filtered.Stdout) == "Seccomp:\t0" {
						return suite.Inapplicable("a seccomp filter is in effect in the shell container (Seccomp: 2)", proof+", without a filter (Seccomp: 0)", o.Container("shell"))
					}
					return suite.CannotTell("a seccomp filter is in effect in the shell container (Seccomp: 2)", filtered.String())
				}
				for _, judge := range []func(suite.Observation) error{psListsAll, psShowsNewWorkers, headPrintsConfiguration} {
					if err := judge(o); err != nil {
						return err
					}
				}
				return nothingRestarted(o)
			},
		},
	}
	cases = append(cases, userNamespaceCases()...)
	cases = append(cases, suite.Case{
		ID:          "security/two-users-denied",
		Experiments: []string{byKilling},
		Level:       suite.Core,
		Claim:       "Two containers that run as different users without privileges see each other's arguments, and are refused each other's environment, files and signals.",
		Source:      onUnderstanding2 + " (regular Unix permissions); " + kep495 + " (separate, non-root users); " + ptraceRule + "; kill(2)",
		Fixture:     "restricted-two-users.yaml",
		Control:     restricted,
		Varies:      "runAsUser, runAsGroup",
		Judge:       usersKeptApart,
	})
	for _, c := range []suite.Case{
		{
			ID:          "security/restricted-profile",
			Experiments: none(),
			Level:       suite.Extended,
			Claim:       "A pod that meets the restricted Pod Security Standard shares its PID namespace, and its containers see each other's processes.",
			Source:      "Kubernetes documentation, “Pod Security Standards”, Restricted (no rule about shareProcessNamespace); " + apiReference,
			Judge:       restrictedShares,
		},
		{
			ID:          "security/sandbox-user-is-the-pods",
			Experiments: none(),
			Level:       suite.Extended,
			Claim:       "The sandbox's process runs as the user of the pod's security context.",
			Source:      "API reference, PodSecurityContext.runAsUser; the CRI's LinuxSandboxSecurityContext.run_as_user",
			Judge:       sandboxRunsAsPodUser,
			Records:     "PID 1's program and user",
			Record:      recordPID1("one"),
		},
		{
			ID:          "security/same-user-reads",
			Experiments: none(),
			Level:       suite.Extended,
			Claim:       "Containers of one user without any capability read each other's environment, and each other's files of mode 0400.",
			Source:      onUnderstanding2 + "; " + onUnderstanding3 + "; " + ptraceRule,
			Judge:       sameUserReads,
		},
		{
			ID:          "security/same-user-signals",
			Experiments: []string{byKilling},
			Level:       suite.Extended,
			Claim:       "Containers of one user without any capability signal each other's processes.",
			Source:      apiReference + " (view and signal processes); kill(2)",
			Judge:       sameUserSignals,
		},
		{
			ID:          "security/pids-counted-apart",
			Experiments: []string{byCounting},
			Level:       suite.Informational,
			Claim:       "The processes that a container sees of others do not count against its own limit of PIDs.",
			Source:      "Kubernetes documentation, “Process ID Limits And Reservations”; the kernel's cgroups, pids controller",
			Judge:       pidsCountedApart,
			Records:     "how many processes are visible and counted, and the limit",
			Record: func(o suite.Observation) string {
				return "visible, counted, limit: " + strings.TrimSpace(o.Ran["pids"].Stdout)
			},
		},
	} {
		c.Fixture, c.Control = restricted, "restricted-isolated.yaml"
		cases = append(cases, c)
	}
	for i := range cases {
		if strings.HasPrefix(cases[i].Fixture, "restricted") {
			cases[i].Precondition = restrictedReady
			cases[i].Read = []string{passwordFile, received}
			cases[i].Act = signalEachOther
		}
		if cases[i].MinVersion == "" && cases[i].Fixture != files {
			cases[i].MinVersion = seccompVersion
		}
	}
	return cases
}

// seccompVersion is where securityContext.seccompProfile is stable; servers before
// it drop the field.
const seccompVersion = "1.19"

// The pods of the restricted profile, and the file with a password in them.
const (
	restricted   = "restricted.yaml"
	passwordFile = "/tmp/file"
)

// pairs are the two containers, each with its sibling.
var pairs = map[string]string{"one": "two", "two": "one"}

// restrictedReady is the precondition that both containers have written their
// files and set their traps, and hold no capability.
func restrictedReady(o suite.Observation) error {
	var missing error
	for name := range pairs {
		own := o.Container(name)
		missing = errors.Join(missing, ownFileHolds(name, passwordFile, name+"-file")(o), listening(name)(o))
		if p, ok := own.Find(carrying(o, name)); !ok || p.UID == 0 || p.CapEff == "" || strings.Trim(p.CapEff, "0") != "" {
			missing = errors.Join(missing, suite.CannotTell("container "+name+" runs as a user without capabilities",
				fmt.Sprintf("uid %d, CapEff %s", p.UID, p.CapEff), own))
		}
	}
	return missing
}

// signalEachOther has each container signal the other's process, and tells how
// many processes one of them sees and how many are counted for it.
var signalEachOther = &suite.Act{
	Name:   "signal-each-other",
	Within: 30 * time.Second,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		// The pids controller of cgroup v2, or of v1.
		const count = `
pids=/sys/fs/cgroup
[ -e "$pids/pids.current" ] || pids=/sys/fs/cgroup/pids
set -- /proc/[0-9]*
current=$(cat "$pids/pids.current") && max=$(cat "$pids/pids.max") && echo "$# $current $max"
`
		counting := func(ctx context.Context) error {
			_, err := pod.Exec(ctx, byCounting, "one", "sh", "-c", count)
			return err
		}
		if err := pod.Apart(ctx, byCounting, counting); err != nil {
			return err
		}
		before := pod.Before()
		for from, to := range pairs {
			p, ok := before.Container(from).Find(carrying(before, to))
			if !ok {
				return nil // the judges say that it does not see it
			}
			kill := func(ctx context.Context) error {
				_, err := pod.Exec(ctx, "kill-"+to, from, "sh", "-c", `kill -USR1 "$1"`, "kill", strconv.Itoa(p.PID))
				return err
			}
			if err := pod.Apart(ctx, byKilling, kill); err != nil {
				return err
			}
		}
		return nil
	},
}

// walkUnderSeccomp is the walk by exec; it records first whether a filter is in
// effect at all.
var walkUnderSeccomp = &suite.Act{
	Name:   "walk-under-seccomp",
	Within: 30 * time.Second,
	Sees:   []string{"nginx"},
	Do: func(ctx context.Context, pod suite.PodClient) error {
		if _, err := pod.Exec(ctx, "seccomp", "shell", "grep", "^Seccomp:", "/proc/self/status"); err != nil {
			return err
		}
		return followPage(ctx, execInShell(ctx, pod, "sh", "-c"), pod)
	},
}

// sealedStaysSealed has its contrast within the pod: the same shell wrote the
// same file into the container whose root filesystem is not read-only.
func sealedStaysSealed(o suite.Observation) error {
	if _, err := markedProcess(o, "sealed", "sealed", "shell"); err != nil {
		return err
	}
	if err := writtenThrough(o); err != nil {
		return suite.CannotTell("the same write succeeds on a container whose root filesystem is writable", err.Error())
	}
	write := o.Ran["write-sealed"]
	if !write.Ran() {
		return suite.CannotTell("the write into the read-only container is tried", write.String())
	}
	if write.Code == 0 || !strings.Contains(write.Stderr, "Read-only file system") {
		return suite.Violation("the write is refused with EROFS (Read-only file system)", write.String(), o.Container("shell"))
	}
	if file := o.AfterIn("sealed").Files[fromSibling]; file.Errno != probe.ENOENT {
		return suite.Violation("container sealed has no "+fromSibling, describeAccess(file), o.AfterIn("sealed"))
	}
	return nil
}

func restrictedShares(o suite.Observation) error {
	if err := onePIDNamespaceOf(o, "one", "two"); err != nil {
		return err
	}
	return ofEach(pairs, func(from, to string) error {
		_, err := markedProcess(o, to, to, from)
		return err
	})
}

func sandboxRunsAsPodUser(o suite.Observation) error {
	if err := sandboxOwnsPID1("one", "two")(o); err != nil {
		return err
	}
	own, err := ownProcess(o, "one", "one")
	if err != nil {
		return err
	}
	// Container one has no user of its own but the pod's.
	if first, _ := o.Container("one").Process(1); first.UID != own.UID {
		return suite.Violation(fmt.Sprintf("PID 1 runs as the pod's uid, %d", own.UID), fmt.Sprintf("it runs as %d", first.UID), o.Container("one"))
	}
	return nil
}

func sameUserReads(o suite.Observation) error {
	return ofEach(pairs, func(from, to string) error {
		p, err := markedProcess(o, to, to, from)
		if err != nil {
			return err
		}
		if err := readsVariable(o, from, p, "PASSWORD", o.Markers[to+"-password"]); err != nil {
			return err
		}
		return readsFile(o, from, p, passwordFile, o.Markers[to+"-file"])
	})
}

func sameUserSignals(o suite.Observation) error {
	if err := ofEach(pairs, func(from, to string) error {
		if _, err := markedProcess(o, to, to, from); err != nil {
			return err
		}
		if err := succeeded(o, "kill-"+to, "kill succeeds from container "+from+" on container "+to+"'s process", o.Container(from)); err != nil {
			return err
		}
		return wroteDown(o, to, "USR1")
	}); err != nil {
		return err
	}
	return nothingRestarted(o)
}

// usersKeptApart demands both ways: the arguments are there to be read, all the
// rest is refused with the errno of its rule.
func usersKeptApart(o suite.Observation) error {
	if err := ofEach(pairs, func(from, to string) error {
		p, err := markedProcess(o, to, to, from)
		if err != nil {
			return err
		}
		visible := map[string]probe.Access{"environ": p.Environ, "root": p.Root, "root" + passwordFile: p.Files[passwordFile]}
		if err := ofEach(visible, func(what string, access probe.Access) error {
			if access.Errno != probe.EACCES {
				return suite.Violation(fmt.Sprintf("container %s is refused /proc/%d/%s with EACCES", from, p.PID, what), describeAccess(access), o.Container(from))
			}
			return nil
		}); err != nil {
			return err
		}
		kill := o.Ran["kill-"+to]
		if !kill.Ran() {
			return suite.CannotTell("kill runs in container "+from, kill.String())
		}
		if kill.Code == 0 || probe.ErrnoOf(kill.Stderr) != probe.EPERM {
			return suite.Violation("kill from container "+from+" is refused with EPERM", kill.String(), o.Container(from))
		}
		return wroteDown(o, to)
	}); err != nil {
		return err
	}
	return nothingRestarted(o)
}

func pidsCountedApart(o suite.Observation) error {
	var visible, counted int
	var limit string
	if _, err := fmt.Sscan(o.Ran["pids"].Stdout, &visible, &counted, &limit); err != nil || counted == 0 {
		return suite.CannotTell("how many processes container one sees, how many are counted for it, and its limit", o.Ran["pids"].String())
	}
	if counted >= visible {
		return suite.Violation("fewer processes are counted for container one than it sees", fmt.Sprintf("it sees %d, and %d are counted", visible, counted), o.Container("one"))
	}
	return nil
}
