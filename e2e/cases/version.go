package cases

import "procns/e2e/internal/suite"

// versionCases state since when the field works, and that it does here.
func versionCases() []suite.Case {
	return []suite.Case{{
		ID:      "version/field-is-kept",
		Level:   suite.Core,
		Claim:   "The server stores shareProcessNamespace: true as it was sent.",
		Source:  page + ", feature state stable since v1.17; " + onConfiguring,
		Fixture: documented,
		Control: isolated,
		// Of a pod that runs, nothing is judged where the server stored another than was sent.
		Submit: suite.Stored,
		Judge:  func(o suite.Observation) error { return accepted(o, "create", "true") },
	}}
}
