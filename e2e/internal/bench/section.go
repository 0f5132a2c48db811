package bench

import (
	"fmt"
	"strings"
)

// WithSection is a page whose section of this name, between <!-- name: begin … --> and
// <!-- name: end -->, has the content. The markers stay. Its error says which is not there once.
func WithSection(page, name, content string) (string, error) {
	opening, end := "<!-- "+name+": begin", "<!-- "+name+": end -->"
	if strings.Count(page, opening) != 1 || strings.Count(page, end) != 1 {
		return "", fmt.Errorf("the page needs one line “%s … -->” and one “%s”", opening, end)
	}
	before, rest, _ := strings.Cut(page, opening)
	head, rest, ok := strings.Cut(rest, "\n")
	_, after, found := strings.Cut(rest, end)
	if !ok || !strings.HasSuffix(head, "-->") || !found {
		return "", fmt.Errorf("the marker “%s … -->” is not a line of its own before “%s”", opening, end)
	}
	return before + opening + head + "\n\n" + strings.Trim(content, "\n") + "\n\n" + end + after, nil
}
