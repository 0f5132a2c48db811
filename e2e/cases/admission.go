package cases

import (
	"fmt"
	"slices"
	"strings"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/suite"
)

// admissionCases state what the API server does with the field.
func admissionCases() []suite.Case {
	return slices.Concat(roundTripCases(), exclusionCases(), spellingCases(), podSecurityCases(), immutabilityCases(), []suite.Case{
		{
			ID:         "admission/reference-text",
			Level:      suite.Extended,
			Claim:      "The server's own reference says of the field that no container's first process gets PID 1, and that it excludes hostPID.",
			Source:     apiReference + ", as OpenAPI",
			MinVersion: "1.27",
			Fixture:    "lookout.yaml",
			NoControl:  "the text is the server's: no pod changes it",
			Submit:     suite.DryRun,
			Act:        readReference,
			Judge:      referenceSaysIt,
			Records:    "the API server's own text about the field",
			Record:     func(o suite.Observation) string { return o.Answers["reference"].Body },
		},
		askedOfRuntime("admission/asks-for-a-pod-namespace", "POD", "the pod's, of a pod with the field",
			"lookout.yaml", "lookout-isolated.yaml", ""),
		askedOfRuntime("admission/asks-for-container-namespaces", "CONTAINER", "each container's, of a pod without the field",
			"lookout-isolated.yaml", "lookout.yaml", ""),
		askedOfRuntime("admission/asks-for-the-node-namespace", "NODE", "the node's, of a pod with hostPID",
			"lookout-host-pid.yaml", "lookout.yaml", "shareProcessNamespace, hostPID"),
	})
}

// askedOfRuntime is a claim on the PID mode that kubelet asks the runtime for.
func askedOfRuntime(id, mode, meaning, fixture, control, varies string) suite.Case {
	return suite.Case{
		ID:      id,
		Level:   suite.Informational,
		Claim:   "kubelet asks the container runtime for the PID mode " + mode + ", which is " + meaning + ".",
		Source:  kep495 + ", Container Runtime Interface Changes",
		Fixture: fixture,
		Control: control,
		Varies:  varies,
		OwnNode: true,
		Submit:  suite.Stored, // nobody looks into it: with hostPID there is a whole node to see
		Turns:   suite.Turns{On: []difference.Class{difference.RuntimeClass, difference.UserNamespace}},
		Act:     inspectSandbox,
		Judge: func(o suite.Observation) error {
			inspected := o.Ran["inspect"]
			asked := strings.TrimSpace(inspected.Stdout)
			if !inspected.Ran() || inspected.Code != 0 || asked == "" {
				return suite.CannotTell("the runtime's view of the sandbox, through crictl", inspected.String())
			}
			if asked != mode {
				return suite.Violation("the PID mode "+mode, asked)
			}
			return nil
		},
		Records: "the PID mode that the runtime was asked for",
		Record: func(o suite.Observation) string {
			return "crictl inspectp: " + strings.TrimSpace(o.Ran["inspect"].Stdout)
		},
	}
}

// roundTripCases state that the field is a pointer to a truth value, which
// arrives and comes back as it was sent.
func roundTripCases() []suite.Case {
	return []suite.Case{
		{
			ID:      "admission/false-is-kept",
			Level:   suite.Core,
			Claim:   "The server stores shareProcessNamespace: false as false.",
			Source:  apiReference,
			Fixture: "markers-false.yaml",
			Control: markersIsolated,
			Submit:  suite.Stored,
			Judge:   func(o suite.Observation) error { return accepted(o, "create", "false") },
		},
		{
			ID:      "admission/absent-stays-absent",
			Level:   suite.Core,
			Claim:   "The server does not fill the field in where the manifest leaves it out.",
			Source:  apiReference + " (optional, default false)",
			Fixture: markersIsolated,
			Control: "markers-false.yaml",
			Submit:  suite.Stored,
			Judge:   func(o suite.Observation) error { return accepted(o, "create", "absent") },
		},
		{
			ID:      "admission/same-in-json-and-protobuf",
			Level:   suite.Extended,
			Claim:   "The stored field reads the same in the API's JSON and in its protobuf form, which kubelet uses.",
			Source:  "Kubernetes API Concepts, Alternate representations of resources",
			Fixture: hardened,
			Control: hardenedIsolated,
			Act:     changeField,
			Judge: func(o suite.Observation) error {
				for _, form := range []string{"label", "protobuf"} {
					if err := accepted(o, form, "true"); err != nil {
						return err
					}
				}
				if !o.Answers["protobuf"].Protobuf || o.Answers["label"].Protobuf {
					return suite.CannotTell("the pod in each of the two forms", "the server answered in another form than it was asked for")
				}
				return nil
			},
		},
	}
}

