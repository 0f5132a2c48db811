package wording

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 pods", 1: "1 pod", 2: "2 pods"} {
		assert.Equal(t, want, Count(n, "pod", "pods"))
	}
	assert.Equal(t, "once", Times(1))
	assert.Equal(t, "3 times", Times(3))
}

func TestNames(t *testing.T) {
	for _, row := range []struct {
		names []string
		most  int
		want  string
	}{
		{nil, Few, ""},
		{[]string{"a"}, Few, "a"},
		{[]string{"a", "b", "c"}, Few, "a, b, c"},
		{[]string{"a", "b", "c", "d", "e"}, Few, "a, b, c and 2 more"},
		{[]string{"a", "b"}, 1, "a and 1 more"},
	} {
		assert.Equal(t, row.want, Names(row.names, row.most))
	}
}

func TestSeconds(t *testing.T) {
	for seconds, want := range map[float64]string{
		-1: "0.0s", 0: "0.0s", 1.24: "1.2s", 9.94: "9.9s", 9.96: "10s", 42.4: "42s", 59.4: "59s", 59.6: "1m00s", 125: "2m05s", 3600: "60m00s",
	} {
		assert.Equal(t, want, Seconds(seconds))
	}
}
