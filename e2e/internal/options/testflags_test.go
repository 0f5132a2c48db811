package options

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWantsTestOutput(t *testing.T) {
	for flags, want := range map[string]bool{
		"": false, "-test.v": true, "--test.v=true": true, "-test.v=false": false, "-test.v=test2json": true,
		"-test.paniconexit0 -test.timeout=10m": false, "-test.list=.": true,
	} {
		assert.Equal(t, want, WantsTestOutput(strings.Fields(flags)), flags)
	}
}
