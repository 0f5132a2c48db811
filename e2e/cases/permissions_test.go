package cases

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/permission"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// told changes what a caller was answered; "" lets it.
func told(caller, target string, operation permission.Operation, errno probe.Errno) breakage {
	return breakage{fmt.Sprintf("%s by %s on %s is %s", operation, caller, target, inWords(errno)), func(o *suite.Observation) {
		answer := "0 "
		if errno != "" {
			answer = "1 made by hand: " + map[probe.Errno]string{probe.EACCES: "Permission denied", probe.EPERM: "Operation not permitted"}[errno]
		}
		rewrite(o, caller, fmt.Sprintf(`(?m)^try %s %s .*$`, target, operation), fmt.Sprintf("try %s %s %s", target, operation, answer))
	}}
}

// rewrite edits what a caller printed, in both rounds.
func rewrite(o *suite.Observation, caller, old, with string) {
	for _, round := range []string{"", hangUpRound} {
		ran := o.Ran[caller+round]
		ran.Stdout = regexp.MustCompile(old).ReplaceAllString(ran.Stdout, with)
		o.Ran[caller+round] = ran
	}
}

// unseen has a caller see no process of another container.
func unseen(caller string) breakage {
	return breakage{caller + " sees its own processes only", func(o *suite.Observation) {
		hide(o, caller, func(p probe.Process) bool { return !p.Has(o.Markers[caller]) })
	}}
}

// permissionsBreakages are the faults that the cases of permissions must find.
var permissionsBreakages = map[string][]breakage{
	"permissions/cmdline-and-status-open-to-all": {
		told("other", "master", permission.Cmdline, probe.EACCES),
		told("worker-user", "pause", permission.Status, probe.EACCES),
		unseen("none"),
		namespaceOf("other"),
	},
	"permissions/other-user-refused": {
		told("other", "worker", permission.Environ, ""),
		told("other", "master", permission.Root, ""),
		told("other", "sibling", permission.Open, probe.EPERM),
		told("other", "own", permission.Environ, probe.EACCES), // refused altogether: the observation would prove nothing
		unseen("other"),
	},
	"permissions/signal-follows-uid-and-cap-kill": {
		told("root", "worker", permission.Signal0, probe.EPERM),   // CAP_KILL does not count
		told("none", "master", permission.Hangup, probe.EPERM),    // SYS_PTRACE is asked for
		told("ptrace", "worker", permission.Hangup, ""),           // SYS_PTRACE suffices
		told("other", "master", permission.Signal0, ""),           // anybody may
		told("worker-user", "worker", permission.Hangup, "EPERM"), // the user does not count
		told("other", "sibling", permission.Hangup, probe.EACCES),
	},
	"permissions/fewer-capabilities-refused": {
		told("fewer", "sibling", permission.Environ, ""),
		told("none", "master", permission.Root, ""),
		told("root", "sibling", permission.Root, probe.EACCES),
		told("fewer", "own", permission.Environ, probe.EACCES),
	},
	"permissions/sys-ptrace-opens-everything": {
		told("page", "changed", permission.Environ, probe.EACCES),
		told("page", "worker", permission.Root, probe.EACCES),
		told("root", "worker", permission.Root, ""),
	},
	"permissions/sys-ptrace-stands-for-capabilities": {
		told("ptrace", "sibling", permission.Environ, probe.EACCES),
		told("none", "sibling", permission.Exe, ""),
	},
	"permissions/sys-ptrace-overrides-no-mode": {
		told("ptrace", "worker", permission.Environ, ""),
		told("ptrace", "worker", permission.Attach, ""),
		told("ptrace", "worker", permission.Root, probe.EACCES),
	},
	"permissions/list-of-files-by-mode": {
		told("root", "worker", permission.List, probe.EACCES),
		told("none", "worker", permission.List, ""),
	},
	"permissions/own-uid-refused-non-dumpable": {
		told("worker-user", "changed", permission.Environ, ""),
		told("worker-user", "changed", permission.Root, ""),
		told("worker-user", "changed", permission.Signal0, probe.EPERM),
		told("worker-user", "own", permission.Root, probe.EACCES),
	},
	"permissions/nginx-worker-open-to-its-user": {
		told("worker-user", "worker", permission.Environ, probe.EACCES),
		told("worker-user", "master", permission.Root, ""),
	},
	"permissions/attach-follows-the-same-rule": {
		told("fewer", "sibling", permission.Attach, ""),
		told("root", "worker", permission.Attach, ""),
		told("page", "worker", permission.Attach, probe.EACCES),
		told("root", "master", permission.Environ, probe.EACCES),
	},
	"permissions/hangup-needs-no-sys-ptrace": {
		told("root", "master", permission.Hangup, probe.EPERM),
		told("none", "master", permission.Hangup, probe.EPERM),
		told("other", "master", permission.Hangup, ""),
		masterReplaced,
		containerRestarted,
	},
	"permissions/sandbox-is-another-user": {
		told("root", "pause", permission.Environ, ""),
		told("none", "pause", permission.Hangup, ""),
		told("page", "pause", permission.Root, probe.EACCES),
	},
	"permissions/matrix": {
		told("fewer", "changed", permission.List, probe.EACCES),
		told("worker-user", "pause", permission.Exe, ""),
		told("ptrace", "pause", permission.Attach, ""),
		{"a worker that is not dumpable is open to its user", func(o *suite.Observation) {
			rewrite(o, "worker-user", `(?m)^fact worker owner: .*$`, "fact worker owner: 0 0")
		}},
	},
}

