package page

import (
	"encoding/json"
	"strings"

	"procns/e2e/internal/compare"
	"procns/e2e/internal/report"
)

// changes are what changed since an earlier report.
type changes struct {
	Mark   mark
	Line   string
	About  []field
	Notes  []string
	Counts []wordCount
	Rows   listed[change]
	// Unread says why the comparison is not shown.
	Unread string
}

type wordCount struct {
	Word compare.Word
	N    int
}

// change is what became of one case on one target.
type change struct {
	Mark               mark
	ID, Anchor, Target string
	Before, Now        string
	Reason             string
	Besides            string
}

// wordMarks are how the words are shown.
var wordMarks = map[compare.Word]mark{
	compare.Regressed: {"no", "✗", "regressed"}, compare.Unclear: {"unsure", "?", "unclear"}, compare.Gone: {"skip", "–", "gone"},
	compare.New: {"info", "+", "new"}, compare.Mended: {"yes", "✓", "mended"}, compare.Unchanged: {"skip", "=", "unchanged"},
}

func changesOf(d report.Document) *changes {
	if len(d.Changes) == 0 || string(d.Changes) == "null" {
		return nil
	}
	var c compare.Comparison
	if err := json.Unmarshal(d.Changes, &c); err != nil {
		return &changes{Unread: "The report's comparison cannot be read: " + err.Error()}
	}
	if c.Schema != compare.Schema {
		return &changes{Unread: "The report's comparison is of the schema " + c.Schema + ", which this suite does not read."}
	}
	v := &changes{
		Mark:  [...]mark{{"yes", "✓", "nothing regressed"}, {"no", "✗", "something regressed"}, {"unsure", "?", "could not be told"}}[min(2, max(0, c.Verdict.ExitCode))],
		Line:  c.Verdict.Line,
		About: filled(field{"baseline", side(c.Baseline)}, field{"now", side(c.Now)}),
		Notes: c.Notes,
	}
	for _, word := range compare.Words {
		v.Counts = append(v.Counts, wordCount{word, c.Counts[word]})
	}
	some := first(c.Changes, mostChanges)
	v.Rows.More = some.More
	for _, one := range some.Some {
		m, known := wordMarks[one.Word]
		if !known {
			m = mark{"unsure", "?", string(one.Word)}
		}
		var besides []string
		for _, b := range []struct {
			holds bool
			text  string
		}{{one.Reworded, "the two reports do not claim the same"}, {one.Exempted, "exempted"}, {one.NotRequired, "its level does not count"}} {
			if b.holds {
				besides = append(besides, b.text)
			}
		}
		v.Rows.Some = append(v.Rows.Some, change{
			Mark: m, ID: one.ID, Target: one.Target, Before: one.Before.In(one.Level), Now: one.Now.In(one.Level),
			Reason: short(one.Reason), Besides: strings.Join(besides, "; "),
		})
	}
	return v
}

// link has the cases that the page shows linked to.
func (c *changes) link(links map[string]string) {
	for i, row := range c.Rows.Some {
		c.Rows.Some[i].Anchor = links[row.ID]
	}
}

func side(s compare.Side) string {
	if s.ID == "" {
		return ""
	}
	return strings.TrimSpace("run " + s.ID + ", " + moment(s.Started) + prefixed(", Kubernetes ", s.Server) + prefixed(", suite ", s.Suite) + prefixed(": ", string(s.Verdict)))
}
