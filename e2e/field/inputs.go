// Package field holds what real clusters do to a run, as inputs that can be run again: each is a small
// manifest, or something that happens meanwhile, with what a run must say then. `make field-e2e` tries
// them on a kind cluster (the tests behind the build tag field).
package field

import (
	"time"

	"procns/e2e/internal/suite"
)

// Input is one of them.
type Input struct {
	Name string
	// Imitates says where this is met.
	Imitates string
	// Objects is the file below testdata that is applied before the run, and undone after it; empty
	// where there is none.
	Objects string
	// Refusal is an admission webhook that is there meanwhile, and refuses pods in the node's PID
	// namespace.
	Refusal *Refusal
	// Meanwhile is what happens while the run lasts.
	Meanwhile Meanwhile
	// Run are the cases, as for -run, and Flags further flags.
	Run   string
	Flags []string
	Want  Expected
}

// Refusal is how a webhook refuses.
type Refusal struct {
	Code int32 // of HTTP; 0: the webhook names none
	Down bool  // nobody answers at its address
}

// Meanwhile is something that happens to a run.
type Meanwhile string

const (
	// Nothing happens.
	Nothing Meanwhile = ""
	// Relabelled: whoever manages the cluster sets another Pod Security level on the run's namespaces.
	Relabelled Meanwhile = "relabelled"
	// SignalledTwice: the signal to end comes twice within a millisecond, as timeout(1) sends it.
	SignalledTwice Meanwhile = "signalled twice"
	// HungUp: the terminal is gone.
	HungUp Meanwhile = "hung up"
)

// Expected is what a run must have come to.
type Expected struct {
	// Exit is the exit code.
	Exit int
	// Within bounds the run, from its start to its end. A crash loop, a refusal or an API that is
	// down does not make it long.
	Within time.Duration
	// Outcomes are those of cases, by patterns as for -run. Every Core and Extended case that a
	// pattern names must have it.
	Outcomes map[string]suite.Outcome
	// Preflight are regular expressions, each of which a line of the preflight has to match that is
	// more than "ok".
	Preflight []string
	// Reasons are such that the reason of some case of that pattern has to match.
	Reasons map[string]string
	// Said are such that the run's output has to match; Unsaid must not.
	Said, Unsaid []string
	// Reported are such that the text of report.json has to match.
	Reported []string
	// JUnit holds times and names in junit_01.xml to what CI systems need of them.
	JUnit bool
	// Leaves tells that the run's namespace cannot be deleted while the input is there.
	Leaves bool
}

// soon is the time for a run of a few cases that has nothing to wait for, on a machine that is busy.
const soon = 150 * time.Second

// running are cases whose pods run: two of the page's claims, and their reverse.
const running = "visibility/one-namespace,visibility/every-ordered-pair,isolation/field-absent"

func all(o suite.Outcome) map[string]suite.Outcome { return map[string]suite.Outcome{"*/*": o} }