// TestPermissionsCannotTell: what proves nothing about the rules is no violation,
// and never a pass.
func TestPermissionsCannotTell(t *testing.T) {
	for name, row := range map[string]struct {
		id    string
		apply func(o *suite.Observation)
		says  string
	}{
		"the runtime does not drop capabilities": {"permissions/fewer-capabilities-refused", func(o *suite.Observation) {
			rewrite(o, "fewer", `(?m)^fact self CapEff: .*$`, "fact self CapEff: 00000000a80425fb")
			for _, operation := range inside {
				for _, target := range []string{"master", "sibling"} {
					told("fewer", target, operation, "").apply(o)
				}
			}
		}, "credentials by which"},
		"nginx runs as another user than the caller": {"permissions/nginx-worker-open-to-its-user", func(o *suite.Observation) {
			rewrite(o, "worker-user", `(?m)^fact worker Uid: .*$`, "fact worker Uid: 82 82 82 82")
		}, "credentials by which"},
		"SYS_PTRACE is not in effect": {"permissions/hangup-needs-no-sys-ptrace", func(o *suite.Observation) {
			rewrite(o, "page", `(?m)^fact self CapEff: .*$`, "fact self CapEff: 00000000a80425fb")
		}, "SYS_PTRACE in effect"},
		"an operation was not tried": {"permissions/matrix", func(o *suite.Observation) {
			rewrite(o, "root", `(?m)^try sibling cwd .*\n`, "")
		}, "not tried"},
		"the script was cut short": {"permissions/matrix", func(o *suite.Observation) {
			rewrite(o, "root", `end\n`, "")
		}, "cut short"},
		"the script did not run": {"permissions/matrix", func(o *suite.Observation) {
			o.Ran["other"] = probe.CommandResult{Failure: "the stream was cut"}
		}, "the stream was cut"},
		"another process had the PID": {"permissions/other-user-refused", func(o *suite.Observation) {
			rewrite(o, "other", `(?m)^(fact worker stat: .*) \d+( (?:\S+ ){29}\S+)$`, "$1 1$2")
		}, "the process that it tried started at tick 1"},
		"nginx is gone": {"permissions/matrix", func(o *suite.Observation) { hide(o, "nginx", isNginx) }, "master process in its own container"},
		"the server has not changed its user": {"permissions/matrix", func(o *suite.Observation) {
			edit(o, "changed", withMarker(o, "changed"), func(p *probe.Process) { p.UID = 0 })
		}, "has changed its user"},
	} {
		t.Run(name, func(t *testing.T) {
			c := caseOf(t, row.id)
			o := recorded(t, c, c.Fixture)
			row.apply(&o)
			err := c.Judge(o)
			require.Error(t, err)
			assert.False(t, suite.IsViolation(err), "%v", err)
			assert.Contains(t, err.Error(), row.says)
		})
	}
}

