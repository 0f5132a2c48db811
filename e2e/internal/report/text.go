package report

import (
	"strings"
	"unicode/utf8"

	"procns/e2e/internal/probe"
)

// How clean treats line breaks.
const (
	oneLine   = false // shown as \n
	manyLines = true  // kept
)

// clean makes foreign text harmless for a terminal and for XML alike.
func clean(text string, keepBreaks bool) string { return probe.Visible(text, keepBreaks) }

// pad fills text up to a width.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
