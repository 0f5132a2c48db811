package cases

import "procns/e2e/internal/suite"

// securityCases state that sharing works under the restrictions that clusters put on pods.
func securityCases() []suite.Case {
	return []suite.Case{}
}
