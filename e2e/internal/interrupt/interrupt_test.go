package interrupt

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHandle: the same wish, sent twice, is one; a second one counts from a second on.
func TestHandle(t *testing.T) {
	for name, row := range map[string]struct {
		after  []time.Duration // the first, of the signals that follow
		second int             // how many of these were needed for the second to count; 0: none does
	}{
		"alone":                         {nil, 0},
		"timeout(1)":                    {[]time.Duration{time.Millisecond}, 0},
		"sent thrice at once":           {[]time.Duration{0, time.Millisecond}, 0},
		"just too early":                {[]time.Duration{SecondCounts - 1}, 0},
		"from a second on":              {[]time.Duration{SecondCounts}, 1},
		"twice at once, and then again": {[]time.Duration{time.Millisecond, 20 * time.Second}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			signals := make(chan os.Signal, 9)
			signals <- syscall.SIGTERM
			for range row.after {
				signals <- syscall.SIGTERM
			}
			close(signals)
			began, read := time.Now(), 0
			now := func() time.Time {
				read++
				if read == 1 {
					return began
				}
				return began.Add(row.after[read-2])
			}
			first, second := 0, 0
			Handle(signals, now, func(os.Signal) { first++ }, func(os.Signal) { second = read - 1 })
			assert.Equal(t, 1, first)
			assert.Equal(t, row.second, second)
		})
	}
}

// child is the environment variable by which the test binary knows that it is one.
const child = "PROCNS_INTERRUPT_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	ctx, cancel := Context(func(string) {}, 7)
	defer cancel()
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("before the pipe breaks or after it") // must not end the process
	_ = os.WriteFile(os.Getenv(child), []byte("cleaned up"), 0o600)
	if os.Getenv(child+"_HANGS") != "" {
		select {}
	}
	os.Exit(5)
}

// TestSignals: a process that is told to end does what it does at its end.
func TestSignals(t *testing.T) {
	// Under nohup SIGHUP is ignored, and a child inherits that; not so what is caught here.
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	defer signal.Stop(heard)
	for name, row := range map[string]struct {
		signals []syscall.Signal
		apart   time.Duration // between two of them
		closes  bool          // the reader of its standard output goes first
		hangs   bool          // in its clean-up
		exit    int
	}{
		"Ctrl-C":                  {signals: []syscall.Signal{syscall.SIGINT}, exit: 5},
		"a closed terminal":       {signals: []syscall.Signal{syscall.SIGHUP}, closes: true, exit: 5},
		"timeout(1)":              {signals: []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, exit: 5},
		"twice, with time enough": {signals: []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, apart: SecondCounts + 100*time.Millisecond, hangs: true, exit: 7},
	} {
		t.Run(name, func(t *testing.T) {
			mark := t.TempDir() + "/mark"
			command := exec.CommandContext(t.Context(), os.Args[0])
			command.Env = append(os.Environ(), child+"="+mark)
			if row.hangs {
				command.Env = append(command.Env, child+"_HANGS=1")
			}
			reader, writer, err := os.Pipe()
			require.NoError(t, err)
			command.Stdout = writer
			require.NoError(t, command.Start())
			require.NoError(t, writer.Close())
			line, err := bufio.NewReader(reader).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "ready\n", line)
			if row.closes {
				require.NoError(t, reader.Close())
			}
			for i, s := range row.signals {
				if i > 0 {
					time.Sleep(row.apart) // the time that a person takes
				}
				require.NoError(t, command.Process.Signal(s))
			}
			_ = command.Wait()
			assert.Equal(t, row.exit, command.ProcessState.ExitCode())
			text, err := os.ReadFile(mark)
			require.NoError(t, err)
			assert.Equal(t, "cleaned up", string(text))
		})
	}
}

// TestNohup: who started the process so that it outlives the terminal is heard.
func TestNohup(t *testing.T) {
	command := exec.CommandContext(t.Context(), "sh", "-c", `trap '' HUP; exec "$0"`, os.Args[0])
	command.Env = append(os.Environ(), child+"="+t.TempDir()+"/mark")
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	lines := bufio.NewReader(out)
	_, err = lines.ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, command.Process.Signal(syscall.SIGHUP))
	require.NoError(t, command.Process.Kill())
	rest, _ := io.ReadAll(lines)
	_ = command.Wait()
	assert.Empty(t, strings.TrimSpace(string(rest)), "it went on until it was killed")
}
