// Package archivetest reads in tests what was packed.
package archivetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// Unpacked are the files of a gzipped tar, by their names.
func Unpacked(t *testing.T, from io.Reader) map[string]string {
	t.Helper()
	packed, err := gzip.NewReader(from)
	require.NoError(t, err)
	files := map[string]string{}
	for in := tar.NewReader(packed); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		text, err := io.ReadAll(in)
		require.NoError(t, err)
		files[header.Name] = string(text)
	}
}

// Gunzip is the text that was compressed.
func Gunzip(t *testing.T, packed []byte) string {
	t.Helper()
	from, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	text, err := io.ReadAll(from)
	require.NoError(t, err)
	return string(text)
}
