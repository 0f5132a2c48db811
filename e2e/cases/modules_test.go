package cases

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/permission"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// The labels of containers on nodes of several kinds.
const (
	appArmor = "cri-containerd.apparmor.d (enforce)"
	seLinux  = "system_u:system_r:container_t:s0:c1,c2"
)

// onAppArmor reads an observation that was made on Debian 12 (kernel 6.1, AppArmor,
// Yama, cgroup v2), where containers run under containerd's profile and the sandbox is
// unconfined. Yama's scope was 1 when permissions and lifecycle were observed, and the
// script of that time did not see it: it is put in here.
func onAppArmor(t *testing.T, c suite.Case, file string) suite.Observation {
	t.Helper()
	packed, err := os.Open(filepath.Join("testdata", "apparmor", recording(file, c.Act, c.Submit)+".gz"))
	require.NoError(t, err)
	defer func() { _ = packed.Close() }()
	content, err := gzip.NewReader(packed)
	require.NoError(t, err)
	var o suite.Observation
	require.NoError(t, json.NewDecoder(content).Decode(&o))
	yamaIs(1)(&o)
	return o
}

// TestObservationsOnAppArmorAreUsed keeps their folder free of what no case judges.
func TestObservationsOnAppArmorAreUsed(t *testing.T) {
	used := map[string]bool{}
	for _, c := range every() {
		for _, file := range []string{c.Fixture, c.Control} {
			used[recording(file, c.Act, c.Submit)+".gz"] = true
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "apparmor", "*"))
	require.NoError(t, err)
	assert.Len(t, files, 8)
	for _, file := range files {
		assert.True(t, used[filepath.Base(file)], "%s: no case has this pod with this act", file)
	}
}

// yamaIs is what every caller reads of Yama's scope.
func yamaIs(scope int) func(*suite.Observation) {
	return func(o *suite.Observation) {
		for _, caller := range everyCaller {
			if _, ok := o.Ran[caller]; ok {
				rewrite(o, caller, `(?m)^fact self yama: .*\n`, "")
				rewrite(o, caller, `(?m)^fact self owner:`, fmt.Sprintf("fact self yama: %d\nfact self owner:", scope))
			}
		}
	}
}

// labelled gives all containers a label, and PID 1 another.
func labelled(label, ofPID1 string) func(*suite.Observation) {
	return func(o *suite.Observation) {
		for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
			for _, s := range snapshots {
				s.Label, s.LabelOfPID1 = label, ofPID1
			}
		}
	}
}

// refusedWith changes the errno of what was refused by kill.
func refusedWith(message string) func(*suite.Observation) {
	return func(o *suite.Observation) {
		for name, r := range o.Ran {
			r.Stderr = strings.ReplaceAll(r.Stderr, "Permission denied", message)
			o.Ran[name] = r
		}
	}
}

// filtered puts all commands under a seccomp filter.
func filtered(o *suite.Observation) {
	for _, s := range o.Before {
		for i := range s.Processes {
			if s.Processes[i].PID == s.Self {
				s.Processes[i].Seccomp = "2"
			}
		}
	}
}

// answer is what a judge says, in a word.
func answer(err error) string {
	switch {
	case err == nil:
		return "yes"
	case suite.IsViolation(err):
		return "violation"
	case suite.IsForbidden(err):
		return "forbidden"
	}
	return "cannot tell"
}

