package cases

import (
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// endsWithPID1: PID 1 ends of a signal, and the command that sent it with it.
func endsWithPID1(container, command, printed string) breakage {
	return breakage{"PID 1 ends of a signal, and the command that sent it with it", func(o *suite.Observation) {
		sandboxReplaced(container).apply(o)
		o.Ran[command] = probe.CommandResult{Code: 137, Stdout: printed}
	}}
}
