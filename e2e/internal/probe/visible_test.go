package probe

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzVisible(f *testing.F) {
	f.Add("\x1b[31mred\x00\xff\u202e\r\n")
	f.Add("plain\ttext\n")
	f.Add("\r\r\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, keep := range []bool{false, true} {
			got := Visible(text, keep)
			if again := Visible(got, keep); again != got {
				t.Fatalf("cleaning twice gives another text: %q, %q", got, again)
			}
			if !keep && strings.Contains(got, "\n") {
				t.Fatalf("a line break remains in %q", got)
			}
			var b bytes.Buffer
			if err := xml.EscapeText(&b, []byte(got)); err != nil || !utf8.ValidString(got) {
				t.Fatalf("not for XML: %q", got)
			}
			// The encoder puts U+FFFD where XML forbids a character.
			if strings.Count(b.String(), "\ufffd") != strings.Count(text, "\ufffd") {
				t.Fatalf("characters were lost: %q became %q", text, b.String())
			}
		}
	})
}
