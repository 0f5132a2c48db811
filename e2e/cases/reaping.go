package cases

import "procns/e2e/internal/suite"

// reapingCases state who waits for the dead.
func reapingCases() []suite.Case {
	return []suite.Case{}
}
