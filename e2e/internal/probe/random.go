package probe

import (
	"crypto/rand"
	"encoding/hex"
)

// RandomHex returns n random bytes as text: for boundaries, markers and names
// that occur nowhere by coincidence.
func RandomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand.Read aborts the program instead
	return hex.EncodeToString(b)
}
