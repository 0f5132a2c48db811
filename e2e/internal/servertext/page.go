package servertext

import (
	"regexp"
	"strings"
)

var (
	pageBegins = regexp.MustCompile(`(?i)<!doctype html|<html[\s>]`)
	pageEnds   = regexp.MustCompile(`(?i)</html>`)
	pageTitle  = regexp.MustCompile(`(?is)<title[^>]*>([^<]*)`)
)

// WithoutPage is a text in which a page of HTML is replaced by what the page calls itself, in one line: a
// proxy on the way sends such, and no API server does.
func WithoutPage(text string) string {
	at := pageBegins.FindStringIndex(text)
	if at == nil {
		return text
	}
	page, rest := text[at[0]:], ""
	if ends := pageEnds.FindAllStringIndex(page, -1); ends != nil {
		last := ends[len(ends)-1][1]
		page, rest = page[:last], page[last:]
	}
	called := "without a title"
	if m := pageTitle.FindStringSubmatch(page); m != nil {
		const most = 120
		title := []rune(strings.ToValidUTF8(strings.Join(strings.Fields(m[1]), " "), "?"))
		if len(title) > most {
			title = append(title[:most:most], '…')
		}
		if len(title) > 0 {
			called = "titled “" + string(title) + "”"
		}
	}
	return text[:at[0]] + "a page of HTML " + called + ", which no API server sends: is there a proxy on the way?" + rest
}
