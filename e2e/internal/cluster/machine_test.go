package cluster

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
)

// own are nodes of which one is reached by a command, and of which kind has none.
func own(command ...string) OwnNodes { return OwnNodes{Machines: map[string]Machine{"vm": command}} }

// TestMachineRuns: a command arrives at a machine as it was given, whatever is in its words,
// and what it answers is told from that nobody answered.
func TestMachineRuns(t *testing.T) {
	for name, row := range map[string]struct {
		reach   []string
		command []string
		want    probe.CommandResult
		fails   string
	}{
		"words": {
			reach:   []string{"sh", "-c"},
			command: []string{"printf", "<%s>", "a b", "", "it's", `"$HOME"`, "`id`", `\n`, "*", "a\nb", "é"},
			want:    probe.CommandResult{Stdout: "<a b><><it's><\"$HOME\"><`id`><\\n><*><a\nb><é>"},
		},
		"a script": {
			reach:   []string{"sh", "-c"},
			command: []string{"env", "POD_UID=1", "sh", "-c", `for i in "$@"; do echo "$POD_UID $i"; done`, "script", "a", "b c"},
			want:    probe.CommandResult{Stdout: "1 a\n1 b c\n"},
		},
		"an exit code": {
			reach:   []string{"sh", "-c"},
			command: []string{"sh", "-c", "echo no >&2; exit 3"},
			want:    probe.CommandResult{Stderr: "no\n", Code: 3},
		},
		"no such program": {
			reach:   []string{"sh", "-c"},
			command: []string{"/no/such"},
			want:    probe.CommandResult{Code: 127},
		},
		"a command with its own words": {
			reach:   []string{"env", "HERE=yes", "sh", "-c"},
			command: []string{"printenv", "HERE"},
			want:    probe.CommandResult{Stdout: "yes\n"},
		},
		"nobody answers": {
			reach:   []string{"sh", "-c", "echo 'ssh: connect to host vm: No route to host' >&2; exit 255"},
			command: []string{"true"},
			fails:   "true on node vm: not reached: ssh: connect to host vm: No route to host",
		},
		"no program that reaches it": {
			reach:   []string{"/no/such/ssh"},
			command: []string{"true"},
			fails:   "/no/such/ssh",
		},
		"what reaches it is killed": {
			reach:   []string{"sh", "-c", "kill -KILL $$"},
			command: []string{"true"},
			fails:   "signal: killed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := own(row.reach...).Run(context.Background(), "vm", row.command...)
			if row.fails != "" {
				require.ErrorContains(t, err, row.fails)
				assert.False(t, result.Ran(), "it is told from a command that failed")
				return
			}
			require.NoError(t, err)
			assert.True(t, result.Ran())
			if name == "no such program" {
				assert.NotEmpty(t, result.Stderr)
				result.Stderr = ""
			}
			assert.Equal(t, row.want, result)
		})
	}
}

// TestMachineLate: a command that does not end is given up with its time, and says why.
func TestMachineLate(t *testing.T) {
	late := &probe.DeadlineError{What: "the command on node vm", Within: 50 * time.Millisecond}
	ctx, cancel := context.WithTimeoutCause(context.Background(), late.Within, late)
	defer cancel()
	result, err := own("sh", "-c").Run(ctx, "vm", "sleep", "100")
	require.ErrorIs(t, err, late)
	assert.False(t, result.Ran())
}

// TestMachineRestarts: a machine has restarted when it answers with another boot ID.
func TestMachineRestarts(t *testing.T) {
	for name, row := range map[string]struct {
		reboots string // what systemctl reboot does
		answers string // what asking for the boot ID does
		says    string
		within  time.Duration // all of which is waited for
	}{
		"it restarts": {reboots: `echo b >"$D/boot"`, answers: `cat "$D/boot"`},
		"the connection breaks": {
			reboots: `echo b >"$D/boot"; exit 255`, answers: `cat "$D/boot"`,
		},
		"it is away for a while": {
			reboots: `echo b >"$D/boot"; echo away >"$D/away"`,
			answers: `if [ -e "$D/away" ]; then rm "$D/away"; exit 255; fi; cat "$D/boot"`,
		},
		"it does not restart":    {reboots: `true`, answers: `cat "$D/boot"`, says: "did not start it anew", within: 3 * time.Second},
		"it may not":             {reboots: `echo refused >&2; exit 1`, answers: `cat "$D/boot"`, says: "refused"},
		"it was never there":     {reboots: `true`, answers: `echo no route >&2; exit 255`, says: "asking for the boot ID: not reached: no route"},
		"it does not come back":  {reboots: `rm "$D/boot"`, answers: `[ -e "$D/boot" ] || exit 255; cat "$D/boot"`, says: "does not answer", within: time.Second},
		"it has no such program": {reboots: `exit 127`, answers: `exit 127`, says: "exit code 127"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(folder, "boot"), []byte("a\n"), 0o644))
			script := "#!/bin/sh\nD='" + folder + "'\ncase \"$1\" in\n*reboot*) " + row.reboots + " ;;\n*) " + row.answers + " ;;\nesac\n"
			reach := filepath.Join(folder, "reach")
			require.NoError(t, os.WriteFile(reach, []byte(script), 0o755))
			err := Machine{reach}.restart(context.Background(), cmp.Or(row.within, time.Minute))
			if row.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, row.says)
		})
	}
}

// TestMachineRestartInterrupted: whoever interrupts the run does not wait for a machine.
func TestMachineRestartInterrupted(t *testing.T) {
	stop := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(200*time.Millisecond, func() { cancel(stop) })
	err := Machine{"sh", "-c", "echo a"}.restart(ctx, time.Hour)
	require.ErrorIs(t, err, stop)
}
