package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/assert/cmp"
)

func TestPlainText(t *testing.T) {
	for screen, want := range map[string]string{
		"":                                   "",
		"/ # ps ax\r\n":                      "/ # ps ax\n",
		"\x1b[6n/ # ":                        "/ # ",
		"\x1b[1;31mred\x1b[0m\x1b[K":         "red",
		"\x1b]0;title\x07after":              "after",
		"\x1b]0;title\x1b\\after":            "after",
		"\x1b]0;title":                       "",
		"\x1b]0;aborted\x1b[31mafter":        "after",
		"\x1bPdevice\x1b\\after":             "after",
		"\x1b(Bcharset \x1b7saved\x1b8\x1bc": "charset saved",
		"half \x1b":                          "half ",
		"half \x1b[12":                       "half ",
		"half \xc3":                          "half ",
		"half \xe2\x82":                      "half ",
		"whole \xc3\xa4":                     "whole ä",
		"bell\x07 nul\x00 del\x7f c1\u0085":  "bell nul del c1",
		"tab\tstays\n":                       "tab\tstays\n",
	} {
		assert.Equal(t, PlainText(screen), want, "%q", screen)
	}
}

// FuzzPlainText: plain text holds nothing that a terminal acts on, it stays as
// it is when cleaned again, and what more text brings is only added to it.
func FuzzPlainText(f *testing.F) {
	f.Add("/ # \x1b[6n", "ps ax\r\nPID")
	f.Add("\x1b]0;ti", "tle\x07text")
	f.Add("\x1b]0;ti\x1b", "\\text")
	f.Add("\xe2\x82", "\xac \x1b[")
	f.Add("\x1b(", "B\x1bPx\x1b")
	f.Fuzz(func(t *testing.T, first, more string) {
		before, whole := PlainText(first), PlainText(first+more)
		if !strings.HasPrefix(whole, before) {
			t.Fatalf("%q was shown, then %q", before, whole)
		}
		if again := PlainText(whole); again != whole {
			t.Fatalf("%q became %q", whole, again)
		}
		if i := strings.IndexFunc(whole, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }); i >= 0 {
			t.Fatalf("a control character in %q", whole)
		}
	})
}

func TestParsePS(t *testing.T) {
	for name, row := range map[string]struct {
		text string
		want []PSRow
	}{
		"busybox": {
			"/ # ps ax\nPID   USER     TIME  COMMAND\n    1 65535     0:00 /pause\n    7 root      0:00 nginx: master process nginx -g daemon off;\n" +
				"   40 101       0:00 nginx: worker process\n  123 root      0:00 {sh} /bin/sh\n/ # ",
			[]PSRow{{1, "/pause"}, {7, "nginx: master process nginx -g daemon off;"}, {40, "nginx: worker process"}, {123, "{sh} /bin/sh"}},
		},
		"busybox, older": {
			"  PID USER       VSZ STAT COMMAND\n    1 root      1280 S    sh\n12345 root      1272 R    ps ax\n",
			[]PSRow{{1, "sh"}, {12345, "ps ax"}},
		},
		"procps": {
			"    PID TTY      STAT   TIME COMMAND\n      1 ?        Ss     0:00 /pause\n     14 pts/0    R+     0:00 ps ax\n      9 ?        Z      0:00 [sh] <defunct>\n",
			[]PSRow{{1, "/pause"}, {14, "ps ax"}, {9, "[sh] <defunct>"}},
		},
		"procps -e":        {"    PID TTY          TIME CMD\n      1 ?        00:00:01 systemd\n", []PSRow{{1, "systemd"}}},
		"ends at a prompt": {"PID USER TIME COMMAND\n 1 root 0:00 a\n/ # ps ax\n 2 root 0:00 b", []PSRow{{1, "a"}}},
		"no number":        {"PID USER TIME COMMAND\n1x root 0:00 a\n", nil},
		"a negative one":   {"PID USER TIME COMMAND\n-1 root 0:00 a\n", nil},
		"heading only":     {"PID USER TIME COMMAND\n", nil},
		"a command that is a heading": {
			"PID   USER     TIME  COMMAND\n    1 root      0:00 grep PID COMMAND\n",
			[]PSRow{{1, "grep PID COMMAND"}},
		},
	} {
		got, err := ParsePS(row.text)
		assert.NilError(t, err, name)
		assert.DeepEqual(t, got, row.want)
	}
	for _, text := range []string{"", "ps: not found", "USER PID COMMAND\nroot 1 sh\n", "PID\n1\n"} {
		_, err := ParsePS(text)
		assert.Check(t, cmp.ErrorContains(err, "no table of ps"), "%q", text)
	}
}

