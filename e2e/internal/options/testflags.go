package options

import "strings"

// WantsTestOutput tells whether the testing package was asked to print: go test -v and
// -json do so, and what lists tests.
func WantsTestOutput(theirs []string) bool {
	for _, a := range theirs {
		name, value, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if (name == "test.v" || name == "test.list") && value != "false" {
			return true
		}
	}
	return false
}
