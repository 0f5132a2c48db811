package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Terminal is one side of an attached terminal: it types, and reads what the
// screen shows.
type Terminal struct {
	ctx      context.Context
	keyboard io.Writer
	sizes    chan Size

	mu      sync.Mutex
	screen  strings.Builder
	changed chan struct{} // closed and replaced at each arrival of text
	ended   bool
	err     error
}

// Size is a terminal's, in characters.
type Size struct{ Columns, Rows uint16 }

// String is the size as stty(1) prints it.
func (s Size) String() string { return fmt.Sprintf("%d %d", s.Rows, s.Columns) }

// NewTerminal returns a terminal whose keys go to keyboard, and whose screen shows
// what is written to it. Waiting ends with ctx.
func NewTerminal(ctx context.Context, keyboard io.Writer) *Terminal {
	return &Terminal{ctx: ctx, keyboard: keyboard, sizes: make(chan Size, 1), changed: make(chan struct{})}
}

// Resize tells the other side a new size.
func (t *Terminal) Resize(to Size) error {
	select {
	case t.sizes <- to:
		return nil
	case <-t.ctx.Done():
		return fmt.Errorf("resizing to %s: the terminal is closed: %w", to, context.Cause(t.ctx))
	}
}

// NextSize waits for the next size to tell; there is none when the connection that
// asks, whose context it is, has ended.
func (t *Terminal) NextSize(connection context.Context) (Size, bool) {
	select {
	case size := <-t.sizes:
		return size, true
	case <-connection.Done():
		return Size{}, false
	}
}

// Write implements io.Writer for the stream of the remote side.
func (t *Terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.screen.Write(p)
	t.announce()
	return len(p), nil
}

// Close says that the other side ended, and why.
func (t *Terminal) Close(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended, t.err = true, err
	t.announce()
}

func (t *Terminal) announce() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// Blank tells whether nothing was shown yet.
func (t *Terminal) Blank() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen.Len() == 0
}

// Screen returns all that was shown so far as plain text.
func (t *Terminal) Screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return PlainText(t.screen.String())
}

// Type sends keys as they are.
func (t *Terminal) Type(keys string) error {
	if _, err := io.WriteString(t.keyboard, keys); err != nil {
		return fmt.Errorf("typing %q: the terminal is closed: %w", keys, err)
	}
	return nil
}

// Await waits until the plain text shown since the given length satisfies the
// condition, and returns that text. Its error carries what was shown instead.
func (t *Terminal) Await(since int, within time.Duration, what string, shown func(string) bool) (string, error) {
	ctx, cancel := context.WithTimeout(t.ctx, within)
	defer cancel()
	for {
		t.mu.Lock()
		text, changed, ended, err := PlainText(t.screen.String()), t.changed, t.ended, t.err
		t.mu.Unlock()
		text = text[min(since, len(text)):]
		if shown(text) {
			return text, nil
		}
		if ended {
			return text, fmt.Errorf("the terminal closed before %s: %w; it showed %q", what, errors.Join(err, io.EOF), text)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			late := fmt.Errorf("no %s within %s; the terminal showed %q", what, within, text)
			if t.ctx.Err() == nil {
				late = fmt.Errorf("%w: %w", &DeadlineError{What: "what was typed into the terminal", Within: within}, late)
			}
			return text, late
		}
	}
}

// escapes are the terminal's control sequences: CSI (ECMA-48 5.4), the strings
// that OSC, DCS, SOS, PM and APC open, and the short escapes. Each also matches
// while its end has not arrived yet, or never will.
var escapes = regexp.MustCompile("\x1b(?:" +
	`\[[0-?]*[ -/]*[@-~]?` +
	"|[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?" +
	`|[ -/]*[0-~]?)`)

// PlainText removes what a terminal does not show as text: control sequences,
// carriage returns, bells. The plain text of what has arrived so far is always
// a prefix of the plain text of more, so that a position in it stays valid.
func PlainText(screen string) string {
	// Bytes that are no text are replaced first: with an escape between them gone,
	// two of them could join to a character.
	screen = strings.ToValidUTF8(withoutHalfRune(screen), "\ufffd")
	screen = escapes.ReplaceAllString(screen, "")
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) {
			return r
		}
		return -1
	}, screen)
}

// withoutHalfRune cuts off the beginning of a character whose other bytes have
// not arrived yet.
func withoutHalfRune(text string) string {
	for i := len(text) - 1; i >= max(0, len(text)-utf8.UTFMax); i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRuneInString(text[i:]) {
				return text[:i]
			}
			break
		}
	}
	return text
}

// PSRow is one line of a table that ps printed.
type PSRow struct {
	PID     int
	Command string
}

// ParsePS reads the table that `ps ax` prints, by its heading: the column named
// PID, and the last one, which holds the command and may contain spaces. Text
// before the heading and after the last row is passed over. It is an error when
// no heading is found.
func ParsePS(text string) ([]PSRow, error) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		columns := psHeading(line)
		if columns == 0 {
			continue
		}
		var rows []PSRow
		for _, line := range lines[i+1:] {
			row, ok := parsePSRow(line, columns)
			if !ok {
				break
			}
			rows = append(rows, row)
		}
		return rows, nil
	}
	return nil, fmt.Errorf("no table of ps (a heading that begins with PID and ends with COMMAND) in %q", text)
}

// psHeading is the number of columns of a table of ps, or 0 where the line is not
// its heading.
func psHeading(line string) int {
	heading := strings.Fields(line)
	if len(heading) < 2 || heading[0] != "PID" || (heading[len(heading)-1] != "COMMAND" && heading[len(heading)-1] != "CMD") {
		return 0
	}
	return len(heading)
}

func parsePSRow(line string, columns int) (PSRow, bool) {
	rest := strings.TrimLeft(line, " ")
	var first string
	for column := range columns - 1 {
		word, after, ok := strings.Cut(rest, " ")
		if !ok {
			return PSRow{}, false
		}
		if column == 0 {
			first = word
		}
		rest = strings.TrimLeft(after, " ")
	}
	pid, err := strconv.Atoi(first)
	if err != nil || pid <= 0 {
		return PSRow{}, false
	}
	return PSRow{PID: pid, Command: strings.TrimRight(rest, " ")}, true
}
