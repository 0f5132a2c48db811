package options

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDefaults: what a flag says is its default is what the options have without it. The view on a
// terminal was never shown once, because -progress said auto and the option was empty.
func TestDefaults(t *testing.T) {
	var o Options
	flags, _ := o.define()
	before := o
	flags.VisitAll(func(f *flag.Flag) {
		if v, ok := f.Value.(value); ok && (v.many || f.DefValue == "") {
			return // to which it adds, or which has none
		}
		require.NoError(t, f.Value.Set(f.DefValue), f.Name)
		assert.Equal(t, before, o, "-%s %s changes what is without it", f.Name, f.DefValue)
	})
}
