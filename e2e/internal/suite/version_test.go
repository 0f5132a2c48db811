package suite

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]Version{
		"v1.37.2":               {1, 37},
		"1.10":                  {1, 10},
		"v1.28.4-gke.1000":      {1, 28},
		"v1.31.0+k3s1":          {1, 31},
		"v1.36.0-alpha.2.14+af": {1, 36},
		"v2.0.0":                {2, 0},
	} {
		got, err := ParseVersion(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "v1", "latest", "1.x", "v1.", " v1.37.2", "v99999999999999999999.1"} {
		_, err := ParseVersion(text)
		assert.Error(t, err, text)
	}
}

// TestVersionHistory has a row for each period of the feature's history.
func TestVersionHistory(t *testing.T) {
	for _, row := range []struct {
		version  string
		refused  bool
		readBack bool
	}{
		{version: "v1.5.0", refused: true},   // no field
		{version: "v1.6.13", refused: true},  // no field; rkt and CRI-O share by default
		{version: "v1.7.0", refused: true},   // docker shares by default
		{version: "v1.8.0", refused: true},   // a flag of the node
		{version: "v1.9.11", refused: true},  // a flag of the node
		{version: "v1.10.0", readBack: true}, // alpha, gate off by default
		{version: "v1.11.10", readBack: true},
		{version: "v1.12.0", readBack: true}, // beta, gate on by default
		{version: "v1.13.12", readBack: true},
		{version: "v1.14.0", readBack: true},
		{version: "v1.16.15", readBack: true},
		{version: "v1.17.0"}, // stable, locked on
		{version: "v1.18.20"},
		{version: "v1.19.0"}, // gate removed
		{version: "v1.34.4"},
		{version: "v1.37.2"},
	} {
		t.Run(row.version, func(t *testing.T) {
			version, err := ParseVersion(row.version)
			require.NoError(t, err)
			gate := GateOf(version)
			assert.Equal(t, row.refused, gate.Refused != "", gate.Refused)
			assert.Equal(t, row.readBack, gate.ReadBack)
		})
	}
}

func TestGateOff(t *testing.T) {
	forbidden := errors.New(`Pod "x" is invalid: spec.shareProcessNamespace: Forbidden: disabled by PodShareProcessNamespace feature-gate`)
	quota := errors.New("exceeded quota")
	for _, row := range []struct {
		name    string
		version Version
		stored  string
		created error
		off     bool
		err     error
	}{
		{name: "1.10, gate off: dropped", version: Version{1, 10}, stored: "absent", off: true},
		{name: "1.10, gate on", version: Version{1, 10}, stored: "true"},
		{name: "1.12, gate off: refused", version: Version{1, 12}, created: forbidden, off: true},
		{name: "1.13, gate on", version: Version{1, 13}, stored: "true"},
		{name: "1.14, gate off: dropped", version: Version{1, 14}, stored: "absent", off: true},
		{name: "1.16, gate on", version: Version{1, 16}, stored: "true"},
		{name: "refused for another reason", version: Version{1, 16}, created: quota, err: quota},
	} {
		t.Run(row.name, func(t *testing.T) {
			reason, err := GateOff(row.version, row.stored, row.created)
			assert.Equal(t, row.off, reason != "", reason)
			assert.ErrorIs(t, err, row.err)
		})
	}
}

func TestApplies(t *testing.T) {
	assert.Empty(t, Case{}.Applies(Version{1, 17}))
	assert.Empty(t, Case{MinVersion: "1.25"}.Applies(Version{1, 25}))
	assert.Contains(t, Case{MinVersion: "1.25"}.Applies(Version{1, 24}), "v1.25")
	assert.NotEmpty(t, Case{MinVersion: "soon"}.Applies(Version{1, 37}))
}
