package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// Style is how the terminal text looks.
type Style struct {
	// Colour is for terminals only.
	Colour bool
	// Width is the number of columns; 0 means 120.
	Width int
	// Brief tells a line an area, and of the records those that are not as described:
	// who wants to read all of them finds them in the log.
	Brief bool
}

// WriteTerminal writes the summary that closes a run: a line for each case or area,
// every non-pass explained, the totals, and the verdict as the last line.
func WriteTerminal(w io.Writer, run Run, style Style) error {
	if style.Width <= 0 {
		style.Width = 120
	}
	out := bufio.NewWriter(w)
	p := &printer{Writer: out, run: run, style: style}
	if run.Problem != "" && len(run.Results) == 0 && len(run.Leftovers)+len(run.Pending) == 0 {
		// A wrong flag or an unreachable cluster is said in one line.
		// With the nodes, where they are what is wrong.
		if run.CannotTell {
			p.head()
			fmt.Fprintln(p)
		}
		v := run.Verdict()
		fmt.Fprintln(p, p.paint(colourOf(v), v.Line))
		return out.Flush()
	}
	p.head()
	if style.Brief {
		p.areas()
	} else {
		p.table()
	}
	p.explanations()
	p.records()
	p.toBeKnown()
	if run.Comparison != nil {
		fmt.Fprintln(p, "\n"+p.paint(bold, "Compared with an earlier run"))
		if err := run.Comparison.WriteText(p); err != nil {
			return err
		}
	}
	p.levels()
	p.totals()
	v := run.Verdict()
	fmt.Fprintln(p, "\n"+p.paint(colourOf(v), v.Line))
	return out.Flush()
}

type printer struct {
	io.Writer
	run   Run
	style Style
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
	bold   = "1"
)

