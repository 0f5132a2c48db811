package exempt

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/suite"
)

func TestBuiltin(t *testing.T) {
	anything := func(string) bool { return true }
	require.Equal(t, []string{"builtin:gvisor", "builtin:kata"}, Builtins())
	for name, matches := range map[string][2]string{ // a target that it is about, and one that it is not
		"builtin:gvisor":              {"gvisor", "runsc"},
		"builtin:gvisor@*/runsc":      {"runsc", "gvisor"},
		"builtin:kata":                {"kata-qemu", "gvisor"},
		"builtin:kata@worker*/secure": {"secure", "kata"},
		`builtin:gvisor@*/"a: b"`:     {`"a: b"`, "gvisor"},
	} {
		assert.True(t, IsBuiltin(name))
		text, err := Builtin(name)
		require.NoError(t, err, name)
		list, err := Parse(text, anything)
		require.NoError(t, err, "%s: %s", name, text)
		for _, e := range list {
			assert.True(t, e.Matches(suite.Target{Node: "worker-1", RuntimeClass: matches[0]}), "%s: %s", name, e)
			assert.False(t, e.Matches(suite.Target{Node: "worker-1", RuntimeClass: matches[1]}), "%s: %s", name, e)
			assert.False(t, e.Matches(suite.Target{Node: "gvisor"}), "the default runtime is none of them")
			assert.True(t, strings.HasPrefix(e.Link, "https://github.com/"), e.Link)
		}
	}
	for name, says := range map[string]string{
		"builtin:":            `there is no list "builtin:": the suite's own are builtin:gvisor and builtin:kata`,
		"builtin:runc":        `there is no list "builtin:runc"`,
		"builtin:../gvisor":   "there is no list",
		"gvisor":              `there is no list "gvisor"`,
		"builtin:gvisor@":     "names no targets",
		"builtin:kata@ \t":    "names no targets",
		"builtin:gvisor.yaml": "there is no list",
	} {
		text, err := Builtin(name)
		require.ErrorContains(t, err, says, name)
		assert.Nil(t, text)
	}
	assert.False(t, IsBuiltin("known.yaml"))
}

// FuzzBuiltin: whatever targets are named, the list is read with exactly these, or refused.
func FuzzBuiltin(f *testing.F) {
	for _, targets := range []string{"*/gvisor", "a\nb: c", `"`, "[", "- ", "\xff", "TARGETS", "# x"} {
		f.Add(targets)
	}
	f.Fuzz(func(t *testing.T, targets string) {
		text, err := Builtin("builtin:gvisor@" + targets)
		if err != nil {
			return
		}
		list, err := Parse(text, func(string) bool { return true })
		for _, e := range list {
			if err != nil || e.Target != targets {
				t.Fatalf("%q became %q", targets, e.Target)
			}
		}
	})
}
