package cases

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStandstill: what trickles is held up, what prints is not.
func TestStandstill(t *testing.T) {
	type seen struct {
		state string
		ticks uint64
	}
	for name, row := range map[string]struct {
		looks []seen
		held  bool
	}{
		"stands still":                 {[]seen{{"S", 54}, {"S", 54}, {"S", 54}}, true},
		"trickles":                     {[]seen{{"S", 54}, {"S", 54}, {"S", 55}}, true},
		"at last":                      {[]seen{{"R", 10}, {"S", 40}, {"S", 52}, {"S", 53}, {"S", 53}}, true},
		"two looks":                    {[]seen{{"S", 54}, {"S", 54}}, false},
		"is read":                      {[]seen{{"S", 10}, {"S", 40}, {"S", 70}, {"S", 100}}, false},
		"is read slowly":               {[]seen{{"S", 10}, {"S", 11}, {"S", 12}, {"S", 13}, {"S", 14}}, false},
		"runs":                         {[]seen{{"R", 54}, {"R", 54}, {"R", 54}}, false},
		"waits for its turn between":   {[]seen{{"S", 54}, {"S", 54}, {"R", 54}, {"S", 54}, {"S", 54}}, false},
		"is stopped, which is no such": {[]seen{{"T", 54}, {"T", 54}, {"T", 54}}, false},
	} {
		var s standstill
		held := false
		for _, l := range row.looks {
			held = s.look(l.state, l.ticks)
		}
		assert.Equal(t, row.held, held, name)
	}
}

func TestCPUTicks(t *testing.T) {
	used, err := cpuTicks("99 (sh) (x) S 0 99 99 0 -1 4194560 542 0 0 0 26 28 0 0 20 0 1 0 939175 3362816")
	require.NoError(t, err)
	assert.Equal(t, uint64(54), used)
	for _, stat := range []string{"", "99 (sh) S 0 99", "99 (sh) S 0 99 99 0 -1 4194560 542 0 0 0 x 28 0", "99 (sh) S 0 99 99 0 -1 4194560 542 0 0 0 26 x 0"} {
		_, err := cpuTicks(stat)
		require.Error(t, err, stat)
	}
}
