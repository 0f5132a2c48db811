package cases

import "procns/e2e/internal/suite"

// disruptionCases state what becomes of a shared pod when its node is disturbed.
func disruptionCases() []suite.Case {
	return []suite.Case{}
}
