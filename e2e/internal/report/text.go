package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// How clean treats line breaks.
const (
	oneLine   = false // shown as \n
	manyLines = true  // kept
)

// clean makes foreign text harmless for a terminal and for XML alike. What was
// read in a container may hold anything: escape sequences, NUL bytes, invalid
// UTF-8, characters that reorder a line. They become visible escapes, so that
// nothing is lost either. Tabs stay.
func clean(text string, keepBreaks bool) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r == '\t', r == '\n' && keepBreaks:
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r < 0x80 && unicode.IsControl(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp), r == 0xFFFE, r == 0xFFFF:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		text = text[size:]
	}
	return b.String()
}

// pad fills text up to a width.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// shortSeconds is a duration as a reader takes it in at a glance.
func shortSeconds(seconds float64) string {
	switch {
	case seconds < 9.95:
		return fmt.Sprintf("%.1fs", seconds)
	case seconds < 59.5:
		return fmt.Sprintf("%.0fs", seconds)
	}
	whole := int(seconds + 0.5)
	return fmt.Sprintf("%dm%02ds", whole/60, whole%60)
}

// shellQuote quotes a word for a POSIX shell where that is needed.
func shellQuote(word string) string {
	plain := strings.IndexFunc(word, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%+=:,./-_", r))
	}) < 0
	if plain && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
