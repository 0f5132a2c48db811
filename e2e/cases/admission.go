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
			ID:          "admission/same-in-json-and-protobuf",
			Experiments: []string{"label", "protobuf"},
			Level:       suite.Extended,
			Claim:       "The stored field reads the same in the API's JSON and in its protobuf form, which kubelet uses.",
			Source:      "Kubernetes API Concepts, Alternate representations of resources",
			Fixture:     hardened,
			Control:     hardenedIsolated,
			Act:         changeField,
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
			ID:          "admission/text-is-refused",
			Experiments: []string{"text"},
			Level:       suite.Core,
			Claim:       "A text is no value of the field: the pod is refused.",
			Source:      apiReference + " (boolean)",
			Judge:       func(o suite.Observation) error { return undecodable(o, "text") },
		}),
		with(base, suite.Case{
			ID:          "admission/number-is-refused",
			Experiments: []string{"number"},
			Level:       suite.Core,
			Claim:       "A number is no value of the field: the pod is refused.",
			Source:      apiReference + " (boolean)",
			Judge:       func(o suite.Observation) error { return undecodable(o, "number") },
		}),
		with(base, suite.Case{
			ID:          "admission/null-is-absent",
			Experiments: []string{"null"},
			Claim:       "The field with the value null is the field left out.",
			Source:      apiReference + " (optional)",
			Judge:       func(o suite.Observation) error { return lostInstead(o, "null") },
		}),
		with(base, suite.Case{
			ID:          "admission/typo-strict",
			Experiments: []string{"strict"},
			Claim:       "With strict field validation, a pod with the field's name misspelt is refused.",
			Source:      validation,
			MinVersion:  "1.25",
			Judge:       func(o suite.Observation) error { return refused(o, "strict", misspeltName) },
		}),
		with(base, suite.Case{
			ID:          "admission/typo-warned",
			Experiments: []string{"warn"},
			Claim:       "With field validation that warns, a pod with the field's name misspelt is admitted without the field, and the answer carries a warning.",
			Source:      validation,
			MinVersion:  "1.25",
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
			ID:          "admission/typo-ignored",
			Experiments: []string{"ignore"},
			Claim:       "Without field validation, a pod with the field's name misspelt is admitted without the field, and nothing tells: its containers will be isolated.",
			Source:      validation,
			MinVersion:  "1.25",
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
