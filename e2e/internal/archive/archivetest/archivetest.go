// Package archivetest reads archives in tests.
package archivetest

import (
	"archive/tar"
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