// TestAttachUnderYama: with Yama in force, only SYS_PTRACE attaches, or nobody does.
func TestAttachUnderYama(t *testing.T) {
	attach, matrix := caseOf(t, "permissions/attach-follows-the-same-rule"), caseOf(t, "permissions/matrix")
	for scope, row := range map[int]struct {
		free  []string // of Yama
		fault breakage
	}{
		0: {everyCaller, told("root", "sibling", permission.Attach, probe.EACCES)},
		1: {[]string{"page", "ptrace"}, told("root", "sibling", permission.Attach, "")},
		2: {[]string{"page", "ptrace"}, told("page", "worker", permission.Attach, probe.EACCES)},
		3: {nil, told("page", "worker", permission.Attach, "")},
	} {
		o := recorded(t, attach, attach.Fixture)
		for _, caller := range everyCaller {
			rewrite(&o, caller, `(?m)^fact self owner:`, fmt.Sprintf("fact self yama: %d\nfact self owner:", scope))
			for _, target := range everyTarget {
				if !slices.Contains(row.free, caller) {
					told(caller, target, permission.Attach, probe.EACCES).apply(&o)
				}
			}
		}
		assert.NoError(t, attach.Judge(o), "ptrace_scope %d", scope)
		assert.NoError(t, matrix.Judge(o), "ptrace_scope %d", scope)
		row.fault.apply(&o)
		assert.True(t, suite.IsViolation(attach.Judge(o)), "ptrace_scope %d: %s", scope, row.fault.name)
	}
}

// TestPermissionsTable holds the table, as a run on a real cluster printed it, to
// the one that docs/SYS_PTRACE.md shows.
func TestPermissionsTable(t *testing.T) {
	c := caseOf(t, "permissions/matrix")
	o := recorded(t, c, c.Fixture)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "SYS_PTRACE.md"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "```text\n"+c.Record(o)+"```\n", "the page shows another table than was recorded")
	table := caseOf(t, "permissions/hangup-needs-no-sys-ptrace").Record(o)
	assert.Equal(t, 5, strings.Count(table, ": allowed\n"), table)
	assert.Equal(t, 2, strings.Count(table, ": refused with EPERM\n"), table)

	// A disagreement stands out.
	told("fewer", "sibling", permission.Cwd, "").apply(&o)
	assert.Contains(t, c.Record(o), "ok!EACCES")
	assert.Empty(t, c.Record(suite.Observation{}))
}

// TestSandboxEndsAtHangup: a sandbox that ends at SIGHUP takes the second round with it, and no more. A process that has
// the PID of one that is gone answers for nobody.
func TestSandboxEndsAtHangup(t *testing.T) {
	turnOnHangup := map[string]bool{
		"permissions/signal-follows-uid-and-cap-kill": true, "permissions/hangup-needs-no-sys-ptrace": true,
		"permissions/sandbox-is-another-user": true, "permissions/matrix": true,
	}
	for name, change := range map[string]func(o *suite.Observation, caller string){
		"the first is cut short": func(o *suite.Observation, caller string) {
			o.Ran[caller+hangUpRound] = probe.CommandResult{Stdout: "fact self CapEff: 0\n", Code: 137}
		},
		"they are other processes by then": func(o *suite.Observation, caller string) {
			ran := o.Ran[caller+hangUpRound]
			ran.Stdout = regexp.MustCompile(`(?m)^(fact (?:master|pause) stat: .*) \d+( (?:\S+ ){29}\S+)$`).ReplaceAllString(ran.Stdout, "$1 1$2")
			o.Ran[caller+hangUpRound] = ran
		},
	} {
		for _, c := range permissionsCases() {
			o := recorded(t, c, c.Fixture)
			for _, caller := range everyCaller {
				change(&o, caller)
				ran := o.Ran[caller]
				ran.Stdout = regexp.MustCompile(`(?m)^try pause kill-HUP .*\n`).ReplaceAllString(ran.Stdout, "")
				o.Ran[caller] = ran
			}
			err := c.Judge(o)
			if !turnOnHangup[c.ID] {
				assert.NoError(t, err, "%s: %s", name, c.ID)
				continue
			}
			require.Error(t, err, "%s: %s", name, c.ID)
			assert.False(t, suite.IsViolation(err), "%s: %s: %v", name, c.ID, err)
			assert.Contains(t, err.Error(), "it was not tried", "%s: %s", name, c.ID)
		}
	}
}
