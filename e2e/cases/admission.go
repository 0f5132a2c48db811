package cases

import "procns/e2e/internal/suite"

// admissionCases state what the API server does with the field.
func admissionCases() []suite.Case {
	return []suite.Case{}
}
