package conformance

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/cases"
	"procns/e2e/internal/exempt"
	"procns/e2e/internal/locked"
	"procns/e2e/internal/suite"
)

// TestBuiltinExemptions: the suite's own lists name cases that there are, beside each other
// and beside a file, and are printed as such a file.
func TestBuiltinExemptions(t *testing.T) {
	own := write(t, "exemptions:\n- {case: pid1/is-the-sandbox, target: '*', reason: known, link: 'https://example.com'}\n")
	list, err := readExemptions(append(exempt.Builtins(), own), cases.All())
	require.NoError(t, err)
	assert.Greater(t, len(list), 5)
	assert.Equal(t, "pid1/is-the-sandbox", list[len(list)-1].Case)

	for _, name := range exempt.Builtins() {
		var stdout, stderr locked.Buffer
		run, code := Begin([]string{"-print-exempt", name}, "test", &stdout, &stderr)
		require.Nil(t, run)
		require.Equal(t, suite.ExitConformant, code, stderr.String())
		printed, err := readExemptions([]string{write(t, stdout.String())}, cases.All())
		require.NoError(t, err)
		built, err := readExemptions([]string{name}, cases.All())
		require.NoError(t, err)
		assert.Equal(t, built, printed)
	}
	for _, arguments := range [][]string{{"-exempt", "builtin:runc"}, {"-print-exempt", "builtin:runc"}, {"-print-exempt", ""}} {
		var stdout, stderr locked.Buffer
		_, code := Begin(arguments, "test", &stdout, &stderr)
		assert.Equal(t, suite.ExitUsage, code)
		assert.NotEmpty(t, stderr.String())
	}
}
