package cases

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// wrote changes what a container of init.yaml wrote down as it started.
func wrote(o *suite.Observation, by string, change func(string) string) {
	files := o.Before["main"].Files
	access := files[seenBy(by)]
	access.Text = change(access.Text)
	files[seenBy(by)] = access
}

// ownNamespace makes a container write down a namespace in which it is PID 1.
func ownNamespace(by string) breakage {
	return breakage{by + " has a PID namespace of its own", func(o *suite.Observation) {
		wrote(o, by, func(string) string {
			return "self " + statLine(1, 0, 5) + "\nnamespace pid:[1]\nprocess " + statLine(1, 0, 5) + "\n"
		})
	}}
}

// statLine is a line as /proc/PID/stat has it.
func statLine(pid, ppid, start int) string {
	return fmt.Sprintf("%d (sh) S %d %s%d 0 0", pid, ppid, strings.Repeat("0 ", 17), start)
}

// leftBehind is the line that the first init container wrote of its leftover.
func leftBehind(o *suite.Observation) string { return o.Before["main"].Files[leftFile].Text }

var (
	selfLine = regexp.MustCompile(`(?m)^self [0-9]+`)

	// Namespaces' inodes are given again: only PID 1 tells these two apart.
	inodeGivenAgain = breakage{"the namespace is another one with the same inode", func(o *suite.Observation) {
		wrote(o, "second", func(text string) string {
			return regexp.MustCompile(`(?m)^process 1 \(.*$`).ReplaceAllString(text, "process "+statLine(1, 0, 5))
		})
	}}
	leftoverAlive = func(by string) breakage {
		return breakage{"the leftover is alive when " + by + " starts", func(o *suite.Observation) {
			wrote(o, by, func(text string) string { return text + leftBehind(o) })
		}}
	}
)

// initBreakages are the faults that the cases of init must find.
var initBreakages = map[string][]breakage{
	"init/one-namespace": {ownNamespace("first"), ownNamespace("second"), inodeGivenAgain, namespaceOf("main")},
	"init/not-pid-1": {
		ownNamespace("first"), ownNamespace("second"),
		{"an init container's process is a child of PID 1", func(o *suite.Observation) {
			wrote(o, "first", func(text string) string {
				return regexp.MustCompile(`(?m)^(process [0-9]+ \(sh\) .) 0 `).ReplaceAllString(text, "$1 1 ")
			})
		}},
		{"the sandbox is not to be seen", func(o *suite.Observation) {
			wrote(o, "first", func(text string) string { return strings.Replace(text, "process 1 (pause)", "process 999 (pause)", 1) })
		}},
	},
	"init/sees-only-the-sandbox-besides": {
		ownNamespace("second"), leftoverAlive("second"), inodeGivenAgain,
		{"the container behind has started already", func(o *suite.Observation) {
			wrote(o, "first", func(text string) string { return text + "process " + statLine(9999, 0, 77) + "\n" })
		}},
	},
	"init/leftovers-are-gone": {
		leftoverAlive("second"), leftoverAlive("main"), ownNamespace("first"), ownNamespace("main"),
		{"the leftover is a zombie", func(o *suite.Observation) {
			wrote(o, "main", func(text string) string { return text + strings.Replace(leftBehind(o), "(sh) R", "(sh) Z", 1) })
		}},
		{"the leftover appears later", func(o *suite.Observation) {
			o.Before["main"].Processes = append(o.Before["main"].Processes, probe.Process{PID: 9999, PPID: 1, Argv: []string{"sh", o.Markers["left"]}})
		}},
	},
}

func TestParseStat(t *testing.T) {
	p, err := probe.ParseStat("42 (a (b) c) S 7 42 42 0 -1 4194560 1 0 0 0 0 1 0 0 20 0 1 0 1322405 3362816 462")
	require.NoError(t, err)
	assert.Equal(t, probe.Identity{PID: 42, StartTime: 1322405}, p.Identity())
	assert.Equal(t, 7, p.PPID)
	assert.Equal(t, "a (b) c", p.Comm)
	assert.Equal(t, "S", p.State)
	for _, line := range []string{"", "42", "42 (sh) S 7", "x (sh) " + strings.Repeat("1 ", 30), "42 (sh) S x " + strings.Repeat("1 ", 30)} {
		_, err := probe.ParseStat(line)
		assert.Error(t, err, line)
	}
}

func TestParseWritten(t *testing.T) {
	whole := "self " + statLine(7, 0, 70) + "\nnamespace pid:[4026536454]\nprocess " + statLine(1, 0, 10) + "\nprocess " + statLine(7, 0, 70) + "\n"
	s, err := parseWritten("first", whole)
	require.NoError(t, err)
	assert.Equal(t, 7, s.Self)
	assert.Equal(t, uint64(4026536454), s.Namespaces["pid"])
	assert.Len(t, s.Processes, 2)
	for name, text := range map[string]string{
		"nothing":             "",
		"no namespace":        strings.Replace(whole, "namespace", "ns", 1),
		"no own process":      selfLine.ReplaceAllString(whole, "self 8"),
		"a broken namespace":  strings.Replace(whole, "pid:[", "pid:", 1),
		"cut short in a line": whole[:len(whole)-20],
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseWritten("first", text)
			assert.Error(t, err)
		})
	}
}
