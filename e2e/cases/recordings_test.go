package cases

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/suite"
)

// recorded is an observation of a manifest, with the act done upon it, as a run on a real cluster saved it
// (observation.json in the evidence). It is the caller's own, to be changed.
func recorded(t *testing.T, c suite.Case, file string) suite.Observation {
	t.Helper()
	if c.Area() == throughUpgrade.Name {
		return asWitness(recordedOf(t, file, witnessAct(c), c.Submit))
	}
	o := recordedOf(t, file, c.Act, c.Submit)
	if c.Neighbour != "" {
		neighbour := recordedOf(t, c.Neighbour, nil, suite.Runs)
		o.Neighbour = &neighbour
	}
	return o
}

// decoded are the recordings by the names of their files: most of the time that the tests of judges take
// would be spent on decoding them, each hundreds of times.
var decoded sync.Map // of suite.Observation, which nobody changes

func recordedOf(t *testing.T, file string, act *suite.Act, submit suite.Submission) suite.Observation {
	t.Helper()
	name := recording(file, act, submit)
	o, ok := decoded.Load(name)
	if !ok {
		o = decodeRecorded(t, file, name)
		decoded.Store(name, o)
	}
	return deepCopy(o.(suite.Observation))
}

func decodeRecorded(t *testing.T, file, name string) suite.Observation {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "recorded", name))
	require.NoError(t, err, "record it: scripts/record-observations.sh")
	var o suite.Observation
	require.NoError(t, json.Unmarshal(raw, &o))
	o.Redact(ownOf(t, file, o)) // as the runner does
	return o
}

// recording is the file that holds the observation of a manifest's pod.
func recording(file string, act *suite.Act, submit suite.Submission) string {
	return suite.StageName(file, act, submit) + ".json"
}

// deepCopy is a copy of plain data that shares nothing with it which can be changed. Unexported fields are
// copied as they are.
func deepCopy[T any](data T) T {
	v := reflect.ValueOf(&data).Elem()
	copyInto(v, v)
	return data
}

// copyInto sets a variable to a copy of a value, which may be its own.
func copyInto(to, from reflect.Value) {
	switch from.Kind() {
	case reflect.Struct:
		to.Set(from)
		for i := range to.NumField() {
			if to.Field(i).CanSet() {
				copyInto(to.Field(i), from.Field(i))
			}
		}
		return
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		if from.IsNil() {
			break
		}
		to.Set(ownedCopy(from))
		return
	}
	to.Set(from)
}

// ownedCopy is a copy of what a value refers to. It is not nil.
func ownedCopy(from reflect.Value) reflect.Value {
	variable := func(of reflect.Value) reflect.Value {
		v := reflect.New(of.Type()).Elem()
		copyInto(v, of)
		return v
	}
	switch from.Kind() {
	case reflect.Pointer:
		return variable(from.Elem()).Addr()
	case reflect.Interface:
		return variable(from.Elem())
	case reflect.Map:
		to := reflect.MakeMapWithSize(from.Type(), from.Len())
		for each := from.MapRange(); each.Next(); {
			to.SetMapIndex(each.Key(), variable(each.Value()))
		}
		return to
	}
	to := reflect.MakeSlice(from.Type(), from.Len(), from.Len())
	for i := range from.Len() {
		copyInto(to.Index(i), from.Index(i))
	}
	return to
}

// TestRecordingsAreEachTestsOwn: whatever a test makes of a recording, the next one has it as it is in
// the file.
func TestRecordingsAreEachTestsOwn(t *testing.T) {
	done := map[string]bool{}
	for _, c := range All() {
		name := recording(c.Fixture, c.Act, c.Submit)
		if done[name] {
			continue
		}
		done[name] = true
		first := recordedOf(t, c.Fixture, c.Act, c.Submit)
		wipe(reflect.ValueOf(&first).Elem())
		again := recordedOf(t, c.Fixture, c.Act, c.Submit)
		assert.True(t, reflect.DeepEqual(decodeRecorded(t, c.Fixture, name), again), name)
	}
}

// wipe makes nothing of all data that a variable leads to.
func wipe(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.Kind() == reflect.Pointer && !v.IsNil() {
			wipe(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				wipe(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			wipe(v.Index(i))
		}
	case reflect.Map:
		for each := v.MapRange(); each.Next(); {
			if each.Value().Kind() == reflect.Pointer {
				wipe(each.Value())
			}
		}
		v.Clear()
	}
	if v.CanSet() {
		v.SetZero()
	}
}
