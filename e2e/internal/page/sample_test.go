package page

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"procns/e2e/internal/compare"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

const permissionTable = `CALLER  TARGET  kill-0  kill-HUP  cmdline  status  environ    root    cwd     exe     fd      fd/0    mem
root    master  ok      ok        ok       ok      ok         ok      ok      ok      ok      ok      ok
        worker  ok      ok        ok       ok      EACCES!ok  EACCES  EACCES  EACCES  ok      EACCES  EACCES
other   master  EPERM   EPERM     ok       ok      EACCES     EACCES  EACCES  EACCES  EACCES  EACCES  -

root   uid 0, gid 0, capabilities 00000000a80425fb
Yama   absent
`

// hostile is what a process may call itself.
const hostile = "</pre></script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u202egnp.exe\x1b[31m\x00 {{.}} `${1}` javascript:alert(1)"

// sample is a report with one of each thing that the page shows.
func sample() report.Document {
	started := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	target := func(node, class string) report.Target {
		t := suite.Target{
			Node: node, RuntimeClass: class, OSImage: "Example Linux 13", Kernel: "6.18.44", Architecture: "amd64",
			Runtime: "containerd://2.4.2", Kubelet: "v1.37.2", CgroupMode: "v2",
		}
		return report.Target{Name: t.Name(), Target: t}
	}
	d := report.Document{
		Schema: report.Schema,
		Verdict: report.Verdict{
			Outcome: suite.NonConformant, ExitCode: 1, Require: suite.RequireCore, NotRun: 1,
			Levels: []report.LevelVerdict{
				{Level: suite.Core, Outcome: suite.NonConformant, Decides: true, Tally: report.Tally{Results: 4, Conformant: 2, NonConformant: 1, Inconclusive: 1},
					Targets: []report.TargetVerdict{{Target: "worker-a", Outcome: suite.NonConformant}, {Target: "worker-b/gvisor", Outcome: suite.Inconclusive}}},
				{Level: suite.Extended, Outcome: suite.Inconclusive, Tally: report.Tally{Results: 4, Conformant: 1, Skipped: 1, Exempted: 1, NotRun: 1},
					Targets: []report.TargetVerdict{{Target: "worker-a", Outcome: suite.Conformant}, {Target: "worker-b/gvisor", Outcome: suite.Inconclusive}}},
			},
			Informational: &report.Records{Results: 2, AsDescribed: 1, Differs: 1},
			Line:          "procns: non-conformant: 5 cases on 2 targets: Core non-conformant (1 of 4 wrong: signals/hup)",
		},
		Run: report.Run{
			ID: "r7f3a", Started: started, Finished: started.Add(90 * time.Second),
			Suite:       report.Suite{Version: "v0.1.0", Go: "go1.26.8", CaseCount: 5, Selected: 5, CatalogueSHA256: strings.Repeat("ab", 32)},
			Cluster:     report.Cluster{ServerVersion: "v1.37.2", Platform: "linux/amd64", UID: "u", Context: "prod", Provisioned: "existing"},
			LeftOut:     []report.LeftOut{{Node: "control-plane", Reason: "tainted"}},
			Preflight:   []report.Check{{Name: "server", State: "ok", Said: "v1.37.2"}, {Name: "room", State: "warn", Said: "is scarce"}, {Name: "later", State: "odd", Said: "who knows"}},
			HostChanges: []string{"raised the limit of open files"},
			Notes:       []string{"the cluster changes pods: a label is added (by the webhook example.com), in 2 manifests: no case of this run turns on it"},
			Images:      map[string]string{"nginx": "registry.example/nginx:1.29", "busybox": "busybox"}, ImagePullPolicy: "IfNotPresent",
			Leftovers: []string{"namespace procns-r7f3a: deletion timed out"}, Pending: []string{"namespace procns-b: metrics.k8s.io is down"},
			Kept:        "kubectl delete namespace procns-r7f3a",
			Interrupted: true, InterruptedBy: "SIGTERM", Problem: "node worker-b was lost",
			Upgrade: &report.Upgrade{Phase: "after", Run: "r1", Left: started, Server: "v1.36.3", Witnesses: 12, Vanished: []string{"worker-c"}},
		},
		Targets: []report.Target{target("worker-a", ""), target("worker-b", "gvisor")},
		Stats:   report.StatsJSON{Stats: report.Stats{WallSeconds: 90, CatalogueSeconds: 42.25, Pods: 6, APIRequests: 13, Execs: 1}},
	}
	add := func(id string, level suite.Level, on string, outcome suite.Outcome, mend func(*report.Result)) {
		r := report.Result{
			ID: id, Level: level, Claim: "The claim of " + id + ".", Source: "documentation, a section", Fixture: "share-process-namespace.yaml",
			Control: "isolated.yaml", Differs: "shareProcessNamespace", Target: on, Outcome: outcome,
			Evidence: on + "/" + id, ControlEvidence: on + "/" + id + ".control", DurationSeconds: 1.5,
		}
		if mend != nil {
			mend(&r)
		}
		d.Results = append(d.Results, r)
	}
	for _, on := range []string{"worker-a", "worker-b/gvisor"} {
		add("pid1/is-the-sandbox", suite.Core, on, suite.Conformant, func(r *report.Result) {
			r.Recorded, r.Evidence, r.ControlEvidence = "PID 1 is /pause", on+"/pod", on+"/control"
		})
	}
	add("signals/hup", suite.Core, "worker-a", suite.NonConformant, func(r *report.Result) {
		r.Expected, r.Observed, r.Reason = "new workers", "the same workers", "expected new workers; observed the same workers"
		r.Seen = "seen from container \"shell\"\n  PID COMMAND\n    1 " + hostile
	})
	add("signals/hup", suite.Core, "worker-b/gvisor", suite.Inconclusive, func(r *report.Result) { r.Reason = "cannot tell: exec was refused" })
	add("secrets/environ", suite.Extended, "worker-a", suite.Conformant, func(r *report.Result) { r.Remark = "the signal was refused (EACCES)" })
	add("secrets/environ", suite.Extended, "worker-b/gvisor", suite.Skipped, func(r *report.Result) {
		r.Reason = "it does not apply: the sandbox has a kernel of its own (boot ID 1 and 2)"
	})
	add("secrets/files", suite.Extended, "worker-a", suite.Exempted, func(r *report.Result) {
		r.Control, r.Differs, r.ControlEvidence, r.NoControl = "", "", "", "the kernel offers no switch"
		r.Reason = "expected a; observed b"
		r.Exemption = &suite.Exemption{Found: suite.NonConformant, Reason: "known", Link: "https://example.com/issues/1"}
	})
	add("permissions/matrix", suite.Informational, "worker-a", suite.Conformant, func(r *report.Result) { r.Recorded = permissionTable })
	add("permissions/matrix", suite.Informational, "worker-b/gvisor", suite.NonConformant, func(r *report.Result) { r.Reason = "expected a; observed c" })

	process := func(pid int, command string) report.Process {
		return report.Process{PID: pid, PPID: 0, UID: 0, State: "S", Start: uint64(1000 + pid), Environ: "ok", Root: "EACCES", Command: command}
	}
	observer := process(40, "(procns observing)")
	observer.Observer = true
	d.Observed = []report.Observed{
		{
			Folder: "worker-a/signals/hup", Pod: "nginx-1", State: "Running, Ready", StateAfter: "Running, Ready; nginx runs, 1 restart",
			Tables: []report.Table{
				{Container: "shell", When: "before", PIDNamespace: 4026532865, Processes: []report.Process{process(1, "/pause"), process(8, hostile), observer}},
				{Container: "nginx", When: "before", Failure: "exec was refused"},
				{Container: "shell", When: "after", About: "hidepid=2", Processes: []report.Process{process(1, "/pause"), process(9, "nginx: worker process")}, More: 3},
				{Pod: "copy-1", Container: "shell", When: "before", Processes: []report.Process{process(1, "sh")}},
			},
			Answers: []report.Answers{{Name: "command, kill", Text: "exit code 0"}}, More: 2,
		},
		{Folder: "worker-a/signals/hup.control", Pod: "isolated-1", State: "Running, Ready", Tables: []report.Table{{Container: "shell", When: "before", Processes: []report.Process{process(1, "sh")}}}},
		{Folder: "worker-a/pod", State: "Running", Tables: []report.Table{{Container: "shell", When: "before", Processes: []report.Process{process(1, "/pause")}}}},
	}
	changes, err := json.Marshal(compare.Comparison{
		Schema: compare.Schema, Verdict: compare.Verdict{ExitCode: 1, Line: "since run r0: 1 regressed (signals/hup on worker-a)"},
		Baseline: compare.Side{ID: "r0", Started: started.Add(-time.Hour), Server: "v1.36.3", Suite: "v0.1.0", Verdict: suite.Conformant},
		Now:      compare.Side{ID: "r7f3a", Started: started}, Notes: []string{"the baseline was of another version"},
		Counts: map[compare.Word]int{compare.Regressed: 1, compare.Gone: 1, compare.Unchanged: 6},
		Changes: []compare.Change{
			{Word: compare.Regressed, ID: "signals/hup", Level: suite.Core, Target: "worker-a", Before: suite.Conformant, Now: suite.NonConformant, Reason: "expected new workers", Reworded: true},
			{Word: compare.Gone, ID: "old/case", Level: suite.Core, Target: "worker-a", Before: suite.Conformant, Exempted: true},
		},
	})
	if err != nil {
		panic(err)
	}
	d.Changes = changes
	return d
}

