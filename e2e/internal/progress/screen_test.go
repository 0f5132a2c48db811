package progress

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// glass is a terminal as far as the view needs one. It breaks what is too wide for it,
// and breaks it anew when its width changes, as most terminals do.
type glass struct {
	mu       sync.Mutex // a view may write while it is looked at
	width    int
	rows     []glassRow
	row, col int    // of the cursor
	unfit    string // what it does not understand, or would keep in its history
}

type glassRow struct {
	text  []rune
	wraps bool // it goes on in the next row
}

var sequence = regexp.MustCompile(`^\x1b\[([0-9]*)([A-Z]|m)`)

// Write implements io.Writer.
func (g *glass) Write(text []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := len(text)
	g.reach()
	for len(text) > 0 {
		if m := sequence.FindSubmatch(text); m != nil {
			text = text[len(m[0]):]
			count, _ := strconv.Atoi(string(m[1]))
			g.obey(string(m[2]), count)
			continue
		}
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch r {
		case '\r':
			g.col = 0
		case '\n':
			g.rows[g.row].wraps = false
			g.row, g.col = g.row+1, 0
			g.reach()
		case '\x1b':
			g.unfit += fmt.Sprintf("%q", text)
		default:
			g.put(r)
		}
	}
	return n, nil
}

func (g *glass) reach() {
	for len(g.rows) <= g.row {
		g.rows = append(g.rows, glassRow{})
	}
}

func (g *glass) put(r rune) {
	if g.col == g.width {
		g.rows[g.row].wraps = true
		g.row, g.col = g.row+1, 0
		g.reach()
	}
	row := &g.rows[g.row]
	for len(row.text) <= g.col {
		row.text = append(row.text, ' ')
	}
	row.text[g.col] = r
	g.col++
}

func (g *glass) obey(sequence string, count int) {
	row := &g.rows[g.row]
	switch sequence {
	case "A":
		g.row = max(0, g.row-count)
	case "K", "J":
		row.text, row.wraps = row.text[:min(g.col, len(row.text))], false
		if sequence == "J" {
			if g.row == 0 && g.col == 0 && len(g.rows) > 1 {
				g.unfit += "everything is erased at once"
			}
			g.rows = g.rows[:g.row+1]
		}
	case "m":
	default:
		g.unfit += sequence
	}
}

// resize breaks the lines anew.
func (g *glass) resize(width int) {
	lines, line, offset := g.lines(), 0, g.col
	for _, row := range g.rows[:g.row] {
		if row.wraps {
			offset += len(row.text)
		} else {
			line, offset = line+1, g.col
		}
	}
	g.width, g.rows, g.row, g.col = width, nil, 0, 0
	cursor := [2]int{}
	for i, text := range lines {
		if i > 0 {
			_, _ = g.Write([]byte("\n"))
		}
		g.reach()
		for at, r := range []rune(text) {
			if i == line && at == offset {
				cursor = [2]int{g.row, g.col}
			}
			g.put(r)
		}
		if i == line && offset >= len([]rune(text)) {
			cursor = [2]int{g.row, g.col}
		}
	}
	g.row, g.col = cursor[0], cursor[1]
}

// lines are what is on it, without the breaks that its width makes.
func (g *glass) lines() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	all, goesOn := []string{}, false
	for _, row := range g.rows {
		if goesOn {
			all[len(all)-1] += string(row.text)
		} else {
			all = append(all, string(row.text))
		}
		goesOn = row.wraps
	}
	return all
}

