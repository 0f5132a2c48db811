package servertext

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzNeverScheduled: whatever the scheduler says, a wait for room is given up at once only
// where no reason could pass.
func FuzzNeverScheduled(f *testing.F) {
	f.Add("0/3 nodes are available: 1 node(s) had untolerated taint {a: b}, 2 node(s) didn't match Pod's node affinity/selector. preemption: x")
	f.Add("0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector.")
	f.Add("0/1 nodes are available: 1 Too many pods.")
	f.Add("")
	f.Fuzz(func(t *testing.T, message string) {
		counted, _, _ := strings.Cut(message, ". ")
		if NeverScheduled(message) && (strings.Contains(counted, ", 1 Insufficient ") || strings.Contains(counted, ", 1 Too many pods")) && !strings.Contains(counted, "{") {
			t.Errorf("%q may pass", message)
		}
	})
}

// FuzzOwnsLabel: whatever a server sends as managed fields, reading them does not fail.
func FuzzOwnsLabel(f *testing.F) {
	f.Add([]byte(`{"f:metadata":{"f:labels":{".":{},"f:pod-security.kubernetes.io/enforce":{}}}}`))
	f.Add([]byte(`{"f:metadata":[]}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if OwnsLabel(raw, "pod-security.kubernetes.io/enforce") && !json.Valid(raw) {
			t.Errorf("%q owns a label", raw)
		}
	})
}