// What the API server says when it refuses. Cases match on the messages: the
// path of the field in front of them has changed in v1.37.
const (
	bothEnabled    = "ShareProcessNamespace and HostPID cannot both be enabled"
	notForWindows  = "cannot be set for a windows pod"
	notUpdatable   = "pod updates may not change fields other than"
	podSecurity    = "violates PodSecurity"
	atBaseline     = "baseline" // a level of Pod Security
	atRestricted   = "restricted"
	sysPtrace      = "SYS_PTRACE"
	fieldName      = "shareProcessNamespace"
	misspeltName   = "sharedProcessNamespace"
	podSecurityDoc = "Kubernetes documentation, Pod Security Standards"
)

// exclusionCases state what the field does not go together with.
func exclusionCases() []suite.Case {
	const osField = "API reference, PodSpec.os: what must be unset for Windows"
	return []suite.Case{
		{
			ID:      "admission/host-pid-excludes-sharing",
			Level:   suite.Core,
			Claim:   "A pod in the node's PID namespace may not share a PID namespace of its own as well.",
			Source:  apiReference + " (HostPID and ShareProcessNamespace cannot both be set); " + kep495,
			Fixture: "admission-both.yaml",
			Control: "lookout-host-pid.yaml",
			Submit:  suite.DryRun,
			Judge:   func(o suite.Observation) error { return refused(o, "create", bothEnabled) },
		},
		{
			ID:      "admission/sharing-excludes-host-pid",
			Level:   suite.Core,
			Claim:   "A pod that shares its PID namespace may not be in the node's as well.",
			Source:  apiReference + " (HostPID and ShareProcessNamespace cannot both be set); " + kep495,
			Fixture: "admission-both.yaml",
			Control: "lookout.yaml",
			Varies:  "hostPID",
			Submit:  suite.DryRun,
			Judge:   func(o suite.Observation) error { return refused(o, "create", bothEnabled) },
		},
		{
			ID:      "admission/host-pid-goes-with-false",
			Level:   suite.Extended,
			Claim:   "A pod in the node's PID namespace may carry the field as false.",
			Source:  kep495 + ", the table of PID modes",
			Fixture: "admission-host-pid-false.yaml",
			Control: "admission-both.yaml",
			Submit:  suite.DryRun,
			Judge:   func(o suite.Observation) error { return accepted(o, "create", "false") },
		},
		{
			ID:         "admission/templates-exclude-host-pid",
			Level:      suite.Core,
			Claim:      "No workload's template may have both hostPID and the field: the workload itself is refused.",
			Source:     apiReference + " (HostPID and ShareProcessNamespace cannot both be set), within PodTemplateSpec",
			MinVersion: "1.21",
			Fixture:    "admission-both.yaml",
			Control:    "lookout-host-pid.yaml",
			Submit:     suite.DryRun,
			Act:        asTemplates,
			Judge: func(o suite.Observation) error {
				for _, w := range workloads {
					if err := refused(o, w.kind, bothEnabled); err != nil {
						return err
					}
				}
				return nil
			},
		},
		{
			ID:         "admission/windows-excludes-true",
			Level:      suite.Extended,
			Claim:      "A pod for Windows may not have the field as true.",
			Source:     osField,
			MinVersion: "1.24",
			Fixture:    "admission-windows-true.yaml",
			Control:    "admission-windows.yaml",
			Submit:     suite.DryRun,
			Judge:      func(o suite.Observation) error { return refused(o, "create", notForWindows) },
		},
		{
			ID:         "admission/windows-excludes-false",
			Level:      suite.Extended,
			Claim:      "A pod for Windows may not have the field as false either.",
			Source:     osField,
			MinVersion: "1.24",
			Fixture:    "admission-windows-false.yaml",
			Control:    "admission-windows.yaml",
			Submit:     suite.DryRun,
			Judge:      func(o suite.Observation) error { return refused(o, "create", notForWindows) },
		},
		{
			ID:         "admission/linux-goes-with-true",
			Level:      suite.Extended,
			Claim:      "A pod for Linux that says so may have the field as true.",
			Source:     osField,
			MinVersion: "1.24",
			Fixture:    "admission-linux.yaml",
			Control:    "admission-windows-true.yaml",
			Varies:     "os",
			Submit:     suite.DryRun,
			Judge:      func(o suite.Observation) error { return accepted(o, "create", "true") },
		},
	}
}

