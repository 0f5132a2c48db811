package report

import (
	"testing"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/suite"
)

// TestGroup: what is the same is told once, and of no pair of case and target of
// which it is not true.
func TestGroup(t *testing.T) {
	skipped := func(c suite.Case, on suite.Target, why string) suite.Result {
		return result(c, on, suite.Skipped, because(why))
	}
	run := withResults(
		skipped(pid1, workerA, "old"), skipped(pid1, workerB, "old"),
		skipped(hup, workerA, "old"), skipped(hup, workerB, "forbidden"),
		skipped(environ, workerA, "old"), skipped(environ, workerB, "old"),
		result(ptrace, workerA, suite.Conformant), skipped(ptrace, workerB, ""),
	)
	var said []string
	for _, a := range run.skipped() {
		said = append(said, a.String())
	}
	assert.DeepEqual(t, said, []string{
		"pid1/is-the-sandbox, secrets/environ on worker-a, worker-b/gvisor: old",
		"signals/hup-replaces-workers on worker-a: old",
		"signals/hup-replaces-workers on worker-b/gvisor: forbidden",
		"permissions/hup-without-ptrace on worker-b/gvisor: no reason given",
	})
}
