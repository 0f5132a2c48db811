package conformance

import (
	"io"

	"procns/e2e/internal/compare"
	"procns/e2e/internal/options"
	"procns/e2e/internal/report"
)

// readBaseline reads the report that -baseline names, before anything runs.
func readBaseline(file string) (*report.Document, error) {
	if file == "" {
		return nil, nil
	}
	d, err := compare.ReadFile(file)
	if err != nil {
		return nil, options.Usagef("-baseline: %w", err)
	}
	return &d, nil
}

// compareWithBaseline adds to the report what changed. A run without results has
// nothing to compare, and says so itself.
func (c *Run) compareWithBaseline() {
	if c.baseline != nil && len(c.report.Results) > 0 {
		c.report.Comparison = compare.Of(*c.baseline, c.report.Document())
	}
}

// compareReports is -compare: two reports, and no cluster.
func compareReports(o options.Options, stdout, stderr io.Writer) int {
	var sides [2]report.Document
	for i, file := range o.Compare {
		d, err := compare.ReadFile(file)
		if err != nil {
			return refuse(stderr, options.Usagef("-compare: %w", err))
		}
		sides[i] = d
	}
	if o.Require != "" {
		sides[1].Verdict.Require = o.Require
	}
	c := compare.Of(sides[0], sides[1])
	write := func(w io.Writer) error {
		if err := c.WriteText(w); err != nil {
			return err
		}
		return c.WriteLine(w)
	}
	switch o.Form {
	case options.JSON:
		write = c.WriteJSON
	case options.Markdown:
		write = c.WriteMarkdown
	}
	if err := write(stdout); err != nil {
		return refuse(stderr, err)
	}
	return c.ExitCode()
}
