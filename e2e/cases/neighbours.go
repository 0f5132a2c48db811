package cases

import "procns/e2e/internal/suite"

// neighboursCases state what stays apart and what stays common beside the PID namespace.
func neighboursCases() []suite.Case {
	return []suite.Case{}
}
