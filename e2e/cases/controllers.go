package cases

import "procns/e2e/internal/suite"

// controllersCases state that workload templates carry the field into their pods.
func controllersCases() []suite.Case {
	return []suite.Case{}
}
