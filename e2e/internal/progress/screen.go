package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen draws frames in the last rows of a terminal, and prints above them.
type screen struct {
	out   io.Writer
	size  func() Size
	drawn []string
}

// draw replaces the last frame, behind a text that stays above it. The text ends with
// a line break, or is empty.
func (s *screen) draw(above string, frame []string) {
	text := redraw(rowsOf(s.drawn, s.size().known().Width), above, frame)
	s.drawn = frame
	if text != "" {
		_, _ = io.WriteString(s.out, text) // a terminal that was closed is nobody's to read
	}
}

// Sequences that terminals know.
const (
	eraseLine  = "\x1b[K" // to its end
	eraseBelow = "\x1b[J" // from the cursor on
)

// redraw is what writes a text and a frame in place of the last so many rows, with the
// cursor at the end of them. Rows are written over and not erased first: that flickers,
// and some terminals keep in their history what is erased from the first row on.
func redraw(rows int, above string, frame []string) string {
	var b strings.Builder
	if rows > 0 {
		b.WriteString("\r" + up(rows-1))
	}
	b.WriteString(strings.ReplaceAll(above, "\n", eraseLine+"\n"))
	switch {
	case len(frame) > 0:
		b.WriteString(strings.Join(frame, eraseLine+"\n") + eraseBelow)
	case above != "":
		b.WriteString(eraseBelow)
	case rows > 0:
		b.WriteString(strings.Repeat(eraseLine+"\n", rows-1) + eraseLine + "\r" + up(rows-1))
	}
	return b.String()
}

func up(rows int) string {
	if rows <= 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA", rows)
}

// rowsOf is how many rows a frame takes on a terminal that is as wide as it is now: a
// narrower one has broken its lines.
func rowsOf(frame []string, width int) int {
	rows := 0
	for _, line := range frame {
		rows += max(1, (visibleWidth(line)+width-1)/width)
	}
	return rows
}

// visibleWidth is how many columns a line takes, without what paints it.
func visibleWidth(line string) int {
	n := 0
	for line != "" {
		text, painted, found := strings.Cut(line, "\x1b[")
		n += utf8.RuneCountInString(text)
		if !found {
			break
		}
		_, line, _ = strings.Cut(painted, "m")
	}
	return n
}

// Terminal tells whether what is written somewhere is seen on a terminal that knows
// how to move its cursor, and returns how large it is.
func Terminal(w io.Writer, getenv func(string) string) (size func() Size, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) || !Clever(getenv) {
		return nil, false
	}
	return func() Size {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return Size{}
		}
		return Size{width, height}
	}, true
}

// Clever tells whether TERM is one that knows escape sequences.
func Clever(getenv func(string) string) bool {
	name := getenv("TERM")
	return name != "" && name != "dumb"
}

// Coloured tells whether a terminal may be painted on (https://no-color.org).
func Coloured(getenv func(string) string) bool { return getenv("NO_COLOR") == "" }
