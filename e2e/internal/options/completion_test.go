package options

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gotest.tools/v3/golden"
)

func completionOf(t *testing.T, shell Shell) string {
	t.Helper()
	var script bytes.Buffer
	require.NoError(t, WriteCompletion(&script, shell))
	return script.String()
}

func TestCompletion(t *testing.T) {
	var o Options
	for _, shell := range []Shell{Bash, Zsh, Fish} {
		script := completionOf(t, shell)
		golden.Assert(t, script, "completion."+string(shell))
		for _, c := range o.completed() {
			assert.Contains(t, script, c.name, shell)
		}
		if program, err := exec.LookPath(string(shell)); err == nil {
			command := exec.Command(program, "-n")
			command.Stdin = strings.NewReader(script)
			said, err := command.CombinedOutput()
			assert.NoError(t, err, "%s: %s", shell, said)
		}
	}
	flags, _ := o.define()
	for name := range completes {
		assert.NotNil(t, flags.Lookup(name), name)
	}
}

// TestBashCompletes asks a real bash.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	folder := t.TempDir()
	program := filepath.Join(folder, "procns.test")
	list := "#!/bin/sh\nprintf 'pid1/is-the-sandbox  Core  a\\npid1/reaps-orphans  Core  b\\nsignals/hang-up  Core  c\\n'\n"
	require.NoError(t, os.WriteFile(program, []byte(list), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "report.json"), nil, 0o600))
	script := filepath.Join(folder, "completion")
	require.NoError(t, os.WriteFile(script, []byte(completionOf(t, Bash)), 0o600))
	for line, want := range map[string]string{
		"-kubec":                 "-kubeconfig",
		"-print-e":               "-print-exempt",
		"-level ":                "core extended informational",
		"-level e":               "extended",
		"--level e":              "extended",
		"-o = m":                 "markdown",
		"-o =":                   "text json markdown",
		"-run s":                 "signals signals/hang-up",
		"-run pid1/":             "pid1/is-the-sandbox pid1/reaps-orphans",
		"-run pid1/r":            "pid1/reaps-orphans",
		"-run signals,pid1/i":    "signals,pid1/is-the-sandbox",
		"-skip @":                "@host-pid",
		"-baseline rep":          "report.json",
		"-timeout ":              "",
		"-keep -pha":             "-phase",
		"-run pid1 -phase after": "after",
	} {
		words := strings.Split(line, " ")
		command := exec.Command(bash, "--norc", "-c", `. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _procns; echo "${COMPREPLY[*]}"`,
			"bash", script, program)
		command.Args = append(command.Args, words...)
		command.Dir = folder
		said, err := command.CombinedOutput()
		require.NoError(t, err, "%s: %s", line, said)
		assert.Equal(t, want, strings.TrimSpace(string(said)), line)
	}
}
