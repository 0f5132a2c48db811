package report

import (
	"fmt"
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