// spellingCases state what becomes of the field when it is not written as it
// should be. The act changes the field of the manifest that it is given; where
// that has none, there is nothing wrong with what it sends.
func spellingCases() []suite.Case {
	const validation = "Kubernetes API Concepts, Field validation"
	base := suite.Case{
		Level: suite.Extended, Fixture: markers, Control: markersIsolated, Submit: suite.DryRun, Act: misspell,
	}
	return []suite.Case{
		with(base, suite.Case{
			ID:     "admission/text-is-refused",
			Level:  suite.Core,
			Claim:  "A text is no value of the field: the pod is refused.",
			Source: apiReference + " (boolean)",
			Judge:  func(o suite.Observation) error { return undecodable(o, "text") },
		}),
		with(base, suite.Case{
			ID:     "admission/number-is-refused",
			Level:  suite.Core,
			Claim:  "A number is no value of the field: the pod is refused.",
			Source: apiReference + " (boolean)",
			Judge:  func(o suite.Observation) error { return undecodable(o, "number") },
		}),
		with(base, suite.Case{
			ID:     "admission/null-is-absent",
			Claim:  "The field with the value null is the field left out.",
			Source: apiReference + " (optional)",
			Judge:  func(o suite.Observation) error { return lostInstead(o, "null") },
		}),
		with(base, suite.Case{
			ID:         "admission/typo-strict",
			Claim:      "With strict field validation, a pod with the field's name misspelt is refused.",
			Source:     validation,
			MinVersion: "1.25",
			Judge:      func(o suite.Observation) error { return refused(o, "strict", misspeltName) },
		}),
		with(base, suite.Case{
			ID:         "admission/typo-warned",
			Claim:      "With field validation that warns, a pod with the field's name misspelt is admitted without the field, and the answer carries a warning.",
			Source:     validation,
			MinVersion: "1.25",
			Judge: func(o suite.Observation) error {
				if err := lostInstead(o, "warn"); err != nil {
					return err
				}
				warnings := o.Answers["warn"].Warnings
				if !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, misspeltName) }) {
					return suite.Violation("a warning that names "+misspeltName, fmt.Sprintf("warnings %q", warnings))
				}
				return nil
			},
		}),
		with(base, suite.Case{
			ID:         "admission/typo-ignored",
			Claim:      "Without field validation, a pod with the field's name misspelt is admitted without the field, and nothing tells: its containers will be isolated.",
			Source:     validation,
			MinVersion: "1.25",
			Judge: func(o suite.Observation) error {
				if err := lostInstead(o, "ignore"); err != nil {
					return err
				}
				// Policies and Pod Security warn as well, of other things.
				warnings := o.Answers["ignore"].Warnings
				if slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, "unknown field") || strings.Contains(w, misspeltName) }) {
					return suite.Violation("no warning of the unknown field", fmt.Sprintf("warnings %q", warnings))
				}
				return nil
			},
		}),
	}
}

