package cases

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// yes tells whether what an act waited for came.
func yes(is *bool) bool { return is != nil && *is }

// waitedFor says of what an act waited for whether it came.
func waitedFor(is *bool) string {
	if is == nil {
		return "nobody waited"
	}
	return strconv.FormatBool(*is)
}

// succeeded demands that a command ran to its end with exit code 0; expected says
// it as a sentence. A command that did not run tells nothing of what it would do.
func succeeded(o suite.Observation, name, expected string, seen ...*probe.Snapshot) error {
	switch r, recorded := o.Ran[name]; {
	case !recorded:
		return suite.CannotTell(expected, "it was not tried", seen...)
	case !r.Ran():
		return suite.Final(suite.CannotTell(expected, r.String(), seen...))
	case r.Code != 0:
		return suite.Final(suite.Violation(expected, failed(r, seen...), seen...))
	}
	return nil
}

// ofEach asks a judge of each name, in their order. A violation outweighs what cannot be told of another name.
func ofEach[V any](all map[string]V, judge func(name string, of V) error) error {
	var first error
	for _, name := range slices.Sorted(maps.Keys(all)) {
		err := judge(name, all[name])
		if suite.IsViolation(err) {
			return err
		}
		first = cmp.Or(first, err)
	}
	return first
}

// keep puts a value into a map that may not have been made yet.
func keep[V any](into *map[string]V, name string, value V) {
	if *into == nil {
		*into = map[string]V{}
	}
	(*into)[name] = value
}