// Inputs are all of them. The manifests are YAML; none needs a webhook server but those of refusals
// (policies by CEL are on since v1.36).
func Inputs() []Input {
	const hostPID = "admission/host-pid-goes-with-false,admission/host-pid-excludes-sharing"
	refused := func(name, by string) Expected {
		return Expected{
			Exit: suite.ExitInconclusive, Within: soon,
			Outcomes: map[string]suite.Outcome{"admission/host-pid-*": suite.Inconclusive},
			Reasons:  map[string]string{"admission/host-pid-goes-with-false": by + `.*` + name},
		}
	}
	changed := func(name, what string) Expected {
		return Expected{
			Exit: suite.ExitInconclusive, Within: soon, Outcomes: all(suite.Inconclusive),
			Preflight: []string{what}, Reasons: map[string]string{"*/*": name},
		}
	}
	noted := func(what string) Expected {
		return Expected{Exit: suite.ExitConformant, Within: soon, Outcomes: all(suite.Conformant), Reported: []string{what}}
	}
	// What holds a pod back may pass: it is waited for a while.
	held := func(what, by string) Expected {
		return Expected{
			Exit: suite.ExitInconclusive, Within: soon + 2*time.Minute, Outcomes: all(suite.Inconclusive),
			Preflight: []string{what}, Reasons: map[string]string{"*/*": by},
		}
	}
	inputs := []Input{
		{Name: "refuse-host-pid-422", Imitates: "a ValidatingAdmissionPolicy", Run: hostPID, Want: refused("field-refuse-host-pid-422", "policy")},
		{Name: "refuse-host-pid-403", Imitates: "Gatekeeper", Run: hostPID, Want: refused("field-refuse-host-pid-403", "policy")},
		{Name: "refuse-host-pid-413", Imitates: "a policy with a code that nobody expects", Run: hostPID, Want: refused("field-refuse-host-pid-413", "policy")},
		{Name: "set-runtime-class", Imitates: "Kata's and gVisor's webhooks", Run: running, Want: changed("field-set-runtime-class", `(?i)runtime ?class`)},
		{Name: "force-field", Imitates: "profilers", Run: "isolation,admission/false-is-kept,admission/absent-stays-absent", Want: changed("field-force-field", `shareProcessNamespace`)},
		{Name: "set-user", Imitates: "policies that mutate", Run: running, Want: changed("field-set-user", `(?i)runAsUser`)},
		{Name: "demand-non-root", Imitates: "policies that mutate", Run: running, Want: changed("field-demand-non-root", `(?i)runAsNonRoot`)},
		{Name: "set-host-users", Imitates: "policies that mutate", Run: running, Want: changed("field-set-host-users", `(?i)hostUsers`)},
		{Name: "wrap-command", Imitates: "agents in front of programs", Run: "visibility/ten-containers,isolation/field-absent", Want: changed("field-wrap-command", `(?i)command`)},
		{Name: "inject-sidecar", Imitates: "Istio, Linkerd, Consul", Run: running, Want: Expected{
			Exit: suite.ExitConformant, Within: soon, Outcomes: all(suite.Conformant), Preflight: []string{`field-proxy`, `field-inject-sidecar`},
		}},
		{Name: "inject-sidecar-where-it-counts", Imitates: "Istio, Linkerd, Consul", Objects: "inject-sidecar", Run: "init,sidecar/starts-first", Want: changed("field-inject-sidecar", `field-proxy`)},
		{Name: "inject-init-container", Imitates: "Istio, Linkerd", Run: running, Want: Expected{
			Exit: suite.ExitConformant, Within: soon, Outcomes: all(suite.Conformant), Preflight: []string{`field-rules`},
		}},
		{Name: "drop-capability", Imitates: "OpenShift's restricted SCC, Autopilot", Run: running + ",signals/hangup-replaces-workers", Want: noted(`MKNOD`)},
		{Name: "add-label", Imitates: "policies that label", Run: running, Want: noted(`cost-centre`)},
		{Name: "add-environment", Imitates: "OpenTelemetry's operator", Run: running + ",secrets/environment-readable", Want: noted(`OTEL_SERVICE_NAME`)},
		{Name: "add-resources", Imitates: "policies that fill in", Run: running, Want: noted(`resources`)},
		{Name: "read-only-root", Imitates: "hardening policies", Run: running, Want: changed("field-read-only-root", `(?i)read-?only ?root`)},
		{Name: "nowhere-to-run", Imitates: "policies that place pods, where nodes of that kind are gone", Run: running, Want: Expected{
			Exit: suite.ExitInconclusive, Within: soon, Outcomes: all(suite.Inconclusive),
			Preflight: []string{`field-nowhere-to-run`}, Reasons: map[string]string{"*/*": `(?i)schedul`},
		}},
		{Name: "gate-readiness", Imitates: "load balancers' controllers", Run: running, Want: noted(`readinessGates`)},
		{Name: "gate-scheduling", Imitates: "Kueue, where no queue takes the pods", Run: running, Want: held(`schedulingGates`, `field\.procns\.invalid/gate`)},
		{Name: "other-scheduler", Imitates: "YuniKorn's and Volcano's webhooks, where the scheduler is gone", Run: running, Want: held(`schedulerName`, `scheduler "field-absent"`)},
		{Name: "hold-jobs", Imitates: "Kueue", Run: "controllers/job-*", Want: changed("field-hold-jobs", `spec\.suspend`)},
		{Name: "more-replicas", Imitates: "policies for availability", Run: "controllers/deployment-shares,controllers/rollout-isolates", Want: Expected{
			Exit: suite.ExitInconclusive, Within: soon, Preflight: []string{`spec\.replicas`},
			Outcomes: map[string]suite.Outcome{"controllers/deployment-shares": suite.Conformant, "controllers/rollout-isolates": suite.Inconclusive},
			Reasons:  map[string]string{"controllers/rollout-isolates": `field-more-replicas`},
		}},
		{Name: "image-from-a-mirror", Imitates: "a pull-through mirror that lost the image", Run: running, Want: Expected{
			Exit: suite.ExitInconclusive, Within: soon, Outcomes: all(suite.Inconclusive), Reasons: map[string]string{"*/*": `mirror\.field\.invalid`},
		}},
		{Name: "refuse-exec", Imitates: "policies that keep people out of pods", Run: running, Want: Expected{
			Exit: suite.ExitInconclusive, Within: soon, Outcomes: all(suite.Inconclusive), Reasons: map[string]string{"*/*": `policy.*field-refuse-exec`},
		}},
		{Name: "refuse-ephemeral-containers", Imitates: "policies that keep debuggers out of pods", Run: "visibility/one-namespace,ephemeral/every-ordered-pair,ephemeral/isolated-*", Want: Expected{
			Exit: suite.ExitInconclusive, Within: soon,
			Outcomes: map[string]suite.Outcome{"visibility/*": suite.Conformant, "ephemeral/*": suite.Inconclusive},
			Reasons:  map[string]string{"ephemeral/*": `policy.*field-refuse-ephemeral-containers`},
		}},
		{Name: "api-unavailable", Imitates: "metrics-server is down", Run: "admission/false-is-kept", Want: Expected{
			Exit: suite.ExitConformant, Within: soon, Outcomes: all(suite.Conformant), Leaves: true,
			Preflight: []string{`v1\.field\.procns\.invalid|field\.procns\.invalid/v1`},
			Said:      []string{`(?i)discovery|field\.procns\.invalid`},
		}},
		{Name: "relabelled", Imitates: "OpenShift's label syncer", Meanwhile: Relabelled,
			Run: "admission/baseline-*,admission/restricted-*-ptrace,admission/restricted-*-sharing,admission/host-pid-goes-with-false", Want: Expected{
				Exit: suite.ExitInconclusive, Within: soon, Outcomes: all(suite.Inconclusive),
				Reasons: map[string]string{"admission/*": `(?i)pod.security`},
			}},
		{Name: "signalled-twice", Imitates: "timeout(1), CI runners", Meanwhile: SignalledTwice, Run: "visibility,signals,lifecycle", Want: Expected{
			Exit: suite.ExitInconclusive, Within: soon, Said: []string{`cleaning up`}, Unsaid: []string{`left without cleaning up`},
		}},
		{Name: "hung-up", Imitates: "a closed terminal, ssh that is cut", Meanwhile: HungUp, Run: "visibility,signals,lifecycle", Want: Expected{
			Exit: suite.ExitInconclusive, Within: soon, Unsaid: []string{`left without cleaning up`},
		}},
		{Name: "nothing-happens", Imitates: "a cluster without any of this", Run: running + ",admission/host-pid-*,admission/baseline-*", Want: Expected{
			Exit: suite.ExitConformant, Within: soon, Outcomes: all(suite.Conformant), JUnit: true,
			Unsaid: []string{`the cluster changed the pod`},
		}},
		{Name: "webhook-refuses-without-code", Imitates: "Kyverno", Refusal: &Refusal{}, Run: hostPID, Want: refused("field-webhook", "webhook")},
		{Name: "webhook-refuses-422", Imitates: "a webhook with a code of its own", Refusal: &Refusal{Code: 422}, Run: hostPID, Want: refused("field-webhook", "webhook")},
		{Name: "webhook-down", Imitates: "a webhook that nobody serves, and that must be asked", Refusal: &Refusal{Down: true}, Run: hostPID, Want: refused("field-webhook", "webhook")},
	}
	for i, in := range inputs {
		if in.Objects == "" && in.Refusal == nil && in.Meanwhile == Nothing && in.Name != "nothing-happens" {
			inputs[i].Objects = in.Name
		}
	}
	return inputs
}