// TestScreen: frames follow each other in place, what is printed stays above them, and
// nothing of a frame is left behind, though the terminal changes its size meanwhile.
func TestScreen(t *testing.T) {
	g := &glass{width: 80}
	s := screen{out: g, size: func() Size { return Size{g.width, 24} }}
	var above []string
	for step, width := range []int{80, 80, 40, 40, 23, 120, 9, 80, 80} {
		g.resize(width)
		text := ""
		if step%2 == 1 {
			text = fmt.Sprintf("printed in step %d, in a line that is wider than some terminals are", step)
			above = append(above, text)
			text += "\n"
		}
		seconds := float64(10 * step)
		frame := at(seconds).Frame(moment(seconds), Size{width, 24}, step%3 == 0)
		s.draw(text, frame)
		want := strings.Join(append(append([]string{}, above...), frame...), "\n")
		if len(frame) == 0 && len(above) > 0 {
			want += "\n"
		}
		assert.Equal(t, unpainted(want), strings.Join(g.lines(), "\n"), "step %d", step)
	}
	s.draw("", nil)
	_, _ = g.Write([]byte("what is printed next"))
	assert.Equal(t, strings.Join(append(above, "what is printed next"), "\n"), strings.TrimRight(strings.Join(g.lines(), "\n"), "\n"), "nothing of the view is left")
	assert.Empty(t, g.unfit)
}

func unpainted(text string) string {
	return regexp.MustCompile(`\x1b\[[0-9]*m`).ReplaceAllString(text, "")
}

func TestRows(t *testing.T) {
	for name, row := range map[string]struct {
		frame []string
		width int
		want  int
	}{
		"nothing":              {nil, 80, 0},
		"one row":              {[]string{"a"}, 80, 1},
		"an empty row":         {[]string{""}, 80, 1},
		"three rows":           {[]string{"a", "", "c"}, 80, 3},
		"broken by a narrower": {[]string{strings.Repeat("a", 79), "b"}, 40, 3},
		"exactly as wide":      {[]string{strings.Repeat("a", 40), "b"}, 40, 2},
		"paint takes no room":  {[]string{"\x1b[31m" + strings.Repeat("a", 40) + "\x1b[0m"}, 40, 1},
	} {
		assert.Equal(t, row.want, rowsOf(row.frame, row.width), name)
	}
}

func TestRedraw(t *testing.T) {
	for name, row := range map[string]struct {
		rows  int
		above string
		frame []string
		want  string
	}{
		"nothing":             {0, "", nil, ""},
		"the first frame":     {0, "", []string{"a", "b"}, "a\x1b[K\nb\x1b[J"},
		"another":             {2, "", []string{"c"}, "\r\x1b[1Ac\x1b[J"},
		"a text above it":     {1, "t\nu\n", []string{"c"}, "\rt\x1b[K\nu\x1b[K\nc\x1b[J"},
		"a text, and no more": {1, "t\n", nil, "\rt\x1b[K\n\x1b[J"},
		"the end":             {3, "", nil, "\r\x1b[2A\x1b[K\n\x1b[K\n\x1b[K\r\x1b[2A"},
	} {
		assert.Equal(t, row.want, redraw(row.rows, row.above, row.frame), name)
	}
}

// TestTerminal: what is no terminal, or one that cannot move its cursor, has no live view.
func TestTerminal(t *testing.T) {
	environment := func(term string) func(string) string {
		return func(name string) string { return map[string]string{"TERM": term}[name] }
	}
	_, ok := Terminal(&bytes.Buffer{}, environment("xterm"))
	assert.False(t, ok, "a buffer")
	file, err := os.Create(t.TempDir() + "/file")
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	_, ok = Terminal(file, environment("xterm"))
	assert.False(t, ok, "a file")
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _, _ = reader.Close(), writer.Close() }()
	_, ok = Terminal(writer, environment("xterm"))
	assert.False(t, ok, "a pipe")
	if terminal := pseudoTerminal(t); terminal != nil {
		for name, want := range map[string]bool{"xterm-256color": true, "dumb": false, "": false} {
			size, ok := Terminal(terminal, environment(name))
			assert.Equal(t, want, ok, name)
			if ok {
				assert.Equal(t, Size{33, 7}, size())
			}
		}
	}
	assert.True(t, Coloured(environment("")))
	assert.False(t, Coloured(func(name string) string { return map[string]string{"NO_COLOR": "1"}[name] }))
}
