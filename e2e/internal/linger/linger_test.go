package linger

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// folder has a short name: a socket's must not be longer than 104 bytes.
func folder(t *testing.T) string {
	t.Helper()
	name, err := os.MkdirTemp("", "linger")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(name) })
	return name
}

func listen(t *testing.T, in string) *Run {
	t.Helper()
	r, err := Listen(in)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// TestFetched: who comes early waits for the end, and the run waits for who comes.
func TestFetched(t *testing.T) {
	in := folder(t)
	r := listen(t, in)
	heard := make(chan string, 9)
	visits := make(chan *Visit)
	go func() {
		v, err := AwaitEnd(in, func(text string) { heard <- text })
		assert.NoError(t, err)
		visits <- v
	}()
	r.SoFar("1 of 2 results\nand so on")
	assert.Equal(t, "1 of 2 results and so on", <-heard)
	assert.True(t, r.Visited())
	r.Ended(2)
	r.Ended(0) // it ends once
	v := <-visits
	require.NotNil(t, v)
	assert.Equal(t, 2, v.ExitCode)
	require.NoError(t, v.Done(true))
	assert.True(t, r.Await(t.Context(), time.Minute))

	late, err := AwaitEnd(in, func(string) {})
	require.NoError(t, err)
	assert.Equal(t, 2, late.ExitCode, "it can be fetched again")
	require.NoError(t, late.Done(false))
}

// TestFetchedTwice: where two are there, because the connection of the first was cut and nobody
// told it, the run waits for the second as well.
func TestFetchedTwice(t *testing.T) {
	in := folder(t)
	r := listen(t, in)
	r.Ended(0)
	first, err := AwaitEnd(in, func(string) {})
	require.NoError(t, err)
	second, err := AwaitEnd(in, func(string) {})
	require.NoError(t, err)
	awaited := make(chan bool, 1)
	go func() { awaited <- r.Await(t.Context(), time.Minute) }()
	require.NoError(t, first.Done(true))
	<-r.fetched
	assert.Never(t, func() bool { return len(awaited) > 0 }, 100*time.Millisecond, 10*time.Millisecond)
	require.NoError(t, second.Done(true))
	assert.True(t, <-awaited)

	third, err := AwaitEnd(in, func(string) {})
	require.NoError(t, err)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	r.Await(ended, time.Minute) // somebody wants the run to end
	assert.Less(t, time.Since(began), forOthers)
	require.NoError(t, third.Done(false))
}

// TestNotFetched: a broken connection is not taken for a fetch, and a run does not wait
// longer than it was told to, or once it is told to end.
func TestNotFetched(t *testing.T) {
	in := folder(t)
	r := listen(t, in)
	r.Ended(0)
	v, err := AwaitEnd(in, func(string) {})
	require.NoError(t, err)
	require.NoError(t, v.Done(false))
	assert.Eventually(t, func() bool { return !r.Visited() }, 10*time.Second, time.Millisecond)
	assert.False(t, r.Await(t.Context(), time.Millisecond))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	assert.False(t, r.Await(ended, time.Hour))
}

// TestGone: a run that died says nothing, and its socket does not stop the next one.
func TestGone(t *testing.T) {
	in := folder(t)
	_, err := AwaitEnd(in, func(string) {})
	require.ErrorIs(t, err, ErrNoRun)

	dead, err := net.Listen("unix", Socket(in))
	require.NoError(t, err)
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	go func() {
		c, err := dead.Accept()
		if err == nil {
			_ = c.Close()
		}
	}()
	_, err = AwaitEnd(in, func(string) {})
	assert.ErrorContains(t, err, "went away before its end")
	require.NoError(t, dead.Close())
	_, err = AwaitEnd(in, func(string) {})
	require.ErrorIs(t, err, ErrNoRun, "its socket is left")

	listen(t, in)
	_, err = Listen(in)
	assert.ErrorContains(t, err, "another run works in")
}

func TestListenFails(t *testing.T) {
	_, err := Listen("/nonexistent/folder")
	assert.Error(t, err)
	_, err = Listen(strings.Repeat("/long", 50))
	assert.Error(t, err)
}

// TestNobody: a run that was not told to wait says all the same what it would.
func TestNobody(t *testing.T) {
	var r *Run
	r.SoFar("anything")
	r.Ended(0)
}
