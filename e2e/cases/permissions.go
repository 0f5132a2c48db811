package cases

import "procns/e2e/internal/suite"

// permissionsCases state who may do what to whose process.
func permissionsCases() []suite.Case {
	return []suite.Case{}
}