// TestJudgesOnAppArmor judges what was observed on a right node with AppArmor and Yama,
// as it is, and as other nodes would have shown it.
func TestJudgesOnAppArmor(t *testing.T) {
	const (
		hangUp    = "pid1/hangup-reaches-the-sandbox"
		protected = "pid1/protected-from-inside"
		restarts  = "lifecycle/sandbox-end-restarts-the-pod"
		shares    = "lifecycle/new-sandbox-shares"
		reported  = "lifecycle/sandbox-end-is-reported"
		attach    = "permissions/attach-follows-the-same-rule"
		sandbox   = "permissions/sandbox-is-another-user"
		table     = "permissions/matrix"
		signalled = "permissions/signal-follows-uid-and-cap-kill"
		fewer     = "permissions/fewer-capabilities-refused"
	)
	for _, row := range []struct {
		node    string
		change  []func(*suite.Observation)
		answers map[string]string
		says    string // in every answer but yes
	}{
		{node: "as it was", says: appArmor, answers: map[string]string{
			hangUp: "yes", protected: "forbidden", restarts: "forbidden", shares: "forbidden", reported: "forbidden", sandbox: "forbidden",
			attach: "yes", table: "yes", signalled: "yes", fewer: "yes",
			"permissions/cmdline-and-status-open-to-all": "yes", "permissions/other-user-refused": "yes",
			"permissions/sys-ptrace-opens-everything": "yes", "permissions/sys-ptrace-stands-for-capabilities": "yes",
			"permissions/sys-ptrace-overrides-no-mode": "yes", "permissions/list-of-files-by-mode": "yes",
			"permissions/own-uid-refused-non-dumpable": "yes", "permissions/nginx-worker-open-to-its-user": "yes",
			"permissions/hangup-needs-no-sys-ptrace": "yes",
		}},
		{node: "Yama's scope 0, and opening mem is refused", change: []func(*suite.Observation){yamaIs(0)}, says: appArmor,
			answers: map[string]string{attach: "forbidden", table: "yes"}},
		{node: "Yama's scope 0, and opening mem is refused to the unconfined", change: []func(*suite.Observation){yamaIs(0), labelled("unconfined", "unconfined")}, says: "mem",
			answers: map[string]string{attach: "violation", table: "violation"}},
		{node: "Yama's scope 2", change: []func(*suite.Observation){yamaIs(2)}, answers: map[string]string{attach: "yes", table: "yes"}},
		{node: "Yama's scope 3, and SYS_PTRACE attaches", change: []func(*suite.Observation){yamaIs(3)}, says: "allowed",
			answers: map[string]string{attach: "violation", table: "violation"}},
		{node: "a module without labels", change: []func(*suite.Observation){labelled("unconfined", "unconfined")}, says: "Permission denied",
			answers: map[string]string{hangUp: "yes", protected: "cannot tell", restarts: "cannot tell", reported: "cannot tell", sandbox: "violation", attach: "yes"}},
		{node: "SELinux", change: []func(*suite.Observation){labelled(seLinux, "system_u:system_r:container_runtime_t:s0")}, says: "container_runtime_t",
			answers: map[string]string{hangUp: "yes", protected: "forbidden", restarts: "forbidden", shares: "forbidden", sandbox: "forbidden", attach: "yes", table: "yes"}},
		{node: "credentials that do not suffice", change: []func(*suite.Observation){refusedWith("Operation not permitted")}, says: "Operation not permitted",
			answers: map[string]string{hangUp: "yes", protected: "cannot tell", restarts: "cannot tell", reported: "cannot tell"}},
		{node: "a seccomp filter", change: []func(*suite.Observation){refusedWith("Operation not permitted"), filtered}, says: "seccomp",
			answers: map[string]string{hangUp: "yes", protected: "forbidden", restarts: "forbidden", reported: "forbidden"}},
		{node: "kill is no program there", change: []func(*suite.Observation){refusedWith("not found")}, says: "not found",
			answers: map[string]string{hangUp: "cannot tell", protected: "cannot tell"}},
		{node: "AppArmor between siblings", change: []func(*suite.Observation){
			told("root", "sibling", permission.Environ, probe.EACCES).apply, told("root", "sibling", permission.Hangup, probe.EACCES).apply,
		}, says: appArmor, answers: map[string]string{fewer: "violation", signalled: "violation", table: "violation"}},
		{node: "another errno than the rule's", change: []func(*suite.Observation){
			told("other", "master", permission.Signal0, probe.EACCES).apply,
		}, says: appArmor, answers: map[string]string{signalled: "forbidden"}},
		{node: "/proc hides processes", change: []func(*suite.Observation){
			labelled("", ""), told("root", "sibling", permission.Root, probe.EACCES).apply,
			func(o *suite.Observation) { o.Before["root"].ProcMount = "rw,nosuid,hidepid=invisible" },
		}, says: "hidepid=invisible", answers: map[string]string{fewer: "violation"}},
		{node: "a container's own process is closed to it", change: []func(*suite.Observation){
			told("fewer", "own", permission.Environ, probe.EACCES).apply,
		}, says: appArmor, answers: map[string]string{fewer: "forbidden", table: "yes"}},
	} {
		for id, want := range row.answers {
			t.Run(row.node+"/"+id, func(t *testing.T) {
				c := caseOf(t, id)
				o := onAppArmor(t, c, c.Fixture)
				for _, change := range row.change {
					change(&o)
				}
				if c.Precondition != nil {
					require.NoError(t, c.Precondition(o))
				}
				err := c.Judge(o)
				require.Equal(t, want, answer(err), "%v", err)
				if err != nil {
					assert.Contains(t, err.Error(), row.says)
				}
				if len(row.change) == 0 {
					assert.Equal(t, "violation", answer(c.Judge(onAppArmor(t, c, c.Control))), "the control does not bite")
				}
			})
		}
	}
}

