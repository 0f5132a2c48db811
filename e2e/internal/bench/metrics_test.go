package bench

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const metrics = `# HELP apiserver_request_total [STABLE] Counter of apiserver requests
# TYPE apiserver_request_total counter
apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="",verb="POST",version="v1"} 12
apiserver_request_total{code="409",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="",verb="POST",version="v1"} 1
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="exec",verb="GET",version="v1"} 1.5e+03
apiserver_request_total{code="0",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="exec",verb="CONNECT",version="v1"} 7 1690000000000
apiserver_request_total{code="0",resource="pods",subresource="attach",verb="POST"} 2
apiserver_request_total{code="200",resource="leases",subresource="exec",verb="PUT"} 3
apiserver_request_total{verb="GET",odd="a \"quoted\\\" } brace"} 4
apiserver_request_terminations_total{verb="GET"} 99
`

func TestReadRequests(t *testing.T) {
	got, err := ReadRequests(strings.NewReader(metrics))
	require.NoError(t, err)
	require.Equal(t, map[string]int{"POST": 13, "exec": 1507, "attach": 2, "PUT": 3, "GET": 4}, got)
	for name, c := range map[string]struct{ text, says string }{
		"no value":       {`apiserver_request_total{verb="GET"}`, "no value"},
		"no number":      {`apiserver_request_total{verb="GET"} many`, "is no count"},
		"not a number":   {`apiserver_request_total{verb="GET"} NaN`, "is no count"},
		"negative":       {`apiserver_request_total{verb="GET"} -1`, "is no count"},
		"no end":         {`apiserver_request_total{verb="GET`, "without an end"},
		"ends in escape": {`apiserver_request_total{verb="GET\`, "without an end"},
		"no label":       {`apiserver_request_total{verb`, "no label"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadRequests(strings.NewReader(c.text))
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestSince(t *testing.T) {
	earlier := map[string]int{"GET": 10, "PUT": 5, "LIST": 1}
	later := map[string]int{"GET": 12, "PUT": 5, "POST": 3, "LIST": 0, "WATCH": 0, "exec": 4}
	require.Equal(t, map[string]int{"GET": 2, "POST": 3, "exec": 4}, Since(earlier, later))
	require.Equal(t, map[string]int{"GET": 3}, Since(earlier, map[string]int{"GET": 3}), "it was started anew")
}

// FuzzReadRequests: whatever a server sends, counts are not negative.
func FuzzReadRequests(f *testing.F) {
	f.Add(metrics)
	f.Add(`apiserver_request_total{verb="\`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ReadRequests(strings.NewReader(text))
		if err != nil {
			return
		}
		for verb, n := range all {
			if n < 0 {
				t.Errorf("%q: %d", verb, n)
			}
		}
	})
}
