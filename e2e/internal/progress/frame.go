package progress

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// Size is a terminal's: columns and rows. What is 0 is not known.
type Size struct{ Width, Height int }

// known is the size with what is usual in place of what is not known.
func (s Size) known() Size {
	if s.Width <= 0 {
		s.Width = 80
	}
	if s.Height <= 0 {
		s.Height = 24
	}
	return s
}

// Colours, as terminals name them.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
	dim    = "2"
)

// span is a piece of a line in one colour, and row a line of them.
type span struct{ colour, text string }
type row []span

// render cuts a row to a width, and paints it if there are colours.
func (r row) render(width int, colour bool) string {
	var b strings.Builder
	left := width
	for i, s := range r {
		text := probe.Visible(s.text, false)
		n := utf8.RuneCountInString(text)
		rest := 0
		for _, other := range r[i+1:] {
			rest += utf8.RuneCountInString(other.text)
		}
		cut := n > left || n == left && rest > 0
		if cut {
			text = string([]rune(text)[:max(0, left-1)]) + "…"
			n = left
		}
		if colour && s.colour != "" {
			text = "\x1b[" + s.colour + "m" + text + "\x1b[0m"
		}
		b.WriteString(text)
		if left -= n; cut || left <= 0 {
			break
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// Frame is what a terminal of a size shows at a moment: never more rows than it has,
// but for one, and never a row that is wider than it.
func (s *State) Frame(now time.Time, size Size, colour bool) []string {
	size = size.known()
	// The last column stays free: terminals differ in what becomes of the cursor behind it.
	width, height := max(1, size.Width-1), max(1, size.Height-1)
	var lines []string
	for _, r := range s.rows(now, height) {
		lines = append(lines, r.render(width, colour))
	}
	return lines
}

func (s *State) rows(now time.Time, height int) []row {
	if s.step != "" {
		return []row{{{"", "    " + s.step + " … "}, {dim, wording.Seconds(now.Sub(s.stepBegan).Seconds())}}}
	}
	if !s.planned || s.done == s.results {
		return nil
	}
	rows := []row{s.head(now)}
	free := height - len(rows)
	running := s.longest(len(s.running))
	// Areas come first, and of those the ones that are not at their end; the running cases
	// have at least a quarter of what is free.
	forCases := min(len(running)+1, max(free/4, free-len(s.areas)))
	if len(running) == 0 {
		forCases = 0
	}
	rows = append(rows, s.areaRows(max(0, free-forCases))...)
	return append(rows, s.runningRows(running, now, min(forCases, height-len(rows)))...)
}

func (s *State) head(now time.Time) row {
	r := row{{bold, fmt.Sprintf("%d of %d", s.done, s.results)}, {"", " · " + wording.Seconds(now.Sub(s.began).Seconds())}}
	if left, ok := s.Left(now); ok {
		r = append(r, span{"", ", " + about(left)})
	}
	return append(append(r, span{"", " · "}), counted(s.counts)...)
}

// areaRows are the areas, a row each. Where there is no room for all of them, those at
// their end share one, and the last row says how many are not shown.
func (s *State) areaRows(room int) []row {
	if room <= 0 {
		return nil
	}
	shown := s.areas
	var rows []row
	if len(shown) > room {
		ended, results, counts := 0, 0, map[string]int{}
		shown = nil
		for _, a := range s.areas {
			if a.done < a.results {
				shown = append(shown, a)
				continue
			}
			ended, results = ended+1, results+a.results
			for word, n := range a.counts {
				counts[word] += n
			}
		}
		if ended > 0 {
			rows = append(rows, append(row{{"", fmt.Sprintf("  %s at the end, %d results  ", wording.Count(ended, "area is", "areas are"), results)}}, counted(counts)...))
		}
	}
	if fit := room - len(rows); len(shown) > fit {
		rest := len(shown) - max(0, fit-1)
		shown = shown[:len(shown)-rest]
		return append(append(rows, s.each(shown)...), row{{dim, fmt.Sprintf("  and %s", wording.Count(rest, "more area", "more areas"))}})[:room]
	}
	return append(rows, s.each(shown)...)
}

func (s *State) each(areas []*areaState) []row {
	name, digits := 0, 0
	for _, a := range s.areas {
		name, digits = max(name, len(a.name)), max(digits, len(fmt.Sprint(a.results)))
	}
	var rows []row
	for _, a := range areas {
		colour := ""
		if a.done == a.results {
			colour = dim
		}
		rows = append(rows, append(row{{colour, fmt.Sprintf("  %-*s  %*d of %*d  ", name, a.name, digits, a.done, digits, a.results)}}, counted(a.counts)...))
	}
	return rows
}

func (s *State) runningRows(running []runs, now time.Time, room int) []row {
	if room <= 0 || len(running) == 0 {
		return nil
	}
	title := fmt.Sprintf("  %s running", wording.Count(len(running), "case is", "cases are"))
	if len(running) > room-1 && room > 1 {
		title += ", the longest:"
	}
	rows := []row{{{dim, title}}}
	for _, one := range running[:min(len(running), room-1)] {
		r := row{{"", fmt.Sprintf("    %6s  %s", wording.Seconds(now.Sub(one.since).Seconds()), one.id)}}
		if s.targets > 1 {
			r = append(r, span{dim, " on " + one.target})
		}
		rows = append(rows, r)
	}
	return rows
}

// counted tells how many results ended how, the worst first.
func counted(counts map[string]int) row {
	var r row
	for _, word := range words {
		n := counts[word]
		if n == 0 {
			continue
		}
		if len(r) > 0 {
			r = append(r, span{"", ", "})
		}
		r = append(r, span{colourOf(word), fmt.Sprintf("%d %s", n, loud(number(word, n)))})
	}
	return r
}

// number is the word for so many results.
func number(word string, n int) string {
	if n > 1 && word == suite.NonConformant.In(suite.Informational) {
		return "differ"
	}
	return word
}

// loud has the outcomes that are no pass stand out without colours.
func loud(word string) string {
	if suite.Outcome(word).Failed() {
		return strings.ToUpper(word)
	}
	return word
}

func colourOf(word string) string {
	switch word {
	case string(suite.NonConformant):
		return red
	case string(suite.Inconclusive), string(suite.Exempted):
		return yellow
	case string(suite.Conformant):
		return green
	}
	return ""
}

// about is an estimate, no more exact than it can be.
func about(left time.Duration) string {
	switch {
	case left < time.Minute:
		return "less than a minute left"
	case left < 90*time.Second:
		return "about a minute left"
	}
	return fmt.Sprintf("about %d minutes left", int(left.Minutes()+0.5))
}