// FuzzParsePS: rows come out of any layout as they went in, and no text yields
// rows that do not stand in it.
func FuzzParsePS(f *testing.F) {
	f.Add("PID   USER     TIME  COMMAND\n    1 root      0:00 /pause\n/ # ", uint(7), "nginx: master process nginx")
	f.Add("    PID TTY      STAT   TIME COMMAND\n      1 ?        Ss     0:00 /pause\n", uint(4194304), "a  b")
	f.Add("PID CMD\n1 a", uint(1), "PID USER COMMAND")
	f.Fuzz(func(t *testing.T, text string, number uint, command string) {
		if rows, err := ParsePS(text); err == nil {
			for _, row := range rows {
				if row.PID <= 0 || !strings.Contains(text, row.Command) || !strings.Contains(text, fmt.Sprint(row.PID)) {
					t.Fatalf("a row that nobody printed: %+v", row)
				}
			}
		}
		pid := int(number%4194304) + 1 // the kernel's greatest PID
		command = strings.Trim(strings.ReplaceAll(command, "\n", " "), " ")
		if command == "" {
			command = "x"
		}
		want := []PSRow{{1, "/pause"}, {pid, command}}
		for heading, layout := range map[string]string{
			"PID   USER     TIME  COMMAND\n":         "%5d root      0:00 %s\n",
			"    PID TTY      STAT   TIME COMMAND\n": "%7d pts/0    S+     0:00 %s\n",
		} {
			table := "/ # ps ax\n" + heading
			for _, row := range want {
				table += fmt.Sprintf(layout, row.PID, row.Command)
			}
			got, err := ParsePS(table + "/ # ")
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("%q became %+v, %v", table, got, err)
			}
		}
	})
}

func showing(part string) func(string) bool {
	return func(text string) bool { return strings.Contains(text, part) }
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		terminal := NewTerminal(t.Context(), io.Discard)
		go func() {
			for _, piece := range []string{"/ # p", "s ax\r\nPI", "D\x1b[", "0m COMMAND\r\n"} {
				time.Sleep(time.Second)
				_, _ = terminal.Write([]byte(piece))
			}
		}()
		began := time.Now()
		text, err := terminal.Await(0, time.Minute, "a table", showing("COMMAND"))
		assert.NilError(t, err)
		assert.Equal(t, text, "/ # ps ax\nPID COMMAND\n")
		assert.Equal(t, time.Since(began), 4*time.Second, "it returns when the text arrives, not later")
		assert.Equal(t, terminal.Screen(), text)

		// Only what came after a position counts.
		_, err = terminal.Await(len(text), time.Second, "a second table", showing("COMMAND"))
		assert.Check(t, cmp.ErrorContains(err, `no a second table within 1s; the terminal showed ""`))
		text, err = terminal.Await(len(text)-len("COMMAND\n"), time.Second, "a table", showing("COMMAND"))
		assert.NilError(t, err)
		assert.Equal(t, text, "COMMAND\n")
	})
}

func TestAwaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("connection lost")
		terminal := NewTerminal(t.Context(), io.Discard)
		_, _ = terminal.Write([]byte("last words"))
		go func() {
			time.Sleep(time.Second)
			terminal.Close(lost)
		}()
		began := time.Now()
		text, err := terminal.Await(0, time.Hour, "a prompt", showing("#"))
		assert.Assert(t, errors.Is(err, lost) && errors.Is(err, io.EOF))
		assert.Check(t, cmp.ErrorContains(err, "the terminal closed before a prompt"))
		assert.Equal(t, text, "last words")
		assert.Equal(t, time.Since(began), time.Second)

		// What was shown before the end is still found.
		_, err = terminal.Await(0, time.Second, "words", showing("words"))
		assert.NilError(t, err)
		_, err = terminal.Await(1000, time.Second, "more", showing("more"))
		assert.Check(t, err != nil)

		ctx, cancel := context.WithCancel(t.Context())
		terminal = NewTerminal(ctx, io.Discard)
		cancel()
		_, err = terminal.Await(0, time.Hour, "a prompt", showing("#"))
		assert.Check(t, err != nil)
	})
}

func TestType(t *testing.T) {
	var keys bytes.Buffer
	terminal := NewTerminal(t.Context(), &keys)
	assert.NilError(t, terminal.Type("ps ax\r"))
	assert.Equal(t, keys.String(), "ps ax\r")

	reader, writer := io.Pipe()
	assert.NilError(t, reader.Close())
	terminal = NewTerminal(t.Context(), writer)
	assert.Check(t, cmp.ErrorContains(terminal.Type("x"), `typing "x": the terminal is closed`))
}
