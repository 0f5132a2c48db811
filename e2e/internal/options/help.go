package options

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"strings"

	"procns/e2e/internal/suite"
)

// described is a flag as help and page show it.
type described struct{ form, text, fallback string }

func (g Group) described() []described {
	var all []described
	for _, name := range g.Names {
		f := g.flags.Lookup(name)
		placeholder, text := flag.UnquoteUsage(f)
		d := described{form: "-" + name, text: text}
		if placeholder != "" {
			d.form += " " + placeholder
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && !strings.Contains(text, "(default") {
			d.fallback = f.DefValue
		}
		all = append(all, d)
	}
	return all
}

func writeHelp(w io.Writer, groups []Group) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "usage: procns.test [flags]")
	fmt.Fprintln(out, "\nEach flag of a run can be set by a variable, PROCNS_REPORT_DIR for -report-dir, and in the file of -config,\ntoo: not what is done instead of a run. The command line comes first, then the environment.")
	for _, g := range groups {
		fmt.Fprintf(out, "\n%s:\n", g.Title)
		for _, d := range g.described() {
			fmt.Fprintf(out, "  %s\n        %s", d.form, d.text)
			if d.fallback != "" {
				fmt.Fprintf(out, " (default: %s)", d.fallback)
			}
			fmt.Fprintln(out)
		}
	}
	fmt.Fprintln(out, "\nExit codes:")
	for _, code := range exitCodes {
		fmt.Fprintf(out, "  %d  %s\n", code.code, code.meaning)
	}
	return out.Flush()
}

// exitCodes are what each exit code means, to a run and to what is done instead of one.
var exitCodes = []struct {
	code             int
	meaning, instead string
}{
	{suite.ExitConformant, "conformant: every level that decides is", "it is done"},
	{suite.ExitNonConformant, "non-conformant: a level that decides is, or something regressed since the report of -baseline", "-compare: something regressed"},
	{suite.ExitInconclusive, "inconclusive: something that decides could not be judged, or nothing was, or results are missing", "-compare: something cannot be told; -dry-run: always, at best"},
	{suite.ExitUsage, "wrong usage, or the set-up failed, or something could not be cleaned up, or -exempt names what passes", "wrong usage, or it failed"},
}
