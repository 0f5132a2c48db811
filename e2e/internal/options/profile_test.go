package options

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
)

func TestProfile(t *testing.T) {
	all := []suite.Case{
		{ID: "a/core", Level: suite.Core}, {ID: "a/extended", Level: suite.Extended}, {ID: "b/core", Level: suite.Core}, {ID: "b/record", Level: suite.Informational},
	}
	for _, row := range []struct {
		arguments []string
		want      []string
		wrong     string
	}{
		{nil, []string{"a/core", "a/extended", "b/core", "b/record"}, ""},
		{[]string{"-profile", "full"}, []string{"a/core", "a/extended", "b/core", "b/record"}, ""},
		{[]string{"-profile", "core"}, []string{"a/core", "b/core"}, ""},
		{[]string{"-profile", "sweep", "-run", "b"}, []string{"b/core"}, ""},
		{[]string{"-profile", "sweep", "-level", "extended"}, nil, "-profile sweep leaves none of the cases that are selected: they are Extended, and it is of Core cases"},
	} {
		o, err := Sources{Arguments: append([]string{"-kubeconfig", "f"}, row.arguments...)}.Parse(io.Discard)
		require.NoError(t, err, row.arguments)
		selected, err := o.Select(all, nil)
		if row.wrong != "" {
			assert.EqualError(t, err, row.wrong)
			continue
		}
		require.NoError(t, err, row.arguments)
		var ids []string
		for _, c := range selected {
			ids = append(ids, c.ID)
		}
		assert.Equal(t, row.want, ids, row.arguments)
	}
}

// TestProfileChoosesNodes: a sweep is of all nodes, unless others are named.
func TestProfileChoosesNodes(t *testing.T) {
	for _, row := range []struct{ profile, nodes, want string }{
		{"sweep", "", targets.All}, {"sweep", "pool=blue", "pool=blue"}, {"core", "", targets.Sample}, {"full", "", targets.Sample},
	} {
		o, err := Sources{Arguments: []string{"-kubeconfig", "f", "-profile", row.profile, "-nodes", row.nodes}}.Parse(io.Discard)
		require.NoError(t, err)
		assert.Equal(t, row.want, o.Nodes)
	}
	for _, wrong := range [][]string{{"-profile", "all"}, {"-profile", "sweep", "-phase", "before"}} {
		_, err := Sources{Arguments: append([]string{"-kubeconfig", "f"}, wrong...)}.Parse(io.Discard)
		assert.Error(t, err, wrong)
	}
}
