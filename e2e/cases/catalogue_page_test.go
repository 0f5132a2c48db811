package cases

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"procns/e2e/internal/suite"
)

// writeCatalogue writes the catalogue's page: every case with its claim, where
// the claim is made, and on what it is tried. Everything in it comes from the
// cases' own fields.
func writeCatalogue(w io.Writer, areas []suite.Area, cases []suite.Case) error {
	out := bufio.NewWriter(w)
	p := func(format string, args ...any) { fmt.Fprintf(out, format, args...) }
	p("# The catalogue\n\n")
	p("Every claim that procns asserts. This page is written from the cases themselves: change a case, then run\n")
	p("`go test ./e2e/cases -update`.\n\n")
	p("**Core** claims stand on the documentation page or in the API reference, **Extended** ones follow from KEP-495,\n")
	p("from kubelet's contract or from a rule of the kernel, and **Informational** ones record where runtimes may differ,\n")
	p("without a say in the verdict. A claim is conformant when its judge says yes to the fixture and no to the control.\n")
	p("How to add one: [ADDING_A_CASE.md](ADDING_A_CASE.md).\n\n")
	p("| Area | Cases | Core | Extended | Informational |\n|---|--:|--:|--:|--:|\n")
	byArea := map[string][]suite.Case{}
	for _, c := range cases {
		byArea[c.Area()] = append(byArea[c.Area()], c)
	}
	row := func(name string, some []suite.Case) {
		count := map[suite.Level]int{}
		for _, c := range some {
			count[c.Level]++
		}
		p("| %s | %d | %d | %d | %d |\n", name, len(some), count[suite.Core], count[suite.Extended], count[suite.Informational])
	}
	for _, area := range areas {
		row(fmt.Sprintf("[%s](#%s)", area.Name, area.Name), byArea[area.Name])
	}
	row("all", cases)
	for _, area := range areas {
		p("\n## %s\n\nThe cases of this area state %s.\n", area.Name, area.About)
		for _, c := range byArea[area.Name] {
			writeCase(out, c)
		}
	}
	return out.Flush()
}

func writeCase(out io.Writer, c suite.Case) {
	item := func(name, format string, args ...any) {
		fmt.Fprintf(out, "- %s: %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(out, "\n### %s\n\n**%s.** %s\n\n", c.ID, c.Level, c.Claim)
	item("source", "%s", c.Source)
	if c.MinVersion != "" {
		item("since", "Kubernetes v%s", c.MinVersion)
	}
	item("fixture", "%s", manifestLink(c.Fixture))
	if c.Control != "" {
		item("control", "%s, which differs in %s", manifestLink(c.Control), c.Property())
	} else {
		item("control", "none: %s", c.NoControl)
	}
	if c.Neighbour != "" {
		item("second pod", "%s", manifestLink(c.Neighbour))
	}
	if where := submitted[c.Submit]; where != "" {
		item("submitted", "%s", where)
	}
	if c.Act != nil {
		item("act", "%s", strings.ReplaceAll(c.Act.Name, "-", " "))
	}
	if c.OwnNode {
		item("runs", "only on clusters that the suite itself made: it reaches into the node")
	}
	if c.Records != "" {
		item("records", "%s", c.Records)
	}
}

// submitted says what is done with a manifest whose pod does not simply run.
var submitted = map[suite.Submission]string{
	suite.DryRun:           "with dryRun=All: nothing is stored",
	suite.DryRunBaseline:   "with dryRun=All, into a namespace that enforces the Pod Security level baseline",
	suite.DryRunRestricted: "with dryRun=All, into a namespace that enforces the Pod Security level restricted",
	suite.Stored:           "and stored; nothing waits for it to run",
}

func manifestLink(file string) string { return fmt.Sprintf("[%s](../fixtures/%s)", file, file) }
