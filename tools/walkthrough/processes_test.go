package main

import (
	"reflect"
	"strings"
	"testing"
)

const heading = "PID   USER     TIME  COMMAND\n"

const page = heading + `    1 root      0:00 /pause
    8 root      0:00 nginx: master process nginx -g daemon off;
   14 101       0:00 nginx: worker process
   15 root      0:00 sh
   21 root      0:00 ps ax
`

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		list string
		want processes
		says string
	}{
		"the page's":    {page, processes{"/pause", "8", []string{"14"}}, ""},
		"nothing":       {"", processes{}, "process 1"},
		"no heading":    {"1 root 0:00 /pause\n", processes{}, "process 1"},
		"isolated":      {heading + "1 root 0:00 sh\n7 root 0:00 ps ax\n", processes{first: "sh"}, "process 1"},
		"without nginx": {heading + "1 root 0:00 /pause\n", processes{first: "/pause"}, "master"},
		"no workers":    {heading + "1 root 0:00 /pause\n8 root 0:00 nginx: master process\n", processes{first: "/pause", master: "8"}, "workers"},
		"without times": {strings.NewReplacer("  TIME", "", "0:00 ", "").Replace(page), processes{"/pause", "8", []string{"14"}}, ""},
		"other lines":   {"error\n" + page, processes{"/pause", "8", []string{"14"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := parse(c.list)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			switch err := got.shared(); {
			case c.says == "" && err != nil, c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("said %v, want %q", err, c.says)
			}
		})
	}
}

func TestReplacedBy(t *testing.T) {
	before := processes{"/pause", "8", []string{"14", "15"}}
	for name, c := range map[string]struct {
		now  processes
		want bool
	}{
		"new workers":    {processes{"/pause", "8", []string{"22", "23"}}, true},
		"the same":       {before, false},
		"one old":        {processes{"/pause", "8", []string{"15", "22"}}, false},
		"none as yet":    {processes{"/pause", "8", nil}, false},
		"another master": {processes{"/pause", "30", []string{"31"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := before.replacedBy(c.now); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