// large is a report of so many targets and cases. On every tenth target a case fails, each time
// for a reason of its own.
func large(targets, cases int) report.Document {
	d := report.Document{Schema: report.Schema, Verdict: report.Verdict{Outcome: suite.NonConformant, ExitCode: 1, Line: "procns: non-conformant"}}
	for t := range targets {
		name := fmt.Sprintf("node-%d.example.internal", t)
		d.Targets = append(d.Targets, report.Target{Name: name, Target: suite.Target{Node: name, OSImage: "Example Linux 13", Runtime: "containerd://2.4.2"}})
		for c := range cases {
			r := report.Result{
				ID: fmt.Sprintf("area-%d/case-%d", c/10, c), Level: suite.Core, Claim: "A claim.", Source: "A source.", Fixture: "a.yaml", Control: "b.yaml",
				Target: name, Outcome: suite.Conformant, Evidence: fmt.Sprintf("%s/%d", name, c), ControlEvidence: fmt.Sprintf("%s/%d.control", name, c),
				Recorded: fmt.Sprintf("recorded on %s", name),
			}
			if t%10 == 0 && c == t%cases {
				r.Outcome, r.Reason, r.Seen = suite.NonConformant, "wrong on "+name, strings.Repeat("seen\n", 100)
			}
			d.Results = append(d.Results, r)
		}
	}
	var rows []report.Process
	for pid := range 20 {
		rows = append(rows, report.Process{PID: pid + 1, State: "S", Start: 123456, Environ: "ok", Root: "ok", Command: "nginx: worker process"})
	}
	d.Observed = d.Collect(func(folder string) (report.Observed, error) {
		return report.Observed{Folder: folder, State: "Running", Tables: []report.Table{{Container: "a", When: "before", Processes: rows}, {Container: "b", When: "after", Processes: rows}}}, nil
	})
	return d
}
