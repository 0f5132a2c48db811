package options

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// aboutSources is what the page says of the environment and of files of settings.
const aboutSources = `Each flag can also be set by a variable (` + "`PROCNS_REPORT_DIR` for `-report-dir`, `PROCNS_KEEP=true` for `-keep`" + `), or in a
YAML file that ` + "`-config`" + ` or ` + "`PROCNS_CONFIG`" + ` names, by the same name. What is done instead of a run is said on the command line
alone. Whatever the command line says of a flag replaces what the environment says of it, and that what the file says:
the values are not added to each other. So do flags that exclude each other, such as ` + "`-in-cluster` and `-context`" + `.

` + "```yaml" + `
# procns.yaml
context: staging
level: [core, extended]
skip:
- "@host-pid"
nodes: all
image:
  nginx: registry.example/nginx:1.29
pod-label: {team: platform}
timeout: 30m
fail-fast: true
` + "```" + `

- A flag that may be given several times takes a list in the file, and one value a line in a variable; one that takes
  ` + "`key=value`" + ` takes a mapping too. Patterns that begin with ` + "`*` or `@`" + ` need quotes in YAML.
- Values stay as they are written: ` + "`1.30`" + ` is not 1.3. Names of files are relative to the working directory.
- An unknown name in the file, a name said twice, a value that is wrong, and a variable that begins with ` + "`PROCNS_`" + ` and
  is no flag's are mistakes: one line names the place, and the nearest name. Empty variables set nothing; those that kubelet
  sets for a Service called procns are left alone, and so are those of the scripts, such as ` + "`PROCNS_CACHE`" + `.
- What came from where stands at the head of ` + "`e2e.log`" + `.
`

// forms are what -o prints, by what is asked for.
var forms = []struct{ of, text, json, markdown string }{
	{"a run, `-dry-run`", "what did not pass, a line an area, the verdict as the last line", "what report.json holds ([schema](report.schema.json)); the verdict's line goes to standard error", "what summary.md holds, likewise"},
	{"`-list`", "a case a line: ID, level, claim", "an array of objects: `id`, `level`, `claim`, `source`, `fixture`, `control` and what varies in it", ""},
	{"`-list-images`", "a reference a line", "an array of objects: `image`, `documented`, `manifests`", ""},
	{"`-compare`", "what changed, and a line that says it all", "an object: `verdict` with `exitCode` and `line`, `counts`, `changes` ([UPGRADES.md](UPGRADES.md#compare))", "the same as a page"},
	{"`-version`", "four lines", "an object: `version`, `commit`, `go`, `platform`, `cases`, `catalogueSHA256`", ""},
}

// writePage writes the page on the flags, docs/FLAGS.md.
func writePage(w io.Writer) error {
	out := bufio.NewWriter(w)
	p := func(format string, args ...any) { fmt.Fprintf(out, format, args...) }
	var o Options
	_, groups := o.define()
	p("# Flags\n\n")
	p("All flags of `bin/procns.test`. This page is written from the flags themselves: change one, then run\n")
	p("`go test ./e2e/internal/options -update`. With `make e2e` they go into `ARGS`. What they mean together is in\n")
	p("[ANY_CLUSTER.md](ANY_CLUSTER.md).\n")
	p("\n## Exit codes, and what comes out\n\n")
	p("| exit code | of a run | of what is done instead of a run |\n|---|---|---|\n")
	for _, code := range exitCodes {
		p("| %d | %s | %s |\n", code.code, code.meaning, code.instead)
	}
	p("\n| `-o` | text | json | markdown |\n|---|---|---|---|\n")
	for _, f := range forms {
		p("| %s | %s | %s | %s |\n", f.of, f.text, f.json, f.markdown)
	}
	p("\nEvery mistake in a flag, a variable or a file is one line on standard error, that begins with `procns: `, and exit code 3.\n")
	p("\n## Environment and configuration file\n\n%s", aboutSources)
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
