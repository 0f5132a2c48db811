package report

import (
	"strings"
	"time"

	"procns/e2e/internal/suite"
)

// The runs that the writers are held to: one for each thing that a reader must
// be able to tell from another.

var (
	workerA = suite.Target{
		Node: "worker-a", OSImage: "Example Linux 13", Kernel: "6.18.44", Architecture: "amd64",
		Runtime: "containerd://2.4.1", Kubelet: "v1.37.2", CgroupMode: "v2",
	}
	workerB = suite.Target{
		Node: "worker-b", RuntimeClass: "gvisor", OSImage: "Other Linux 9", Kernel: "5.14.0", Architecture: "arm64",
		Runtime: "cri-o://1.34.0", Kubelet: "v1.37.2", CgroupMode: "v1",
	}

	pid1 = suite.Case{
		ID: "pid1/is-the-sandbox", Level: suite.Core,
		Claim: "No application process is PID 1: it belongs to the pod's sandbox.", Source: "documentation, understanding process namespace sharing",
		Fixture: "share-process-namespace.yaml", Control: "isolated.yaml",
	}
	hup = suite.Case{
		ID: "signals/hup-replaces-workers", Level: suite.Core,
		Claim: "SIGHUP from another container makes nginx replace its workers.", Source: "documentation, configure a pod",
		Fixture: "share-process-namespace.yaml", Control: "isolated.yaml",
	}
	environ = suite.Case{
		ID: "secrets/environ", Level: suite.Extended,
		Claim: "A secret in the environment can be read by another container.", Source: "KEP-495",
		Fixture: "secret.yaml", NoControl: "the kernel offers no switch",
	}
	ptrace = suite.Case{
		ID: "permissions/hup-without-ptrace", Level: suite.Informational,
		Claim: "SIGHUP works without SYS_PTRACE.", Source: "kill(2)",
		Fixture: "no-ptrace.yaml", Control: "isolated.yaml", Varies: "capabilities",
	}
	measured = suite.Case{
		ID: "lifecycle/order-of-ends", Level: suite.Informational,
		Claim: "Containers end one after the other.", Source: "kubelet",
		Fixture: "ends.yaml", NoControl: "there is no other order",
	}
)

const processTable = "seen from container \"shell\", pid namespace 4026532001:\n" +
	"    PID  PPID   UID S      START  ENVIRON ROOT    COMMAND\n" +
	"      1     0     0 S       1042  ok      ok      nginx: master process\n"

func result(c suite.Case, t suite.Target, outcome suite.Outcome, mend ...func(*suite.Result)) suite.Result {
	r := suite.Result{
		Case: c, Target: t, Outcome: outcome, Duration: 1234 * time.Millisecond,
		Folder: "evidence/" + t.Node + "/" + strings.ReplaceAll(c.ID, "/", "-"),
		Images: []string{"docker.io/library/nginx@sha256:0f0f"},
	}
	for _, m := range mend {
		m(&r)
	}
	return r
}

func because(reason string) func(*suite.Result) {
	return func(r *suite.Result) { r.Reason = reason }
}

func found(expected, observed, evidence string) func(*suite.Result) {
	return func(r *suite.Result) {
		r.Expected, r.Observed, r.Evidence = expected, observed, evidence
		r.Reason = "expected " + expected + "; observed " + observed
	}
}

func recorded(text string) func(*suite.Result) {
	return func(r *suite.Result) { r.Recorded = text }
}

// base is a run on two targets without results.
func base() Run {
	started := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return Run{
		ID: "r7f3a", Started: started, Finished: started.Add(14200 * time.Millisecond),
		Suite: Suite{Version: "v0.1.0", Go: "go1.26.8", CaseCount: 4, CatalogueSHA256: strings.Repeat("ab", 32)},
		Cluster: Cluster{
			ServerVersion: "v1.37.2", Platform: "linux/amd64", UID: "8c1d6f0e-1111-4222-8333-444455556666",
			Context: "kind-procns", Provisioned: "kind v0.33.0",
		},
		Targets:         []suite.Target{workerA, workerB},
		LeftOut:         []LeftOut{{Node: "control-plane", Reason: "tainted node-role.kubernetes.io/control-plane:NoSchedule"}},
		HostChanges:     []string{"raised the limit of open files to 65536"},
		Images:          map[string]string{"nginx": "registry.example/nginx:1.29", "busybox:1.28": "busybox:1.28"},
		ImagePullPolicy: "IfNotPresent",
		Stats: Stats{
			ReadySeconds: map[string]float64{"worker-a": 1.1, "worker-b/gvisor": 1.24},
			WallSeconds:  54.2, CatalogueSeconds: 14.2, Pods: 6, APIRequests: 13, Execs: 18,
		},
		Folder: "_artifacts/r7f3a",
	}
}

func withResults(results ...suite.Result) Run {
	r := base()
	r.Results = results
	return r
}

