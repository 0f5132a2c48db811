package wrapper

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRelay: all that a container said arrives, and its output ends with its first process, although
// another holds it.
func TestRelay(t *testing.T) {
	given := [2]*os.File{os.Stdout, os.Stderr}
	t.Cleanup(func() { os.Stdout, os.Stderr = given[0], given[1] })
	out, toOut, err := os.Pipe()
	require.NoError(t, err)
	errors, toErrors, err := os.Pipe()
	require.NoError(t, err)
	os.Stdout, os.Stderr = toOut, toErrors

	r, err := interpose()
	require.NoError(t, err)
	first := exec.Command("sh", "-c", "echo said; sleep 60 & echo $! >&2; read -r line; echo last")
	first.Stdout, first.Stderr = os.Stdout, os.Stderr
	first.WaitDelay = 1 // nobody but the relay reads
	end, err := first.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, first.Start())
	require.NoError(t, r.start(first.Process.Pid))
	assert.Equal(t, toOut, os.Stdout, "the shim's own is back")
	require.NoError(t, toOut.Close())
	require.NoError(t, toErrors.Close())

	require.NoError(t, end.Close())
	said, err := io.ReadAll(out) // until the relay has ended
	require.NoError(t, err)
	assert.Equal(t, "said\nlast\n", string(said))
	text, err := io.ReadAll(errors)
	require.NoError(t, err)
	survivor, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	assert.NoError(t, syscall.Kill(survivor, syscall.SIGKILL), "it lives, and holds the output")
	_ = first.Wait() // its exit code is that of a read that ended
}

func TestRelayOfNobody(t *testing.T) {
	assert.Equal(t, 1, Relay("nobody"))
}
