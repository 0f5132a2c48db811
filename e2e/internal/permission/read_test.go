package permission

import (
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"procns/e2e/internal/probe"
)

func TestReadTable(t *testing.T) {
	printed := string(golden.Get(t, "table.txt"))
	rows, rest, ok := ReadTable(printed + "\nroot  uid 0\nYama  absent\n")
	assert.Assert(t, ok)
	assert.Equal(t, rest, "root  uid 0\nYama  absent\n")
	assert.Equal(t, Table(rows), printed, "what is read is what was printed")

	rows, _, ok = ReadTable("CALLER  TARGET  kill-0      mem\nroot    worker  ok          EACCES!ok\n        pause   EPERM       -\n")
	assert.Assert(t, ok)
	assert.DeepEqual(t, rows, []Row{
		{"root", "worker", map[Operation]Cell{Signal0: {}, Attach: {Answer{Errno: probe.EACCES}, Decision{}}}},
		{"root", "pause", map[Operation]Cell{Signal0: {Answer{Errno: probe.EPERM}, Decision{Errno: probe.EPERM}}}},
	})
}

func TestReadTableRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":               "",
		"another text":          "PID 1 is /pause, uid 65535",
		"a heading alone":       "CALLER  TARGET  kill-0\n",
		"no operation":          "CALLER  TARGET\nroot    worker\n",
		"an unknown operation":  "CALLER  TARGET  dance\nroot    worker  ok\n",
		"an operation twice":    "CALLER  TARGET  mem  mem\nroot    worker  ok   ok\n",
		"nobody calls":          "CALLER  TARGET  kill-0\n        worker  ok\n",
		"a cell too few":        "CALLER  TARGET  kill-0  mem\nroot    worker  ok\n",
		"a cell too many":       "CALLER  TARGET  kill-0\nroot    worker  ok  ok\n",
		"a cell of other words": "CALLER  TARGET  kill-0\nroot    worker  perhaps\n",
		"a difference of none":  "CALLER  TARGET  kill-0\nroot    worker  ok!ok\n",
		"markup":                "CALLER  TARGET  kill-0\nroot    worker  E<script>\n",
	} {
		rows, rest, ok := ReadTable(text)
		assert.Assert(t, !ok && rows == nil, name)
		assert.Equal(t, rest, text, name)
	}
}

// FuzzReadTable: whatever the text is, what was read of it can be printed and read again.
func FuzzReadTable(f *testing.F) {
	f.Add(string(golden.Get(f, "table.txt")))
	f.Add("CALLER  TARGET  kill-0  mem\nroot    worker  ok  EACCES!ok\n        pause   EPERM   -\n\nYama  absent\n")
	f.Add("CALLER\tTARGET fd/0\nA\u00a0B c ENOENT\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows, rest, ok := ReadTable(text)
		if !ok {
			return
		}
		assert.Assert(t, strings.HasSuffix(text, rest))
		again, behind, ok := ReadTable(Table(rows))
		assert.Assert(t, ok && behind == "")
		assert.DeepEqual(t, again, rows)
	})
}
