package whole

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWrite: a file is there as a whole, or not at all.
func TestWrite(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "report.json")
	require.NoError(t, Write(file, []byte("whole")))
	require.Error(t, Write(filepath.Join(folder, "nowhere", "report.json"), nil))
	require.NoError(t, os.Mkdir(filepath.Join(folder, "taken"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "taken", "a"), nil, 0o600))
	require.Error(t, Write(filepath.Join(folder, "taken"), []byte("half")))
	left, err := filepath.Glob(filepath.Join(folder, ".*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}