// TestSignalNeverSent: where the command that signals was never run, nothing that is
// seen afterwards is its effect, nor that there is none.
func TestSignalNeverSent(t *testing.T) {
	for id, ran := range map[string]string{
		"lifecycle/kill-restarts-the-container":                   "kill",
		"lifecycle/leftovers-die":                                 "kill",
		"lifecycle/exec-killed-by-a-sibling":                      "kill session",
		"lifecycle/restart-always":                                "end each",
		"lifecycle/restart-never":                                 "end each",
		"lifecycle/restart-all-keeps-the-sandbox":                 "end leader",
		"stress/sessions-end-at-once":                             "kill 1",
		"stress/rapid-restarts":                                   "kill 2",
		"lifecycle/sandbox-end-restarts-the-pod":                  "terminate",
		"lifecycle/sandbox-end-is-reported":                       "terminate",
		"pid1/hangup-reaches-the-sandbox":                         "nginx",
		"pid1/protected-from-inside":                              "pid1",
		"pid1/unhandled-signals-from-root":                        "root",
		"pid1/unhandled-signals-from-its-user":                    "user",
		"walkthrough/exec-hangup":                                 "hangup",
		"signals/broadcast":                                       "broadcast",
		"security/two-users-denied":                               "kill-one",
		"disruption/kubelet-restart-keeps-new-containers-joining": "kill",
		"reaping/orphan":                                          "kill-orphan",
		"reaping/exec":                                            "kill-session",
		"reaping/thousand-orphans":                                "bursts",
	} {
		t.Run(id, func(t *testing.T) {
			c := caseOf(t, id)
			o := recorded(t, c, c.Fixture)
			require.Contains(t, o.Ran, ran)
			neverRan(ran)(&o)
			if ran == "terminate" { // and so nothing came of it
				o.After, o.AfterPod, o.Events = o.Before, &o.Pod, nil
			}
			err := c.Judge(o)
			require.Equal(t, "cannot tell", answer(err), "%v", err)
		})
	}
}

// TestRefusedHangUpIsTold: a reader of the verdict learns that no signal was sent.
func TestRefusedHangUpIsTold(t *testing.T) {
	c := caseOf(t, "pid1/hangup-reaches-the-sandbox")
	said := c.Remark(onAppArmor(t, c, c.Fixture))
	assert.Contains(t, said, "was refused")
	assert.Contains(t, said, appArmor)
	assert.Empty(t, c.Remark(recorded(t, c, c.Fixture)))
}

// TestModuleIsInTheTable: the table names the label, and shows what it refuses.
func TestModuleIsInTheTable(t *testing.T) {
	c := caseOf(t, "permissions/matrix")
	text := c.Record(onAppArmor(t, c, c.Fixture))
	assert.Contains(t, text, "EACCES!ok")
	assert.Contains(t, text, `module       security label "`+appArmor+`"`)
	assert.Contains(t, text, "Yama         ptrace_scope 1")
}

// TestSiblingsSignalsRefused: where a security module keeps a container from signalling
// its siblings, which the page promises, the case is a violation that names the label, at
// once; where nobody promises it, the case is skipped.
func TestSiblingsSignalsRefused(t *testing.T) {
	for id, row := range map[string]struct{ ran, want string }{
		"signals/hangup-replaces-workers":               {"hangup", "violation"},
		"signals/works-with-sys-ptrace":                 {"hangup", "violation"},
		"signals/log-rotation":                          {"rotate", "violation"},
		"signals/image-without-shell":                   {"terminate", "violation"},
		"signals/from-exec":                             {"from-exec", "violation"},
		"signals/stop-and-continue":                     {"stop", "violation"},
		"signals/broadcast":                             {"broadcast", "violation"},
		"walkthrough/exec-hangup":                       {"hangup", "violation"},
		"walkthrough/english-hangup":                    {"hangup", "violation"},
		"security/same-user-signals":                    {"kill-one", "violation"},
		"ephemeral/hangup-replaces-workers":             {"hangup", "violation"},
		"lifecycle/kill-restarts-the-container":         {"kill", "violation"},
		"lifecycle/kill-spares-the-siblings":            {"kill", "violation"},
		"lifecycle/restarted-container-shares":          {"kill", "violation"},
		"lifecycle/leftovers-die":                       {"kill", "violation"},
		"lifecycle/logs-stay-apart":                     {"kill", "violation"},
		"lifecycle/exec-ends-with-its-container":        {"kill", "violation"},
		"lifecycle/exec-killed-by-a-sibling":            {"kill session", "violation"},
		"lifecycle/exit-codes":                          {"end each", "violation"},
		"lifecycle/restart-never":                       {"end each", "violation"},
		"lifecycle/no-leftovers-however-it-ends":        {"end each", "violation"},
		"lifecycle/restart-all-keeps-the-sandbox":       {"end leader", "violation"},
		"stress/sessions-end-at-once":                   {"kill 1", "violation"},
		"stress/rapid-restarts":                         {"kill 2", "violation"},
		"reaping/orphan":                                {"kill-orphan", "forbidden"},
		"reaping/exec":                                  {"kill-session", "forbidden"},
		"reaping/thousand-orphans":                      {"bursts", "forbidden"},
		"lifecycle/sandbox-end-restarts-the-pod":        {"terminate", "forbidden"},
		"lifecycle/sandbox-end-with-restart-never":      {"terminate", "forbidden"},
		"lifecycle/sandbox-end-with-restart-on-failure": {"terminate", "forbidden"},
		"lifecycle/new-sandbox-shares":                  {"terminate", "forbidden"},
		"lifecycle/sandbox-end-is-reported":             {"terminate", "forbidden"},
		"pid1/protected-from-inside":                    {"pid1", "forbidden"},
		"pid1/unhandled-signals-from-root":              {"root", "forbidden"},
		"pid1/unhandled-signals-from-its-user":          {"user", "forbidden"},
	} {
		t.Run(id, func(t *testing.T) {
			c := caseOf(t, id)
			o := recorded(t, c, c.Fixture)
			require.Contains(t, o.Ran, row.ran)
			labelled(appArmor, "unconfined")(&o)
			o.Ran[row.ran] = probe.CommandResult{Code: 1, Stderr: "sh: can't kill pid 9: Permission denied\n"}
			err := c.Judge(o)
			require.Equal(t, row.want, answer(err), "%v", err)
			assert.Contains(t, err.Error(), appArmor)
			var finding *suite.Finding
			require.ErrorAs(t, err, &finding)
			assert.True(t, finding.Final, "what a refused signal would have done is waited for")
		})
	}
}

