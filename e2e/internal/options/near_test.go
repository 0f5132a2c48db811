package options

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNear(t *testing.T) {
	var o Options
	set, _ := o.define()
	flags := namesOf(set)
	cases := []string{"pid1", "signals", "pid1/is-the-sandbox", "pid1/reaps-orphans", "signals/hang-up", "signals/broadcast"}
	for name, row := range map[string]struct {
		names   []string
		written string
		want    []string
	}{
		"a letter less":            {flags, "contex", []string{"context"}},
		"two exchanged":            {flags, "lsit", []string{"list"}},
		"without its dash":         {flags, "failfast", []string{"fail-fast"}},
		"with another":             {flags, "fail_fast", []string{"fail-fast"}},
		"in capitals":              {flags, "KUBECONFIG", []string{"kubeconfig"}},
		"cut short":                {flags, "kubeconf", []string{"kubeconfig"}},
		"the second half":          {cases, "hangup", []string{"signals/hang-up"}},
		"a word of it":             {cases, "orphans", []string{"pid1/reaps-orphans"}},
		"a slip in the area":       {cases, "sygnals/hangup", []string{"signals/hang-up"}},
		"an area":                  {cases, "pid2", []string{"pid1"}},
		"a word less":              {cases, "pid1/is-sandbox", []string{"pid1/is-the-sandbox"}},
		"like nothing":             {flags, "zzz", nil},
		"nothing":                  {flags, "", nil},
		"of nothing":               {nil, "context", nil},
		"a pattern of another one": {cases, "signals/hang*", []string{"signals/hang-up"}},
	} {
		assert.Equal(t, row.want, Near(row.names, row.written), name)
	}
	for written, name := range calledElsewhere {
		assert.Contains(t, flags, name, written)
		assert.NotContains(t, flags, written)
		assert.Equal(t, "; near: -"+name, nearFlags(flags, written, "-"))
	}
}

func FuzzNear(f *testing.F) {
	f.Add("pid1/is-the-sandbox", "pid1/is-sandbox")
	f.Add("", "ä")
	f.Fuzz(func(t *testing.T, name, written string) {
		if len(name)+len(written) > 200 {
			t.Skip("longer than names are")
		}
		if l := likeness(name, written); l < 0 || l > 1 {
			t.Fatalf("likeness of %q and %q: %v", name, written, l)
		}
		if a, b := slips(name, written), slips(written, name); a != b {
			t.Fatalf("%q and %q: %d slips one way, %d the other", name, written, a, b)
		}
	})
}
