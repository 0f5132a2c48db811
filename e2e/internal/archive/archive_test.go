package archive

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"procns/e2e/internal/archive/archivetest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func someFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "worker", "pod"), 0o755))
	for name, text := range map[string]string{"report.json": "{}", "worker/pod/pod.json": "{pod}", "empty": ""} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	return folder
}

var all = map[string]string{"report.json": "{}", "worker/": "", "worker/pod/": "", "worker/pod/pod.json": "{pod}", "empty": ""}

func TestWrite(t *testing.T) {
	folder := someFolder(t)
	socket, err := net.Listen("unix", filepath.Join(folder, "s"))
	require.NoError(t, err)
	defer socket.Close()
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(folder, "link")))
	var out bytes.Buffer
	require.NoError(t, Write(&out, folder))
	assert.Equal(t, all, archivetest.Unpacked(t, &out))

	out.Reset()
	require.NoError(t, Write(&out, folder, filepath.Join(folder, "empty")))
	assert.NotContains(t, archivetest.Unpacked(t, &out), "empty")
}

func TestWriteFile(t *testing.T) {
	folder := someFolder(t)
	file := filepath.Join(folder, "procns.tar.gz")
	for range 2 { // the second time, the first archive is there
		require.NoError(t, WriteFile(file, folder))
		in, err := os.Open(file)
		require.NoError(t, err)
		assert.Equal(t, all, archivetest.Unpacked(t, in))
		require.NoError(t, in.Close())
	}
	about, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o644), about.Mode(), "another user reads it")
}

// full fails after so many bytes, as a full disk or a broken connection does.
type full int

func (f *full) Write(p []byte) (int, error) {
	if *f -= full(len(p)); *f < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestWriteFails(t *testing.T) {
	assert.Error(t, Write(io.Discard, "/nonexistent/folder"))
	room := full(100)
	assert.ErrorContains(t, Write(&room, someFolder(t)), "no space left")
	folder := t.TempDir()
	require.Error(t, WriteFile(filepath.Join(folder, "a.tar.gz"), "/nonexistent/folder"))
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, left, "nothing half-made is left")
}

// TestGzip: what was compressed is read as it was, and is the same bytes each time, whoever else
// compresses something meanwhile.
func TestGzip(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "a text": strings.Repeat("a process\n", 1000), "none": "\x00\xff"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			packed := Gzip([]byte(text))
			assert.Equal(t, text, archivetest.Gunzip(t, packed))
			assert.Equal(t, packed, Gzip([]byte(text)))
		})
	}
}
