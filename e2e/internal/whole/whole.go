// Package whole writes files that somebody may read at any time.
package whole

import (
	"errors"
	"os"
	"path/filepath"
)

// Write writes a file as a whole, or not at all: half a report reads like a broken one.
func Write(file string, content []byte) error {
	hidden := filepath.Join(filepath.Dir(file), "."+filepath.Base(file))
	err := os.WriteFile(hidden, content, 0o644)
	if err == nil {
		err = os.Rename(hidden, file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(hidden))
	}
	return nil
}
