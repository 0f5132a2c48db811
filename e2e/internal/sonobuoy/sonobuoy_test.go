package sonobuoy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"procns/e2e/internal/archive/archivetest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sent is what Sonobuoy's worker sends once it is told to: the path is read again, its
// white space cut, and an archive unpacked, of which files and folders count alone.
func sent(t *testing.T, shared string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared, Done))
	require.NoError(t, err)
	path := strings.TrimSpace(string(text))
	about, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, about.Mode().IsRegular(), "a folder the worker would have to pack itself")
	assert.NotZero(t, about.Mode()&0o004, "the worker is another user")
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	if filepath.Ext(path) != ".gz" {
		content, err := io.ReadAll(file)
		require.NoError(t, err)
		return map[string]string{filepath.Base(path): string(content)}
	}
	return archivetest.Unpacked(t, file)
}

func TestConclude(t *testing.T) {
	shared := t.TempDir()
	folder := filepath.Join(shared, "procns")
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "worker"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, ResultsFile), []byte("name: procns\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "worker", "pod.json"), []byte("{}"), 0o600))
	assert.False(t, Concluded(shared))
	require.NoError(t, Conclude(shared, folder))
	assert.True(t, Concluded(shared))
	assert.Equal(t, map[string]string{ResultsFile: "name: procns\n", "worker/": "", "worker/pod.json": "{}"}, sent(t, shared))
	left, err := filepath.Glob(filepath.Join(shared, ".*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestConcludeWithoutArchive: the results reach the worker even where they cannot be packed.
func TestConcludeWithoutArchive(t *testing.T) {
	shared := t.TempDir()
	folder := filepath.Join(shared, "procns")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, ResultsFile), []byte("name: procns\n"), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(shared, Archive), 0o755)) // in its place
	require.NoError(t, os.WriteFile(filepath.Join(shared, Archive, "a"), nil, 0o600))
	assert.ErrorContains(t, Conclude(shared, folder), "the evidence is not among Sonobuoy's results")
	assert.Equal(t, map[string]string{ResultsFile: "name: procns\n"}, sent(t, shared))

	require.Error(t, Conclude(shared, filepath.Join(shared, "nothing")))
	assert.Error(t, Conclude(filepath.Join(shared, "nowhere"), folder))
}

// listener is the worker's side: it keeps what it hears.
type listener struct {
	heard  chan Update
	let    chan struct{} // each message waits for it
	status int
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var u Update
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if r.Method != http.MethodPost || r.URL.Path != "/progress" || decoder.Decode(&u) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	l.heard <- u
	<-l.let
	w.WriteHeader(l.status)
}

func portOf(t *testing.T, server *httptest.Server) string {
	t.Helper()
	address, err := url.Parse(server.URL)
	require.NoError(t, err)
	return address.Port()
}

func TestProgress(t *testing.T) {
	l := &listener{heard: make(chan Update, 9), let: make(chan struct{}, 9), status: http.StatusOK}
	server := httptest.NewServer(l)
	defer server.Close()
	p := TellProgress(portOf(t, server), t.Logf)
	p.Begin(100, "on 2 targets")
	assert.Equal(t, Update{Message: "on 2 targets", Total: 100}, <-l.heard)
	// While that is under way, a lot happens.
	for i := range 50 {
		p.Ended(fmt.Sprintf("case %d", i), fmt.Sprintf("failure %d", i))
	}
	p.Ended("a pass", "")
	l.let <- struct{}{}
	all := <-l.heard
	assert.Equal(t, int64(51), all.Completed)
	assert.Equal(t, "a pass", all.Message)
	assert.Len(t, all.Failures, 21)
	assert.Equal(t, "and 30 more", all.Failures[20])
	l.let <- struct{}{}
	l.let <- struct{}{}
	p.Close("procns: conformant")
	p.Close("again")
	p.Ended("too late", "")
	assert.Equal(t, "procns: conformant", (<-l.heard).Message)
	assert.Empty(t, l.heard, "nothing was told twice")
}

// TestProgressUnheard: a worker that refuses, or none, is told of once and changes nothing.
func TestProgressUnheard(t *testing.T) {
	l := &listener{heard: make(chan Update, 9), let: make(chan struct{}, 9), status: http.StatusInternalServerError}
	refuses := httptest.NewServer(l)
	defer refuses.Close()
	gone := httptest.NewServer(nil)
	port := portOf(t, gone)
	gone.Close()
	for name, at := range map[string]string{"it answers 500": portOf(t, refuses), "refused": port} {
		logged := make(chan string, 9)
		p := TellProgress(at, func(format string, args ...any) { logged <- fmt.Sprintf(format, args...) })
		l.let <- struct{}{}
		l.let <- struct{}{}
		p.Begin(2, "a")
		first := <-logged
		p.Close("b")
		assert.Contains(t, first, name)
		assert.Empty(t, logged)
	}
	var nobody *Progress = TellProgress("", t.Logf)
	nobody.Begin(1, "a")
	nobody.Ended("a", "b")
	nobody.Close("c")
}
