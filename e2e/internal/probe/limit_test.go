package probe

import (
	"fmt"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

// TestFileLimit: a file of as many bytes as are read may be longer, and that is said; the
// thousand requests of a rotated log are far from it.
func TestFileLimit(t *testing.T) {
	assert.Equal(t, 2, strings.Count(observeScript, fmt.Sprintf("head -c %d ", FileLimit)))
	assert.Assert(t, FileLimit > 1000*500)
	for length, cut := range map[int]bool{0: false, 65536: false, FileLimit - 1: false, FileLimit: true} {
		assert.Equal(t, cut, frame{stdout: []byte(strings.Repeat("x", length))}.fileAccess().Cut, "%d bytes", length)
	}
}
