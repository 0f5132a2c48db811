package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/suite"
)

// TestFollowerOpensAgain: a log whose stream ends while the container runs is read on,
// with no line lost or twice; where that cannot be had, it is said.
func TestFollowerOpensAgain(t *testing.T) {
	broken := errors.New("connection reset by peer")
	cut := func(text string) io.Reader { return io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)) }
	whole := strings.NewReader
	gone := errors.New("pod not found")
	for name, row := range map[string]struct {
		streams []io.Reader // nil: the server refuses
		runs    int         // how often the container is said to run after the first stream
		want    string
		lost    error
	}{
		"at its end":                  {[]io.Reader{whole("a\nb\n"), whole("a\nb\n")}, 0, "a\nb\n", nil},
		"and the pod is gone":         {[]io.Reader{whole("a\nb\n"), nil}, 0, "a\nb\n", nil},
		"closed by the server":        {[]io.Reader{whole("a\n"), whole("a\nb\n"), whole("a\nb\nc\n")}, 1, "a\nb\nc\n", nil},
		"closed within a line":        {[]io.Reader{whole("a\nb"), whole("a\nbb\n")}, 0, "a\nbb\n", nil},
		"broken":                      {[]io.Reader{cut("a\n"), whole("a\nb\n")}, 0, "a\nb\n", nil},
		"broken again":                {[]io.Reader{cut("a\nb\n"), cut("a\n"), whole("a\nb\nc\n")}, 0, "a\nb\nc\n", nil},
		"broken, and the pod gone":    {[]io.Reader{cut("a\n"), nil}, 0, "a\n", broken},
		"refused for a while":         {[]io.Reader{cut("a\n"), nil, nil, whole("a\nb\n")}, 2, "a\nb\n", nil},
		"removed with its container":  {[]io.Reader{whole("a\nb\n"), whole("unable to retrieve container logs for containerd://1a2b")}, 1, "a\nb\n", nil},
		"removed before its end":      {[]io.Reader{cut("a\n"), whole("unable to retrieve container logs for containerd://1a2b")}, 1, "a\n", broken},
		"ended, and another is there": {[]io.Reader{whole("a\n"), whole("c\n")}, 0, "a\n", nil},
		"kubelet cannot follow":       {[]io.Reader{whole("a\nfailed to create fsnotify watcher: too many open files"), whole("a\nb\n")}, 0, "a\nb\n", nil},
		"began anew":                  {[]io.Reader{whole("a\nb\n"), whole("c\n")}, 2, "a\nb\n", errBeganAnew},
	} {
		t.Run(name, func(t *testing.T) {
			next, runs := 1, row.runs
			f := follower{
				open: func() (io.ReadCloser, error) {
					stream := row.streams[next]
					next++
					if stream == nil {
						return nil, gone
					}
					return io.NopCloser(stream), nil
				},
				runs: func() bool { runs--; return runs >= 0 },
			}
			assert.ErrorIs(t, f.follow(t.Context(), io.NopCloser(row.streams[0])), row.lost)
			assert.Equal(t, row.want, string(f.said))
			assert.Equal(t, len(row.streams), next, "streams opened")
		})
	}
}

// TestWatchIsOpenedAgain: a server that closes a watch does not end the wait for an event.
func TestWatchIsOpenedAgain(t *testing.T) {
	for name, row := range map[string]struct {
		streams []string // the last one again and again
		within  time.Duration
		want    string
		opened  int32
	}{
		"at once":               {[]string{`{"a":1}{"a":2}`}, time.Minute, `{"a":2}`, 1},
		"closed before":         {[]string{`{"a":1}`, ``, `{"a":1}{"a":2}`}, time.Minute, `{"a":2}`, 3},
		"closed within":         {[]string{`{"a":1}{"a`, `{"a":2}`}, time.Minute, `{"a":2}`, 2},
		"the history is gone":   {[]string{`{"type":"ERROR","object":{"code":410}}`, `{"a":2}`}, time.Minute, `{"a":2}`, 2},
		"the time is over":      {[]string{`{"a":1}`}, 2 * time.Second, "", 2},
		"the connection breaks": {[]string{"break", `{"a":2}`}, time.Minute, `{"a":2}`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var opened atomic.Int32
			session := sessionWith(t, func(w http.ResponseWriter, _ *http.Request) {
				n := int(opened.Add(1))
				text := row.streams[min(n, len(row.streams))-1]
				if text == "break" {
					panic(http.ErrAbortHandler)
				}
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, text)
			})
			answer, err := session.Request(t.Context(), suite.Request{
				Verb: "GET", Path: "pods", Within: row.within, Until: func(event []byte) bool { return bytes.Contains(event, []byte("2")) },
			})
			require.NoError(t, err)
			assert.Equal(t, row.want, answer.Body)
			assert.Equal(t, http.StatusOK, answer.Code)
			assert.GreaterOrEqual(t, opened.Load(), row.opened)
		})
	}

	// The end of the run is not the end of the wait.
	over := errors.New("interrupted")
	ctx, end := context.WithCancelCause(t.Context())
	session := sessionWith(t, func(w http.ResponseWriter, _ *http.Request) { end(over) })
	_, err := session.Request(ctx, suite.Request{Verb: "GET", Path: "pods", Within: time.Minute, Until: func([]byte) bool { return false }})
	require.ErrorIs(t, err, over)
}

// TestLogsNotAllowed: the refusal of the permission is told from other troubles.
func TestLogsNotAllowed(t *testing.T) {
	for code, allowed := range map[int]bool{http.StatusForbidden: false, http.StatusNotFound: true} {
		session := sessionWith(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, code, http.StatusText(code), "not for you") })
		_, err := session.Logs(t.Context(), "p", "c", false)
		assert.Equal(t, !allowed, errors.Is(err, suite.ErrNotAllowed))
		assert.ErrorContains(t, err, "not for you")
		_, err = session.FollowLogs(t.Context(), "p", "c")
		assert.Equal(t, !allowed, errors.Is(err, suite.ErrNotAllowed))
		_, err = session.Events(t.Context(), "p")
		assert.Equal(t, !allowed, errors.Is(err, suite.ErrNotAllowed))
	}
}
