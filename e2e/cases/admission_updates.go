package cases

import "procns/e2e/internal/suite"

// The field of a pod that exists.

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
			ID:          "admission/immutable-by-merge-patch",
			Claim:       "A JSON merge patch can neither remove the field from a running pod nor set it to false.",
			Experiments: []string{"label", "merge-absent", "merge-false"},
			Judge:       unchanged("true", "label", "merge-absent", "merge-false"),
		}),
		with(shared, suite.Case{
			ID:          "admission/immutable-by-strategic-patch",
			Claim:       "A strategic merge patch cannot remove the field from a running pod.",
			Experiments: []string{"label", "strategic-absent"},
			Judge:       unchanged("true", "label", "strategic-absent"),
		}),
		with(shared, suite.Case{
			ID:          "admission/immutable-by-apply",
			Claim:       "Server-side apply, forced, cannot set the field of a running pod to false.",
			MinVersion:  "1.22",
			Experiments: []string{"label", "apply-false"},
			Judge:       unchanged("true", "label", "apply-false"),
		}),
		with(shared, suite.Case{
			ID:          "admission/immutable-by-replacement",
			Claim:       "Replacing a running pod's object by one without the field is refused.",
			Experiments: []string{"label", "replace-absent"},
			Judge:       unchanged("true", "label", "replace-absent"),
		}),
		with(shared, suite.Case{
			ID:          "admission/immutable-where-absent",
			Claim:       "The field cannot be set on a running pod that was created without it, neither by patch nor by apply nor by replacement.",
			MinVersion:  "1.22",
			Fixture:     hardenedIsolated,
			Control:     hardened,
			Experiments: []string{"label", "merge-true", "apply-true", "replace-true"},
			Judge:       unchanged("absent", "label", "merge-true", "apply-true", "replace-true"),
		}),
		with(shared, suite.Case{
			ID:          "admission/immutable-through-status",
			Claim:       "A write to a pod's status that carries another value of the field does not change it.",
			Experiments: []string{"status-false", "label"},
			Judge:       ineffective("status-false"),
		}),
		with(shared, suite.Case{
			ID:          "admission/immutable-through-ephemeral-containers",
			Claim:       "A write to a pod's ephemeral containers that carries another value of the field does not change it.",
			MinVersion:  "1.25",
			Experiments: []string{"ephemeral-false", "label"},
			Judge:       ineffective("ephemeral-false"),
		}),
		with(shared, suite.Case{
			ID:          "admission/immutable-through-resize",
			Claim:       "A write to a pod's resize subresource that carries another value of the field does not change it.",
			MinVersion:  "1.33",
			Experiments: []string{"resize-false", "label"},
			Judge:       ineffective("resize-false"),
		}),
		with(gated, suite.Case{
			ID:          "admission/immutable-when-gated",
			Claim:       "The field cannot be removed or set to false on a pod that waits at a scheduling gate, although its scheduling directives can be changed.",
			Experiments: []string{"node-selector", "merge-absent", "merge-false", "replace-absent"},
			Judge:       unchanged("true", "node-selector", "merge-absent", "merge-false", "replace-absent"),
		}),
		with(gated, suite.Case{
			ID:          "admission/immutable-when-gated-and-absent",
			Claim:       "The field cannot be set on a pod that waits at a scheduling gate, although its scheduling directives can be changed.",
			Fixture:     "admission-gated-isolated.yaml",
			Control:     "admission-gated.yaml",
			Experiments: []string{"node-selector", "merge-true", "replace-true"},
			Judge:       unchanged("absent", "node-selector", "merge-true", "replace-true"),
		}),
	}
}
