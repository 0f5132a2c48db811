package cases

import "procns/e2e/internal/suite"

// lifecycleCases state what becomes of a pod when its processes end.
func lifecycleCases() []suite.Case {
	return []suite.Case{}
}