// TestUnconfinedKiller: where the killer alone is unconfined, as its manifest asks, the
// cases need nothing that a confined sibling is refused of it, or of the new sandbox.
func TestUnconfinedKiller(t *testing.T) {
	for _, id := range []string{
		"lifecycle/sandbox-end-restarts-the-pod", "lifecycle/new-sandbox-shares", "lifecycle/sandbox-end-is-reported",
		"lifecycle/sandbox-end-with-restart-never", "lifecycle/sandbox-end-with-restart-on-failure",
	} {
		t.Run(id, func(t *testing.T) {
			c := caseOf(t, id)
			for file, want := range map[string]string{c.Fixture: "yes", c.Control: "violation"} {
				o := recorded(t, c, file)
				labelled(appArmor, "unconfined")(&o)
				for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
					if s := snapshots["killer"]; s != nil {
						s.Label = "unconfined"
					}
					editIn(snapshots, "other", func(p probe.Process) bool { return p.PID == 1 || p.Has(o.Markers["killer"]) }, func(p *probe.Process) {
						refused := probe.Access{Errno: probe.EACCES, Message: "Permission denied"}
						p.Environ, p.Root, p.Cwd, p.Exe, p.NSPID, p.FD = refused, refused, refused, refused, refused, refused
					})
				}
				require.NoError(t, c.Precondition(o))
				err := c.Judge(o)
				assert.Equal(t, want, answer(err), "%s: %v", file, err)
			}
		})
	}
}

// TestOnlyTheKillerIsUnconfined: a confined container may neither signal nor read an
// unconfined one, so that no claim about siblings may rest on a pod that has both.
func TestOnlyTheKillerIsUnconfined(t *testing.T) {
	unconfined := map[string][]string{}
	for _, c := range every() {
		for _, file := range []string{c.Fixture, c.Control, c.Neighbour} {
			if file == "" {
				continue
			}
			raw, err := fixtures.Files.ReadFile(file)
			require.NoError(t, err)
			m, err := suite.DecodeManifest(file, raw)
			require.NoError(t, err)
			for _, container := range append(m.Pod.Spec.InitContainers, m.Pod.Spec.Containers...) {
				if s := container.SecurityContext; s != nil && s.AppArmorProfile != nil {
					assert.Equal(t, "killer", container.Name, file)
					unconfined[file] = append(unconfined[file], c.ID)
				}
			}
		}
	}
	assert.Len(t, unconfined, 4)
	for file, ids := range unconfined {
		for _, id := range ids {
			assert.Regexp(t, "^lifecycle/(sandbox-end-|new-sandbox-)", id, file)
		}
	}
}

// TestFilesRefused: a refusal to read a sibling's files is a violation with the label.
func TestFilesRefused(t *testing.T) {
	for id, path := range map[string]string{
		"filesystem/nginx-conf": nginxConf, "filesystem/writable-layer": "/written-at-runtime", "secrets/file-readable-by-its-user": privateFile,
	} {
		t.Run(id, func(t *testing.T) {
			c := caseOf(t, id)
			o := recorded(t, c, c.Fixture)
			labelled(appArmor, "unconfined")(&o)
			for container := range o.Before {
				fileRefused(container, path, probe.EACCES).apply(&o)
			}
			err := c.Judge(o)
			require.Equal(t, "violation", answer(err), "%v", err)
			assert.Contains(t, err.Error(), appArmor)
		})
	}
}
