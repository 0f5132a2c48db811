package hydrophone

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWriteLast: the line is what Hydrophone's own expression matches (client/logs.go), and one
// line, within which nothing else is.
func TestWriteLast(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteLast(&out))
	assert.Regexp(t, regexp.MustCompile(`Ginkgo ran (00|[1-9]\d{0,2}) suite`), out.String())
	assert.Equal(t, 1, strings.Count(out.String(), "\n"))
	assert.True(t, strings.HasSuffix(out.String(), "\n"))
}

func TestFilter(t *testing.T) {
	core := []string{"pid1/is-the-sandbox [Core] No process is PID 1.", "pid1/is-the-sandbox [Conformance] No process is PID 1."}
	extended := []string{"signals/refused [Extended] A signal is refused."}
	for name, row := range map[string]struct {
		focus, skip    string
		core, extended bool
	}{
		"nothing said":               {"", "", true, true},
		"Hydrophone's default":       {`\[Conformance\]`, "", true, false},
		"by level":                   {`\[Core\]`, "", true, false},
		"both levels":                {`\[(Core|Extended)\]`, "", true, true},
		"by ID":                      {"^signals/", "", false, true},
		"by claim":                   {"is PID 1", "", true, false},
		"skipped, of all":            {"", `\[Conformance\]`, false, true},
		"skip outdoes focus":         {".", "sandbox", false, true},
		"nothing is left":            {"sandbox", "sandbox", false, false},
		"case counts, as for Ginkgo": {"SANDBOX", "", false, false},
	} {
		f, err := NewFilter(row.focus, row.skip)
		require.NoError(t, err, name)
		assert.Equal(t, row.core, f.Passes(core...), name)
		assert.Equal(t, row.extended, f.Passes(extended...), name)
	}
}

func TestFilterSaid(t *testing.T) {
	f, err := NewFilter("a", "b|c")
	require.NoError(t, err)
	assert.Equal(t, "E2E_FOCUS=a, E2E_SKIP=b|c", f.String())
	assert.Empty(t, Filter{}.String())
	_, err = NewFilter("(", "")
	require.ErrorContains(t, err, "E2E_FOCUS: error parsing regexp: missing closing )")
	_, err = NewFilter("", "[")
	require.ErrorContains(t, err, "E2E_SKIP: error parsing regexp")
}

// FuzzFilter: what others write as an expression is refused or used, and never both passes and
// is left out.
func FuzzFilter(f *testing.F) {
	f.Add(`\[Conformance\]`, "", "pid1/a [Conformance] b")
	f.Add("(?i)SIGNALS", `Slow|Disruptive`, "signals/a [Core] b")
	f.Fuzz(func(t *testing.T, focus, skip, text string) {
		one, err := NewFilter(focus, skip)
		if err != nil {
			assert.Zero(t, one)
			return
		}
		if twice, err := NewFilter(focus, focus); err == nil && focus != "" {
			assert.False(t, twice.Passes(text))
		}
		_ = one.Passes(text)
	})
}
