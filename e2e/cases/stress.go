package cases

import "procns/e2e/internal/suite"

// stressCases state that load does not wedge a shared pod.
func stressCases() []suite.Case {
	return []suite.Case{}
}
