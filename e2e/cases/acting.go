package cases

import (
	"encoding/json"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// encoded is a process as a note.
func encoded(p probe.Process) string {
	text, err := json.Marshal(p)
	if err != nil {
		return "" // plain data can be encoded
	}
	return string(text)
}

// noted is the process that was kept under a name, if it was seen.
func noted(o suite.Observation, name string) (probe.Process, bool) {
	var p probe.Process
	err := json.Unmarshal([]byte(o.Notes[name]), &p)
	return p, err == nil
}

// succeeded demands that a command ran to its end with exit code 0; expected says
// it as a sentence. A command that did not run tells nothing of what it would do.
func succeeded(o suite.Observation, name, expected string, seen ...*probe.Snapshot) error {
	switch r, recorded := o.Ran[name]; {
	case !recorded:
		return suite.CannotTell(expected, "it was not tried", seen...)
	case !r.Ran():
		return suite.Final(suite.CannotTell(expected, r.String(), seen...))
	case r.Code != 0:
		return suite.Final(suite.Violation(expected, failed(r, seen...), seen...))
	}
	return nil
}
