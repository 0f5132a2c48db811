package options

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLabelsAndAnnotations(t *testing.T) {
	o := parse(t, "-namespace-label", "policy.example/exempt=yes", "-pod-label", "team=a", "-pod-label=cost-center=7", "-pod-annotation", "note=any text, even = signs")
	assert.Equal(t, map[string]string{"policy.example/exempt": "yes"}, o.NamespaceLabels)
	assert.Equal(t, map[string]string{"team": "a", "cost-center": "7"}, o.PodLabels)
	assert.Equal(t, map[string]string{"note": "any text, even = signs"}, o.PodAnnotations)
	p := o.Placement("run", nil)
	assert.Equal(t, o.PodLabels, p.PodLabels)
	assert.Equal(t, o.PodAnnotations, p.PodAnnotations)
}

func TestLabelsAndAnnotationsRefused(t *testing.T) {
	for arguments, says := range map[[2]string]string{
		{"-pod-label", "team"}:         "expected key=value",
		{"-pod-label", "=a"}:           "the key",
		{"-pod-label", "a b=c"}:        "the key",
		{"-pod-label", "team=a b"}:     "the value",
		{"-namespace-label", "team=-"}: "the value",
		{"-pod-annotation", "a/b/c=d"}: "the key",
		{"-namespace-label", "pod-security.kubernetes.io/enforce=restricted"}: "the suite's own",
		{"-pod-label", "procns.run=other"}:                                    "the suite's own",
	} {
		_, err := Sources{Arguments: arguments[:]}.Parse(io.Discard)
		require.Error(t, err, arguments)
		assert.Contains(t, err.Error(), says, arguments)
	}
	_, err := Sources{Arguments: []string{"-pod-label", "a=b", "-pod-label", "a=c"}}.Parse(io.Discard)
	assert.ErrorContains(t, err, "two values")
}

func FuzzPairs(f *testing.F) {
	for _, text := range []string{"a=b", "a.b/c=d", "=", "a", "a=b=c", "procns.run=x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var all map[string]string
		if err := pairs(&all, anyValue).Set(text); err == nil && len(all) != 1 {
			t.Fatalf("%q gives %v", text, all)
		}
	})
}
