package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"procns/e2e/internal/suite"
)

// WriteMarkdown writes a summary for places that show Markdown: the verdict,
// the targets, a table of outcomes, and what was not conformant.
func WriteMarkdown(w io.Writer, run Run) error {
	out := bufio.NewWriter(w)
	v := run.Verdict()
	fmt.Fprintf(out, "# %s\n\n", inline(v.Line))
	markdownLevels(out, run)
	if line := run.clusterLine(); line != "" {
		fmt.Fprintf(out, "%s\n\n", inline(line))
	}
	targets := run.targets()
	if run.many() {
		for _, line := range run.targetLines() {
			fmt.Fprintf(out, "- %s\n", inline(line))
		}
	} else {
		for _, t := range targets {
			fmt.Fprintf(out, "- **%s**: %s\n", inline(t.Name()), inline(describe(t)))
		}
	}
	if upgrade := run.Upgrade.describe(); upgrade != "" {
		fmt.Fprintf(out, "- upgrade: %s\n", inline(upgrade))
	}
	for _, l := range run.leftOut() {
		fmt.Fprintf(out, "- left out: %s: %s\n", inline(l.Node), inline(l.Reason))
	}
	for _, line := range run.replacements() {
		fmt.Fprintf(out, "- images: %s\n", inline(line))
	}
	for _, change := range run.HostChanges {
		fmt.Fprintf(out, "- host: %s\n", inline(change))
	}
	for _, note := range run.Notes {
		fmt.Fprintf(out, "- note: %s\n", inline(note))
	}
	for _, trouble := range run.remarks(v) {
		fmt.Fprintf(out, "- **%s**\n", inline(trouble))
	}
	if run.Comparison != nil {
		fmt.Fprintln(out)
		if err := run.Comparison.WriteMarkdown(out); err != nil {
			return err
		}
	}
	if len(run.Results) > 0 {
		markdownTable(out, run, targets)
	}
	explained := map[string]int{} // by case
	for _, result := range run.explained() {
		if !result.Outcome.Failed() {
			continue
		}
		if explained[result.Case.ID]++; explained[result.Case.ID] > MostTargets {
			continue // the table counts them
		}
		fmt.Fprintf(out, "\n## %s: %s on %s\n\n", inline(string(result.Outcome)), inline(result.Case.ID), inline(result.Target.Name()))
		var why strings.Builder
		writeFields(&why, "", append(ofCase(result.Case), run.ofResult(result)...))
		fence := fenceFor(why.String())
		fmt.Fprintf(out, "%stext\n%s%s\n", fence, why.String(), fence)
	}
	markdownAlike(out, run, "Exempted", run.exempted())
	markdownAlike(out, run, "Skipped", run.skipped())
	markdownAlike(out, run, "Conformant, and to be known", run.toBeKnown())
	markdownRecords(out, run)
	return out.Flush()
}

// markdownLevels prints the verdict of each level.
func markdownLevels(out io.Writer, run Run) {
	rows := run.levelRows()
	if len(rows) == 0 {
		return
	}
	fmt.Fprint(out, "| level | verdict | results |\n|---|---|---|\n")
	for _, row := range rows {
		fmt.Fprintf(out, "| %s | %s | %s |\n", inline(string(row.level)), inline(row.verdict), inline(row.text))
	}
	fmt.Fprintln(out)
}

// markdownRecords prints the informational cases, which judge nobody.
func markdownRecords(out io.Writer, run Run) {
	records, more := fewRecords(run.informational())
	if len(records) == 0 {
		return
	}
	fmt.Fprint(out, "\n## Recorded, not judged\n")
	for _, r := range records {
		fmt.Fprintf(out, "\n%s\n", inline(r.heading()))
		if fields := r.fields(); len(fields) > 0 {
			var text strings.Builder
			writeFields(&text, "", fields)
			fence := fenceFor(text.String())
			fmt.Fprintf(out, "\n%stext\n%s%s\n", fence, text.String(), fence)
		}
	}
	if more > 0 {
		fmt.Fprintf(out, "\n%s\n", andMore(more))
	}
}

func markdownTable(out io.Writer, run Run, targets []suite.Target) {
	if run.many() {
		said := run.outcomesOf()
		fmt.Fprint(out, "\n| case | level | outcomes |\n|---|---|---|\n")
		for _, c := range run.cases() {
			fmt.Fprintf(out, "| %s | %s | %s |\n", inline(c.ID), inline(string(c.Level)), inline(said[c.ID]))
		}
		return
	}
	cells, asks := run.cells(), run.Sweep.Asks()
	heading, rule := "\n| case | level |", "|---|---|"
	for _, t := range targets {
		heading += " " + inline(t.Name()) + " |"
		rule += "---|"
	}
	fmt.Fprintf(out, "%s\n%s\n", heading, rule)
	for _, c := range run.cases() {
		row := fmt.Sprintf("| %s | %s |", inline(c.ID), inline(string(c.Level)))
		for _, t := range targets {
			text, _ := cell(cells[pair{c.ID, t.Name()}])
			if !asks(c.ID, t.Name()) {
				text = notAsked
			}
			row += " " + inline(strings.Join(strings.Fields(text), " ")) + " |"
		}
		fmt.Fprintln(out, row)
	}
}

// MarkdownText makes foreign text safe within a line of Markdown.
func MarkdownText(text string) string { return inline(text) }

// inline makes text safe within a line of Markdown.
func inline(text string) string {
	return strings.NewReplacer(
		`\`, `\\`, "`", "\\`", "|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;", "[", `\[`, "&", "&amp;",
	).Replace(clean(text, oneLine))
}

// fenceFor returns a fence longer than any in the text.
func fenceFor(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence
}
