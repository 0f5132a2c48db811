package cases

import "procns/e2e/internal/suite"

// What Pod Security has to say of the field.

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
			ID:          "admission/restricted-pod-shares",
			Experiments: none(),
			Level:       suite.Extended,
			Claim:       "In a pod that keeps the rules of the restricted level, all containers are in one PID namespace and see each other's processes.",
			Source:      podSecurityDoc + ", Restricted; " + onPurpose,
			Fixture:     hardened,
			Control:     hardenedIsolated,
			Act:         changeField,
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