// everyCase has each case conform on both targets.
func everyCase() []suite.Result {
	var all []suite.Result
	for _, c := range []suite.Case{pid1, hup, environ, ptrace} {
		for _, t := range []suite.Target{workerA, workerB} {
			all = append(all, result(c, t, suite.Conformant))
		}
	}
	return all
}

// unrequired is a run whose Core conforms; Extended is wrong on one target and not to
// be told on the other.
func unrequired(require suite.Requirement) Run {
	run := withResults(everyCase()...)
	run.Require = require
	run.Results[4] = result(environ, workerA, suite.NonConformant, found("the secret", "nothing", processTable))
	run.Results[5] = result(environ, workerB, suite.Inconclusive, because("the node has AppArmor"))
	return run
}

// evil is what a hostile process may call itself.
const evil = "\x1b[31m\x1b]0;owned\x07 NUL\x00 ]]> <b>&amp; \xff\xfe \u202egnp.exe\u0085 a|b `c` \r\nsecond line"

type example struct {
	name  string
	run   Run
	style Style
	exit  int
}

func examples() []example {
	conformant := withResults(everyCase()...)
	conformant.Results[6].Recorded = "kill -HUP exited 0 with CapEff a80425fb"

	const table = "CALLER  HUP\nroot    ok\nother   EPERM\n"
	oneUnknown := withResults(everyCase()...)
	oneUnknown.Results[5] = result(environ, workerB, suite.Inconclusive, because("the node has AppArmor"))
	records := withResults(
		result(ptrace, workerA, suite.Conformant, recorded("kill -HUP exited 0")),
		result(ptrace, workerB, suite.NonConformant, found("exit code 0", "exit code 1: Operation not permitted", "")),
		result(measured, workerA, suite.Inconclusive, because("cannot tell: expected a shell; observed none")),
		result(measured, workerB, suite.Skipped, because("needs Kubernetes 1.38")),
	)
	records.Notes = []string{"the cluster changes pods: drop MKNOD is added"}
	extendedAlone := withResults(result(environ, workerA, suite.Conformant), result(environ, workerB, suite.Conformant))
	extendedAlone.Require = suite.RequireCore

	// A node on which a security module refuses what nobody promises.
	const label = `security label "cri-containerd.apparmor.d (enforce)" (PID 1: "unconfined")`
	confined := withResults(everyCase()...)
	for i, t := range []suite.Target{workerA, workerB} {
		confined.Results[i].Recorded = "kill -HUP 1: exit code 1"
		confined.Results[i].Remark = "the signal was never sent: kill -HUP 1 was refused (EACCES; " + label + ")"
		confined.Results[4+i] = result(environ, t, suite.Skipped,
			because("a security module of the node forbids it: expected the killer may signal PID 1; observed exit code 1 (EACCES); "+label))
	}

	sameRecord := withResults(everyCase()...)
	sameRecord.Results[6].Recorded, sameRecord.Results[7].Recorded = table, table

	failures := withResults(
		result(pid1, workerA, suite.NonConformant, found("PID 1 owned by the sandbox", "PID 1 is \"nginx: master process\"", processTable)),
		result(pid1, workerB, suite.NonConformant, found("PID 1 owned by the sandbox", "PID 1 is \"nginx: master process\"", processTable)),
		result(hup, workerA, suite.Conformant),
		result(hup, workerB, suite.Inconclusive, because("pod hup on node worker-b: container shell: ImagePullBackOff: not found")),
		result(environ, workerA, suite.Conformant),
		result(environ, workerB, suite.Skipped, because("needs Kubernetes 1.38, the server is v1.37.2")),
		result(ptrace, workerA, suite.Conformant, recorded("kill -HUP exited 0")),
		result(ptrace, workerB, suite.NonConformant, found("exit code 0", "exit code 1: Operation not permitted", "")),
	)
	failures.Rerun = func(r suite.Result) string {
		return "make e2e RUN=" + r.Case.ID + " NODE=" + r.Target.Node
	}
	failures.ByHand = func(suite.Result) string { return "kubectl exec nginx -c shell -- ps ax" }

	imageMissing := withResults(everyCase()...)
	for _, i := range []int{0, 2, 4} { // three cases on one target
		why := "the fixture could not be started: container shell: ImagePullBackOff"
		imageMissing.Results[i] = result(imageMissing.Results[i].Case, workerA, suite.Inconclusive, because(why))
	}
	inconclusive := withResults(everyCase()...)
	inconclusive.Results[0] = result(pid1, workerA, suite.Inconclusive, because("the check also passes on the control pod, isolated.yaml: the case is inconclusive"))

	interrupted := withResults(everyCase()[:3]...)
	interrupted.Interrupted, interrupted.Suite.Selected = true, 4

	missing := withResults(everyCase()[:7]...)

	setUp := base()
	setUp.Problem = "cannot reach the API server: connection refused"
	setUp.Targets, setUp.LeftOut, setUp.Stats = nil, nil, Stats{}

	skipped := withResults(
		result(pid1, workerA, suite.Skipped, because("needs Kubernetes 1.38")),
		result(pid1, workerB, suite.Skipped, because("needs Kubernetes 1.38")),
	)
	planned := withResults(result(pid1, workerA, "planned"), result(pid1, workerB, "planned"))

	exempted := withResults(everyCase()...)
	exempted.Results[2] = result(hup, workerA, suite.Exempted, found("new workers", "the same workers", processTable), func(r *suite.Result) {
		r.Exemption = &suite.Exemption{Found: suite.NonConformant, Reason: "the vendor's runtime drops SIGHUP", Link: "https://example.com/issues/1"}
	})
	unneeded := withResults(everyCase()...)
	unneeded.Problem = "exemptions that are not needed, remove or narrow them: pid1/is-the-sandbox on *: conformant on worker-a"
	timedOut := withResults(everyCase()[:3]...)
	timedOut.Interrupted, timedOut.InterruptedBy, timedOut.Suite.Selected = true, "the run's time of 1h0m0s is over (-timeout)", 4
	timedOut.Kept = "kubectl delete namespace procns-r7f3a"
	noNode := base()
	noNode.Preflight = []Check{{Name: "nodes", State: "note", Said: "control-plane is left out: cordoned"}}
	noNode.Problem, noNode.CannotTell, noNode.Targets = "no node is covered: control-plane: cordoned", true, nil

	upgraded := withResults(everyCase()...)
	upgraded.Upgrade = &Upgrade{Phase: "after", Run: "r1", Left: upgraded.Started, Server: "v1.36.3", Witnesses: 12, Vanished: []string{"worker-c"}}

	leftovers := withResults(everyCase()...)
	leftovers.Leftovers = []string{"namespace procns-r7f3a: deletion timed out after 30s"}

	pending := withResults(everyCase()...)
	pending.Pending = []string{"namespace procns-r7f3a is left: metrics.k8s.io/v1beta1 is down", "namespace procns-witnesses is left: the same"}

	foreign := withResults(result(pid1, workerA, suite.NonConformant, found(evil, evil, evil), recorded(evil)))
	foreign.Targets = []suite.Target{workerA}
	foreign.HostChanges = []string{evil}

	// All of it conforms, and nothing of it is a runtime's.
	played := withResults(everyCase()...)
	played.Targets = []suite.Target{workerA, workerB}
	for i := range played.Targets {
		played.Targets[i].Simulated = true
	}

	narrow := failures
	narrow.Rerun, narrow.ByHand = nil, nil

	return []example{
		{"conformant", conformant, Style{}, suite.ExitConformant},
		{"require-core", unrequired(suite.RequireCore), Style{}, suite.ExitConformant},
		{"require-extended", unrequired(suite.RequireExtended), Style{}, suite.ExitNonConformant},
		{"extended-inconclusive", oneUnknown, Style{}, suite.ExitInconclusive},
		{"records-alone", records, Style{}, suite.ExitInconclusive},
		{"nothing-required", extendedAlone, Style{}, suite.ExitInconclusive},
		{"confined", confined, Style{}, suite.ExitConformant},
		{"same-record", sameRecord, Style{}, suite.ExitConformant},
		{"failures", failures, Style{}, suite.ExitNonConformant},
		{"failures-narrow", narrow, Style{Width: 60}, suite.ExitNonConformant},
		{"failures-colour", failures, Style{Colour: true}, suite.ExitNonConformant},
		{"inconclusive", inconclusive, Style{}, suite.ExitInconclusive},
		{"image-missing", imageMissing, Style{}, suite.ExitInconclusive},
		{"interrupted", interrupted, Style{}, suite.ExitInconclusive},
		{"missing", missing, Style{}, suite.ExitInconclusive},
		{"set-up-failed", setUp, Style{}, suite.ExitUsage},
		{"nothing-ran", base(), Style{}, suite.ExitInconclusive},
		{"all-skipped", skipped, Style{}, suite.ExitInconclusive},
		{"planned", planned, Style{}, suite.ExitInconclusive},
		{"simulated", played, Style{}, suite.ExitInconclusive},
		{"exempted", exempted, Style{}, suite.ExitConformant},
		{"exempted-in-vain", unneeded, Style{}, suite.ExitUsage},
		{"timed-out", timedOut, Style{}, suite.ExitInconclusive},
		{"no-node", noNode, Style{}, suite.ExitInconclusive},
		{"upgraded", upgraded, Style{}, suite.ExitConformant},
		{"pending", pending, Style{}, suite.ExitConformant},
		{"leftovers", leftovers, Style{}, suite.ExitUsage},
		{"foreign-text", foreign, Style{}, suite.ExitNonConformant},
		{"zero", Run{}, Style{}, suite.ExitInconclusive},
	}
}
