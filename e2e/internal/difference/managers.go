package difference

import (
	"encoding/json"
	"strings"
)

// stepsOf are a path's fields and keys, as managedFields knows them: "f:spec",
// "f:containers", and for an entry its key alone.
func stepsOf(path string) []string {
	var steps []string
	for path != "" {
		if inside, ok := strings.CutPrefix(path, "["); ok {
			key, rest, _ := strings.Cut(inside, "]")
			steps, path = append(steps, "["+key), strings.TrimPrefix(rest, ".")
			continue
		}
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		steps = append(steps, "f:"+path[:end])
		path = strings.TrimPrefix(path[end:], ".")
	}
	return steps
}

// owns tells whether a set of managed fields (FieldsV1) holds the path.
func owns(fields map[string]json.RawMessage, steps []string) bool {
	if len(steps) == 0 {
		return true
	}
	for name, below := range fields {
		key, isKey := strings.CutPrefix(steps[0], "[")
		matches := name == steps[0]
		if isKey {
			matches = name == "f:"+key || strings.HasPrefix(name, "k:") && strings.Contains(name, `"`+key+`"`) || name == `v:"`+key+`"`
		}
		if !matches {
			continue
		}
		var inner map[string]json.RawMessage
		if json.Unmarshal(below, &inner) != nil {
			return false
		}
		if len(inner) == 0 { // a leaf is owned whole
			return true
		}
		return owns(inner, steps[1:])
	}
	return false
}