func (p *printer) paint(colour, text string) string {
	if !p.style.Colour || colour == "" || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func colourOf(v Verdict) string {
	switch v.ExitCode {
	case suite.ExitConformant:
		return green
	case suite.ExitInconclusive:
		return yellow
	}
	return red
}

func (p *printer) head() {
	r := p.run
	about := []field{
		{"run", strings.TrimSpace(r.ID + " " + r.Suite.Version)},
		{"cluster", r.clusterLine()},
		{"upgrade", r.Upgrade.describe()},
	}
	for _, line := range r.targetLines() {
		about = append(about, field{"target", line})
	}
	for _, l := range r.leftOut() {
		about = append(about, field{"left out", "node " + l.Node + ": " + l.Reason})
	}
	for _, line := range r.replacements() {
		about = append(about, field{"images", line})
	}
	for _, change := range r.HostChanges {
		about = append(about, field{"host", change})
	}
	for _, note := range r.Notes {
		about = append(about, field{"note", note})
	}
	fmt.Fprintln(p)
	writeFields(p, "", filled(about))
}

// cell is what the table says of one result.
func cell(result *suite.Result) (text, colour string) {
	if result == nil {
		return "not run", yellow
	}
	text = result.Outcome.In(result.Case.Level)
	switch {
	case isRecord(*result):
		colour = "" // recorded, not judged
	case result.Outcome == suite.Conformant:
		colour = green
	case result.Outcome == suite.NonConformant:
		text, colour = "NON-CONFORMANT", red
	case result.Outcome == suite.Inconclusive:
		text, colour = "INCONCLUSIVE", yellow
	case result.Outcome == suite.Exempted:
		colour = yellow
	case result.Outcome == suite.Planned, result.Outcome == suite.Skipped && result.Duration == 0:
		return text, dim // it took no time
	default:
		colour = dim
	}
	return pad(clean(text, oneLine), len("NON-CONFORMANT")) + " " + fmt.Sprintf("%6s", wording.Seconds(result.Duration.Seconds())), colour
}

// table shows cases as rows and targets as columns, where they fit.
func (p *printer) table() {
	cases, targets := p.run.cases(), p.run.targets()
	if len(cases) == 0 {
		return
	}
	if p.run.many() {
		p.casesInLines(cases)
		return
	}
	cells, asks := p.run.cells(), p.run.Sweep.Asks()
	const gap = "  "
	idWidth := len("CASE")
	for _, c := range cases {
		idWidth = max(idWidth, utf8.RuneCountInString(clean(c.ID, oneLine)))
	}
	column := len("NON-CONFORMANT") + len(" 000.0s")
	names := make([]string, len(targets))
	widest := 0
	for i, t := range targets {
		names[i] = clean(t.Name(), oneLine)
		widest = max(widest, utf8.RuneCountInString(names[i]))
	}
	columns := max(column, widest)

	fmt.Fprintln(p)
	if idWidth+len(targets)*(len(gap)+columns) <= p.style.Width {
		line := pad("CASE", idWidth)
		for _, name := range names {
			line += gap + pad(name, columns)
		}
		fmt.Fprintln(p, p.paint(bold, strings.TrimRight(line, " ")))
		for _, c := range cases {
			line := pad(clean(c.ID, oneLine), idWidth)
			for _, t := range targets {
				text, colour := cell(cells[pair{c.ID, t.Name()}])
				if !asks(c.ID, t.Name()) {
					text, colour = notAsked, dim
				}
				line += gap + p.paint(colour, text) + strings.Repeat(" ", max(0, columns-utf8.RuneCountInString(text)))
			}
			fmt.Fprintln(p, strings.TrimRight(line, " "))
		}
		return
	}
	fmt.Fprintln(p, p.paint(bold, pad("OUTCOME", column)+gap+pad("CASE", idWidth)+gap+"TARGET"))
	for _, c := range cases {
		for i, t := range targets {
			if !asks(c.ID, t.Name()) {
				continue
			}
			text, colour := cell(cells[pair{c.ID, t.Name()}])
			fmt.Fprintln(p, p.paint(colour, pad(text, column))+gap+pad(clean(c.ID, oneLine), idWidth)+gap+names[i])
		}
	}
}

// casesInLines shows a line a case, where there are many targets.
func (p *printer) casesInLines(cases []suite.Case) {
	width := len("CASE")
	for _, c := range cases {
		width = max(width, utf8.RuneCountInString(clean(c.ID, oneLine)))
	}
	said := p.run.outcomesOf()
	fmt.Fprintln(p, "\n"+p.paint(bold, pad("CASE", width)+"  OUTCOMES"))
	for _, c := range cases {
		fmt.Fprintln(p, pad(clean(c.ID, oneLine), width)+"  "+clean(said[c.ID], oneLine))
	}
}

// explanations tell of every result that is no pass: the claim once for each
// case, then what was found on each target. Each reason for skipping gets a line, and
// so do cases that could not be judged for a reason told already: one missing
// image would otherwise be told once for each case.
func (p *printer) explanations() {
	told := map[string]string{} // case by target and reason
	byCase := map[string][]suite.Result{}
	var order []string
	for _, result := range p.run.explained() {
		id := result.Case.ID
		if byCase[id] == nil {
			order = append(order, id)
		}
		byCase[id] = append(byCase[id], result)
	}
	for _, id := range order {
		var loud []suite.Result
		for _, result := range byCase[id] {
			if result.Outcome.Failed() {
				loud = append(loud, result)
			}
		}
		if len(loud) == 0 {
			continue
		}
		var fresh, again []suite.Result
		for _, result := range loud {
			key := result.Target.Name() + "\x00" + result.Reason
			if first, ok := told[key]; ok && first != id && result.Outcome == suite.Inconclusive && result.Expected == "" {
				again = append(again, result)
				continue
			}
			told[key] = firstOf(told[key], id)
			fresh = append(fresh, result)
		}
		text, colour := cell(&loud[0])
		fmt.Fprintf(p, "\n%s %s\n", p.paint(colour, strings.Fields(text)[0]), p.paint(bold, clean(id, oneLine)))
		if len(fresh) > 0 {
			writeFields(p, "  ", ofCase(loud[0].Case))
		}
		fresh, more := beginning(fresh)
		for _, result := range fresh {
			fmt.Fprintln(p, "  on "+clean(result.Target.Name(), oneLine))
			writeFields(p, "    ", p.run.ofResult(result))
		}
		if more > 0 {
			fmt.Fprintln(p, "  "+andMore(more)+": report.json has them")
		}
		again, more = beginning(again)
		for _, result := range again {
			first := told[result.Target.Name()+"\x00"+result.Reason]
			fmt.Fprintf(p, "  on %s for the same reason as %s\n", clean(result.Target.Name(), oneLine), clean(first, oneLine))
		}
		if more > 0 {
			fmt.Fprintln(p, "  "+andMore(more)+" for reasons told already")
		}
	}
	p.aside()
}

// records print the informational cases, which judge nobody.
func (p *printer) records() {
	records := p.run.informational()
	if len(records) == 0 {
		return
	}
	fmt.Fprintln(p, "\n"+p.paint(bold, "Recorded, not judged"))
	if p.style.Brief {
		all := len(records)
		records = slices.DeleteFunc(records, func(r recordOf) bool { return r.result.Outcome == suite.Conformant })
		if said := all - len(records); said > 0 {
			fmt.Fprintf(p, "  %s as described: e2e.log, summary.md and -v tell them\n", wording.Count(said, "record is", "records are"))
		}
	}
	shown, more := fewRecords(records)
	for _, r := range shown {
		fmt.Fprintln(p, "  "+r.heading())
		writeFields(p, "    ", r.fields())
	}
	if more > 0 {
		fmt.Fprintln(p, "  "+andMore(more)+": report.json has them")
	}
}

// levels print the verdict of each level.
func (p *printer) levels() {
	rows := p.run.levelRows()
	if len(rows) == 0 {
		return
	}
	level, verdict := len(suite.Informational)+2, len("NON-CONFORMANT")+2
	fmt.Fprintln(p, "\n"+p.paint(bold, pad("LEVEL", level)+pad("VERDICT", verdict)+"RESULTS"))
	for _, row := range rows {
		text, colour := row.verdict, map[suite.Outcome]string{
			suite.Conformant: green, suite.NonConformant: red, suite.Inconclusive: yellow,
		}[row.outcome]
		if row.outcome != suite.Conformant && row.outcome != "" {
			text = strings.ToUpper(text)
		}
		fmt.Fprintln(p, pad(string(row.level), level)+p.paint(colour, pad(text, verdict))+clean(row.text, oneLine))
	}
}

func (p *printer) totals() {
	r, v := p.run, p.run.Verdict()
	times := fmt.Sprintf("wall time %s, the cases %s", wording.Seconds(r.Stats.WallSeconds), wording.Seconds(r.Stats.CatalogueSeconds))
	if t := r.Stats.T(); t > 0 {
		var each []string
		for target, seconds := range r.Stats.ReadySeconds {
			each = append(each, target+" "+wording.Seconds(seconds))
		}
		sort.Strings(each)
		times += fmt.Sprintf(" = %.1f T, with T (the documented pod, from apply to Ready) %s: %s",
			r.Stats.CatalogueSeconds/t, wording.Seconds(t), fewNames(each))
	}
	cost := fmt.Sprintf("%s · %s · %s · %.1f requests per case and target",
		wording.Count(r.Stats.Pods, "pod", "pods"), wording.Count(r.Stats.APIRequests, "API request", "API requests"),
		wording.Count(r.Stats.Execs, "exec", "execs"), r.requestsPerCaseAndTarget())
	fmt.Fprintln(p)
	writeFields(p, "", filled([]field{{"time", times}, {"cost", cost}, {"evidence", r.Folder}, {"kept", r.Kept}}))
	for _, trouble := range r.remarks(v) {
		fmt.Fprintln(p, p.paint(red, clean(trouble, oneLine)))
	}
}
