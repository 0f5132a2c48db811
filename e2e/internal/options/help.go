package options

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"strings"
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
	return out.Flush()
}

// WritePage writes the page on the flags, docs/FLAGS.md.
func WritePage(w io.Writer) error {
	out := bufio.NewWriter(w)
	p := func(format string, args ...any) { fmt.Fprintf(out, format, args...) }
	var o Options
	_, groups := o.define()
	p("# Flags\n\n")
	p("All flags of `bin/procns.test`. This page is written from the flags themselves: change one, then run\n")
	p("`go test ./e2e/internal/options -update`. With `make e2e` they go into `ARGS`. What they mean together is in\n")
	p("[ANY_CLUSTER.md](ANY_CLUSTER.md).\n")
	for _, g := range groups {
		p("\n## %s\n\n", g.Title)
		if g.About != "" {
			p("%s\n\n", g.About)
		}
		p("| flag | meaning | default |\n|---|---|---|\n")
		for _, d := range g.described() {
			fallback := ""
			if d.fallback != "" {
				fallback = "`" + d.fallback + "`"
			}
			p("| `%s` | %s | %s |\n", d.form, strings.NewReplacer("|", `\|`, "*", `\*`).Replace(d.text), fallback)
		}
	}
	return out.Flush()
}