// podSecurityCases state that the Pod Security Standards have nothing against the
// field, but against the capability that the page's manifest adds.
func podSecurityCases() []suite.Case {
	const withoutPtrace = "without-ptrace.yaml"
	return []suite.Case{
		{
			ID:         "admission/baseline-refuses-ptrace",
			Level:      suite.Extended,
			Claim:      "The baseline level refuses the documented pod, because of SYS_PTRACE.",
			Source:     podSecurityDoc + ", Baseline, Capabilities",
			MinVersion: "1.25",
			Fixture:    documented,
			Control:    withoutPtrace,
			Varies:     "securityContext",
			Submit:     suite.DryRunBaseline,
			Judge:      func(o suite.Observation) error { return refusedAt(atBaseline, o, "create", podSecurity, sysPtrace) },
		},
		{
			ID:         "admission/baseline-admits-without-ptrace",
			Level:      suite.Extended,
			Claim:      "The baseline level admits the documented pod once it does not ask for SYS_PTRACE.",
			Source:     podSecurityDoc + ", Baseline",
			MinVersion: "1.25",
			Fixture:    withoutPtrace,
			Control:    documented,
			Varies:     "securityContext",
			Submit:     suite.DryRunBaseline,
			Judge:      func(o suite.Observation) error { return acceptedAt(atBaseline, o, "create", "true") },
		},
		{
			ID:         "admission/baseline-admits-sharing",
			Level:      suite.Extended,
			Claim:      "The baseline level admits a PID namespace that the pod's containers share, though not one shared with the node.",
			Source:     podSecurityDoc + ", Baseline, Host Namespaces",
			MinVersion: "1.25",
			Fixture:    "lookout.yaml",
			Control:    "lookout-host-pid.yaml",
			Varies:     "shareProcessNamespace, hostPID",
			Submit:     suite.DryRunBaseline,
			Judge:      func(o suite.Observation) error { return acceptedAt(atBaseline, o, "create", "true") },
		},
		{
			ID:         "admission/restricted-refuses-ptrace",
			Level:      suite.Extended,
			Claim:      "The restricted level refuses the documented pod, and names SYS_PTRACE among its reasons.",
			Source:     podSecurityDoc + ", Restricted, Capabilities",
			MinVersion: "1.25",
			Fixture:    documented,
			Control:    withoutPtrace,
			Varies:     "securityContext",
			Submit:     suite.DryRunRestricted,
			Judge:      func(o suite.Observation) error { return refusedAt(atRestricted, o, "create", podSecurity, sysPtrace) },
		},
		{
			ID:         "admission/restricted-admits-sharing",
			Level:      suite.Extended,
			Claim:      "The restricted level admits a pod with the field that keeps its rules, and SYS_PTRACE alone would break them.",
			Source:     podSecurityDoc + ", Restricted",
			MinVersion: "1.25",
			Fixture:    hardened,
			Control:    "admission-restricted-ptrace.yaml",
			Varies:     "add",
			Submit:     suite.DryRunRestricted,
			Judge:      func(o suite.Observation) error { return acceptedAt(atRestricted, o, "create", "true") },
		},
		{
			ID:      "admission/restricted-pod-shares",
			Level:   suite.Extended,
			Claim:   "In a pod that keeps the rules of the restricted level, all containers are in one PID namespace and see each other's processes.",
			Source:  podSecurityDoc + ", Restricted; " + onPurpose,
			Fixture: hardened,
			Control: hardenedIsolated,
			Act:     changeField,
			Judge: func(o suite.Observation) error {
				if err := onePIDNamespace(o); err != nil {
					return err
				}
				return everyPairVisible(o)
			},
		},
	}
}

// The pod that keeps the rules of the restricted level, and its twin.
const (
	hardened         = "admission-restricted.yaml"
	hardenedIsolated = "admission-restricted-isolated.yaml"
)

