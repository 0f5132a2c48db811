// Package wording puts counts, lists and durations into words, for lines that people read.
package wording

import (
	"fmt"
	"strings"
)

// Count is a number with the word for so many.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Times says how often.
func Times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// Few is as many names as a line of text takes in.
const Few = 3

// Names lists the first of the names, at most so many, and counts the others.
func Names(names []string, most int) string {
	list := strings.Join(names[:min(most, len(names))], ", ")
	if more := len(names) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// Seconds is a duration, in seconds, as a reader takes it in at a glance: 1.2s, 42s or 2m05s.
// What is negative is none.
func Seconds(seconds float64) string {
	switch seconds = max(0, seconds); {
	case seconds < 9.95:
		return fmt.Sprintf("%.1fs", seconds)
	case seconds < 59.5:
		return fmt.Sprintf("%.0fs", seconds)
	}
	whole := int(seconds + 0.5)
	return fmt.Sprintf("%dm%02ds", whole/60, whole%60)
}
