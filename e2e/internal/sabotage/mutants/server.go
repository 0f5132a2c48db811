package mutants

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/sabotage/changes"
	"procns/e2e/internal/sabotage/gateway"
)

// What is stored and answered: by a webhook or a policy, which the server is not to be blamed for, or by
// the server itself.

// WebhookDomain ends the names of the admission webhook and of its configuration.
const WebhookDomain = "sabotage.procns.invalid"

// stored are the cases that what is stored of a pod, or answered, may concern.
var stored = []string{"version", "admission", "isolation", "controllers/deployment-shares", "controllers/cronjob-keeps-the-field", "visibility/one-namespace"}

// Why a case is inconclusive under a webhook.
const (
	rewritten    = "the pod that is stored is not the one that was sent: the suite says so, and judges no pod that it did not ask for"
	controlOther = "the control, or a pod beside the case's own, is not stored as it was sent"
)

// webhooks are mutants in which an admission webhook changes what is stored. That is the webhook's
// doing, and not the API server's or the node's: what is judged turns on it is not known.
func webhooks() []Mutant {
	all := []Mutant{
		{
			Name:      "webhook-sets-false",
			Breaks:    "A webhook sets the field of new pods to false.",
			Imitates:  "vault-k8s#436",
			Admission: changes.SetFalse,
			Run:       stored,
			Notices: []Expected{
				{Cases: []string{"version/field-is-kept", "admission/linux-goes-with-true", "admission/*-admits-*", "visibility/one-namespace", "controllers/deployment-shares"}, Why: rewritten},
				{Cases: []string{"admission/null-is-absent", "admission/typo-warned", "admission/typo-ignored"}, Why: "the pod as it should be written, by which they compare, loses the field"},
				{Cases: []string{"admission/host-pid-excludes-sharing", "admission/sharing-excludes-host-pid", "admission/immutable-when-gated"},
					Why: "what is validated has the field as false"},
			},
			Blurs: []Expected{
				{Cases: []string{Isolated}, Why: rewritten + "; here the control's"},
				{Cases: []string{"admission/*"}, Why: rewritten},
			},
		},
		{
			Name:      "webhook-sets-true",
			Breaks:    "A webhook sets the field of new pods to true.",
			Imitates:  "debugging and profiling add-ons that make pods share",
			Admission: changes.SetTrue,
			Run:       stored,
			Notices: []Expected{
				{Cases: []string{"isolation/*", "admission/false-is-kept", "admission/absent-stays-absent", "admission/immutable-where-absent", "admission/immutable-when-gated-and-absent"}, Why: rewritten},
				{Cases: []string{"admission/host-pid-goes-with-false"}, Why: "what is validated has the field as true, so that the server refuses it"},
			},
			Blurs: []Expected{
				{Cases: []string{Shares, "admission/*", "version"}, Why: controlOther},
			},
		},
		{
			Name:      "webhook-sets-runtime-class",
			Breaks:    "A webhook gives new pods another runtime class, whose containers do not share.",
			Imitates:  "webhooks that move pods to gVisor or Kata",
			Admission: changes.SetRuntimeClass("own-pid-namespace"),
			Run:       []string{"version", "isolation", "visibility", "pid1/is-the-sandbox", "signals/from-exec", "filesystem/nginx-conf", "controllers/deployment-shares", "admission"},
			Notices: []Expected{
				{Cases: []string{"isolation/*", "visibility/one-namespace", "visibility/every-ordered-pair", "pid1/is-the-sandbox", "signals/from-exec", "filesystem/nginx-conf",
					"controllers/deployment-shares", "admission/restricted-pod-shares"}, Why: "the runtime that was to be judged runs none of the pods"},
			},
			Blurs: []Expected{
				{Cases: []string{"version", "admission/*", "visibility/*"}, Why: rewritten},
			},
		},
		{
			Name:      "webhook-drops-false",
			Breaks:    "A webhook leaves the field out of new pods where it is false.",
			Imitates:  "controllers that write pods anew with omitempty on a plain bool",
			Admission: changes.DropFalse,
			Run:       stored,
			Notices: []Expected{
				{Cases: []string{"admission/false-is-kept", "admission/host-pid-goes-with-false", "isolation/field-false"}, Why: rewritten},
				{Cases: []string{"admission/windows-excludes-false"}, Why: "what is validated does not have the field"},
			},
			Blurs: []Expected{
				{Cases: []string{"admission/absent-stays-absent"}, Why: "the control, whose field is to be stored as false, is stored without it"},
			},
		},
		{
			Name:      "webhook-fills-in-false",
			Breaks:    "A webhook gives new pods without the field the value false.",
			Imitates:  "policies that write defaults out (Kyverno's add-default rules)",
			Admission: changes.FillIn,
			Run:       stored,
			Notices: []Expected{
				{Cases: []string{"admission/absent-stays-absent", "admission/null-is-absent", "admission/typo-warned", "admission/typo-ignored"}, Why: rewritten},
			},
			Blurs: []Expected{
				{Cases: []string{Shares, "admission/*", "version"}, Why: controlOther},
				{Cases: []string{Isolated, "!isolation/field-false"}, Why: rewritten},
			},
		},
		{
			Name:      "webhook-prunes-templates",
			Breaks:    "A webhook drops the field from the templates of workloads.",
			Imitates:  "operators that write templates anew with older types",
			Admission: changes.Prune,
			Run:       append(slices.Clone(stored), "controllers"),
			Notices: []Expected{
				{Cases: []string{"controllers/cronjob-keeps-the-field", "admission/templates-exclude-host-pid"}, Why: "what is stored, or validated, does not have the field"},
			},
			Blurs: []Expected{{Cases: []string{"controllers/*", "!controllers/cronjob-*", "!controllers/static-*"}, Why: rewritten}},
		},
		{
			Name:      "webhook-drops-sys-ptrace",
			Breaks:    "A webhook takes SYS_PTRACE out of what new pods ask for.",
			Imitates:  "aws/containers-roadmap#1102 and policies that mutate instead of refusing",
			Admission: changes.DropPtrace,
			Run:       stored,
			Notices:   []Expected{{Cases: []string{"admission/baseline-refuses-ptrace", "admission/restricted-refuses-ptrace"}, Why: "what Pod Security sees does not ask for it"}},
			Blurs: []Expected{
				{Cases: []string{"admission/baseline-admits-without-ptrace", "admission/restricted-admits-sharing"},
					Why: "the control, which is to be refused for SYS_PTRACE, is admitted, so that it does not bite"},
				{Cases: []string{"version/field-is-kept"}, Why: rewritten},
			},
		},
		{
			Name:        "webhook-hides-failure",
			Breaks:      "A webhook reports pods as running that have failed.",
			Imitates:    "kubernetes#141948 in its kind (a pod that has ended, and is not told of)",
			Admission:   changes.HideFailure,
			Run:         []string{"lifecycle/*sandbox*"},
			Disruptions: []string{"disruption/node-restart-ends-never-restarted"},
			Falls:       []Expected{{Cases: []string{"lifecycle/sandbox-end-with-restart-never", "disruption/node-restart-ends-never-restarted"}}},
		},
		{
			Name:      "webhook-mends",
			Breaks:    "A webhook makes valid what is not: it takes contradictions out of new pods, and changes of the field out of updates.",
			Imitates:  "policies that mutate instead of refusing",
			Admission: changes.Mend,
			Run:       append(slices.Clone(stored), "ephemeral/unknown-target-refused"),
			Notices: []Expected{
				{Cases: []string{"admission/host-pid-excludes-sharing", "admission/sharing-excludes-host-pid", "admission/templates-exclude-host-pid",
					"admission/windows-excludes-*", "admission/immutable-by-*", "admission/immutable-where-absent", "admission/immutable-when-*", "ephemeral/unknown-target-refused"},
					Why: "what is validated is not what was sent"},
			},
			Blurs: []Expected{{Cases: []string{"admission/host-pid-goes-with-false", "admission/linux-goes-with-true"},
				Why: "the control, which is to be refused, is admitted; or it is admitted in another form"}},
		},
	}
	for i := range all {
		if len(all[i].Notices) > 0 {
			all[i].Named = WebhookDomain
		}
	}
	return all
}

