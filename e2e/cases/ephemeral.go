package cases

import "procns/e2e/internal/suite"

// ephemeralCases state that ephemeral containers, exec and copies for debugging share the namespace.
func ephemeralCases() []suite.Case {
	return []suite.Case{}
}
