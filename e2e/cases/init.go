package cases

import "procns/e2e/internal/suite"

// initCases state that init containers and sidecars share the namespace.
func initCases() []suite.Case {
	return []suite.Case{}
}