// policies are mutants in which a policy of the cluster refuses pods.
func policies() []Mutant {
	return []Mutant{{
		Name:     "policy-refuses-host-pid",
		Breaks:   "A policy refuses pods in the node's PID namespace.",
		Imitates: "Kyverno, Gatekeeper, and Pod Security as others than ours set it",
		Policy: &Policy{
			Expression: "!has(object.spec.hostPID) || !object.spec.hostPID", Message: "host PID is not allowed here",
			Offends: func(spec *corev1.PodSpec) { spec.HostPID = true },
		},
		Run:     []string{"admission", "neighbours", "isolation"},
		Notices: []Expected{{Cases: []string{"admission/host-pid-goes-with-false"}}},
		Named:   "policy-refuses-host-pid",
		Blurs: []Expected{{Cases: []string{"admission/host-pid-excludes-sharing", "admission/templates-exclude-host-pid", "admission/baseline-admits-sharing", "neighbours/*"},
			Why: "a pod in the node's PID namespace is the case's own, or its control"}},
	}}
}

// servers are mutants in which the API server itself does what it should not.
func servers() []Mutant {
	const rewritten = "the pod that is stored is not the one that was sent, and what this case is about is another's doing"
	return []Mutant{
		{
			Name:     "server-sets-false",
			Breaks:   "The API server sets the field of new pods to false.",
			Imitates: "servers without the field (alpha until v1.12), and defaults of a distribution's own",
			Gateway:  gateway.Server(changes.SetFalse),
			Run:      stored,
			Falls: []Expected{
				{Cases: []string{"version/field-is-kept", "admission/linux-goes-with-true", "admission/*-admits-*"}},
				{Cases: []string{"admission/null-is-absent", "admission/typo-warned", "admission/typo-ignored"}, Why: "the pod as it should be written, by which they compare, loses the field"},
				{Cases: []string{"admission/host-pid-excludes-sharing", "admission/sharing-excludes-host-pid", "admission/immutable-when-gated"},
					Why: "what is validated has the field as false"},
				{Cases: []string{"admission/immutable-by-*", "admission/immutable-through-*", "admission/same-in-json-and-protobuf", "admission/restricted-pod-shares"},
					Why: "the pod that runs never had the field, which the server lost"},
			},
			Blurs: []Expected{
				{Cases: []string{Shares, "!version/*", "!controllers/*"}, Why: rewritten},
				{Cases: []string{Isolated}, Why: rewritten + "; here the control's"},
				{Cases: []string{"admission/*"}, Why: rewritten},
			},
		},
		{
			Name:     "server-drops-false",
			Breaks:   "The API server leaves the field out of new pods where it is false.",
			Imitates: "types with omitempty on a plain bool",
			Gateway:  gateway.Server(changes.DropFalse),
			Run:      stored,
			Falls:    []Expected{{Cases: []string{"admission/false-is-kept", "admission/host-pid-goes-with-false", "admission/windows-excludes-false"}}},
			Blurs: []Expected{
				{Cases: []string{"isolation/field-false"}, Why: rewritten},
				{Cases: []string{"admission/absent-stays-absent"}, Why: "the control, whose field is to be stored as false, is stored without it"},
			},
		},
		{
			Name:     "server-fills-in-false",
			Breaks:   "The API server gives new pods without the field the value false.",
			Imitates: "a default where the API reference has none",
			Gateway:  gateway.Server(changes.FillIn),
			Run:      stored,
			Falls: []Expected{
				{Cases: []string{"admission/absent-stays-absent", "admission/null-is-absent", "admission/typo-warned", "admission/typo-ignored", "admission/immutable-when-gated-and-absent"}},
				{Cases: []string{"admission/immutable-where-absent"}, Why: "the pod that runs has the field, which the server filled in"},
			},
			Blurs: []Expected{
				{Cases: []string{Shares, "!version/*", "!controllers/*"}, Why: rewritten + "; here the control's"},
				{Cases: []string{Isolated, "!isolation/field-false", "admission/windows-*", "admission/linux-goes-with-true"}, Why: rewritten},
				{Cases: []string{"admission/false-is-kept"}, Why: "the control, which has no field, is stored with false"},
			},
		},
		{
			Name:     "server-prunes-templates",
			Breaks:   "The API server drops the field from the templates of workloads.",
			Imitates: "workload types that do not know the field (website#13563)",
			Gateway:  gateway.Server(changes.Prune),
			Run:      append(slices.Clone(stored), "controllers"),
			Falls: []Expected{
				{Cases: []string{"controllers/cronjob-keeps-the-field", "admission/templates-exclude-host-pid"}},
				{Cases: []string{"controllers/*-shares", "controllers/job-completes", "controllers/evicted-pod-returns-sharing", "!controllers/static-pod-shares"},
					Why: "the controller's pods have what the stored template has"},
			},
			Blurs: []Expected{{Cases: []string{"controllers/rollout-isolates", "controllers/rollout-shares-again"}, Why: "the template does not change, so that no pod comes of it"}},
		},
		{
			Name:     "server-levels-pass-ptrace",
			Breaks:   "The API server's levels of the Pod Security Standards let SYS_PTRACE pass.",
			Imitates: "levels of a distribution's own under the names of the standard",
			Gateway:  gateway.PassingPtrace(),
			Run:      stored,
			Falls:    []Expected{{Cases: []string{"admission/baseline-refuses-ptrace", "admission/restricted-refuses-ptrace"}}},
			Blurs: []Expected{{Cases: []string{"admission/baseline-admits-without-ptrace", "admission/restricted-admits-sharing"},
				Why: "the control, which is to be refused, is admitted, so that it does not bite"}},
		},
		{
			Name:     "server-accepts-invalid",
			Breaks:   "The API server takes what is invalid: contradictions in new pods, changes of the field, and targets that do not exist.",
			Imitates: "servers whose validation is older than the field, and API layers in front of other systems",
			Gateway:  gateway.Unvalidated(),
			Run:      append(slices.Clone(stored), "ephemeral/unknown-target-refused"),
			Falls: []Expected{
				{Cases: []string{"admission/host-pid-excludes-sharing", "admission/sharing-excludes-host-pid", "admission/templates-exclude-host-pid",
					"admission/windows-excludes-*", "admission/immutable-by-*", "admission/immutable-where-absent", "admission/immutable-when-*", "ephemeral/unknown-target-refused"}},
			},
			Blurs: []Expected{{Cases: []string{"admission/linux-goes-with-true"},
				Why: "the control, which is to be refused, is admitted"}},
		},
	}
}