// immutabilityCases state that the field of an existing pod cannot be changed. A
// control is the pod whose field has the new value already: there, the same
// request changes nothing and is accepted.
func immutabilityCases() []suite.Case {
	const source = "Kubernetes documentation, Pods, Pod update and replacement"
	shared := suite.Case{
		Level: suite.Extended, Source: source, Fixture: hardened, Control: hardenedIsolated, Act: changeField,
	}
	gated := suite.Case{
		Level: suite.Extended, Source: "Kubernetes documentation, Pod Scheduling Readiness, Mutable Pod scheduling directives",
		MinVersion: "1.27", Fixture: "admission-gated.yaml", Control: "admission-gated-isolated.yaml",
		Submit: suite.Stored, Act: changeGatedField,
	}
	return []suite.Case{
		with(shared, suite.Case{
			ID:    "admission/immutable-by-merge-patch",
			Claim: "A JSON merge patch can neither remove the field from a running pod nor set it to false.",
			Judge: unchanged("true", "label", "merge-absent", "merge-false"),
		}),
		with(shared, suite.Case{
			ID:    "admission/immutable-by-strategic-patch",
			Claim: "A strategic merge patch cannot remove the field from a running pod.",
			Judge: unchanged("true", "label", "strategic-absent"),
		}),
		with(shared, suite.Case{
			ID:         "admission/immutable-by-apply",
			Claim:      "Server-side apply, forced, cannot set the field of a running pod to false.",
			MinVersion: "1.22",
			Judge:      unchanged("true", "label", "apply-false"),
		}),
		with(shared, suite.Case{
			ID:    "admission/immutable-by-replacement",
			Claim: "Replacing a running pod's object by one without the field is refused.",
			Judge: unchanged("true", "label", "replace-absent"),
		}),
		with(shared, suite.Case{
			ID:         "admission/immutable-where-absent",
			Claim:      "The field cannot be set on a running pod that was created without it, neither by patch nor by apply nor by replacement.",
			MinVersion: "1.22",
			Fixture:    hardenedIsolated,
			Control:    hardened,
			Judge:      unchanged("absent", "label", "merge-true", "apply-true", "replace-true"),
		}),
		with(shared, suite.Case{
			ID:    "admission/immutable-through-status",
			Claim: "A write to a pod's status that carries another value of the field does not change it.",
			Judge: ineffective("status-false"),
		}),
		with(shared, suite.Case{
			ID:         "admission/immutable-through-ephemeral-containers",
			Claim:      "A write to a pod's ephemeral containers that carries another value of the field does not change it.",
			MinVersion: "1.25",
			Judge:      ineffective("ephemeral-false"),
		}),
		with(shared, suite.Case{
			ID:         "admission/immutable-through-resize",
			Claim:      "A write to a pod's resize subresource that carries another value of the field does not change it.",
			MinVersion: "1.33",
			Judge:      ineffective("resize-false"),
		}),
		with(gated, suite.Case{
			ID:    "admission/immutable-when-gated",
			Claim: "The field cannot be removed or set to false on a pod that waits at a scheduling gate, although its scheduling directives can be changed.",
			Judge: unchanged("true", "node-selector", "merge-absent", "merge-false", "replace-absent"),
		}),
		with(gated, suite.Case{
			ID:      "admission/immutable-when-gated-and-absent",
			Claim:   "The field cannot be set on a pod that waits at a scheduling gate, although its scheduling directives can be changed.",
			Fixture: "admission-gated-isolated.yaml",
			Control: "admission-gated.yaml",
			Judge:   unchanged("absent", "node-selector", "merge-true", "replace-true"),
		}),
	}
}

// with is base where c leaves something out.
func with(base, c suite.Case) suite.Case {
	fill := func(into *string, from string) {
		if *into == "" {
			*into = from
		}
	}
	if c.Level == "" {
		c.Level = base.Level
	}
	fill(&c.Source, base.Source)
	fill(&c.MinVersion, base.MinVersion)
	fill(&c.Fixture, base.Fixture)
	fill(&c.Control, base.Control)
	c.Submit, c.Act = base.Submit, base.Act
	return c
}