// gateways are mutants in front of the API server.
func gateways() []Mutant {
	run := []string{"version", "admission", "visibility/one-namespace"}
	return []Mutant{
		{
			Name:     "lenient-gateway",
			Breaks:   "A gateway in front of the API server takes texts and numbers for truth values, and corrects misspelt names.",
			Imitates: "gateways and clients with lenient parsers (YAML 1.1's yes and no, KubeHound#103's typo)",
			Gateway:  gateway.Lenient(),
			Run:      run,
			Falls:    []Expected{{Cases: []string{"admission/text-is-refused", "admission/number-is-refused", "admission/null-is-absent", "admission/typo-*"}}},
		},
		{
			Name:     "stale-gateway",
			Breaks:   "A gateway in front of the API server answers from what it knows itself: an older reference, writes as they were sent, protobuf without the field.",
			Imitates: "caching and re-encoding gateways of hosted distributions; website#13563 (the field silently dropped)",
			Gateway:  gateway.Stale(),
			Run:      run,
			Falls:    []Expected{{Cases: []string{"admission/reference-text", "admission/immutable-through-*", "admission/same-in-json-and-protobuf"}}},
		},
		{
			Name:     "exec-refused-while-terminating",
			Breaks:   "A pod is deleted while the suite is at work in it, and an exec in a pod that is being deleted is refused.",
			Imitates: "nodes that are drained meanwhile; CRI-O, which refuses an exec in a container that is being stopped",
			Gateway:  gateway.Draining(),
			Run:      []string{"lifecycle/deletion-completes", "lifecycle/sessions-end-with-the-pod", "lifecycle/exec-*", "lifecycle/pre-stop-hook-shares", "lifecycle/grace-period"},
			Notices: []Expected{{Cases: []string{"lifecycle/deletion-completes", "lifecycle/sessions-end-with-the-pod", "lifecycle/exec-joins", "lifecycle/exec-killed-by-a-sibling",
				"lifecycle/exec-in-the-grace-period"},
				Why: "what was to be done in the pod, or seen from it, was refused"}},
			Blurs: []Expected{{Cases: []string{"lifecycle/exec-ends-with-its-container"}, Why: "what was to be done in the pod, or seen from it, was refused"}},
		},
	}
}
