// Command runtimes writes docs/RUNTIMES.md from the report of a run on several container runtimes
// (scripts/runtimes.sh), or from several, of which a later one may have run some cases once more. It exits with 1 if a result is not explained, or an explanation not needed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"procns/e2e/internal/report"
	"procns/e2e/internal/runtimes"
)

func main() {
	versions := map[string]string{}
	part := flag.Bool("part", false, "the run was of some cases or runtimes only: explanations of the others are left alone")
	page := flag.String("o", "", "write the page to this `file`")
	record := flag.String("record", "", "keep what was found in this `file`")
	flag.Func("version", "what a runtime says of itself, `name=text` (repeatable)", func(text string) error {
		name, version, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("expected name=text")
		}
		versions[name] = version
		return nil
	})
	flag.Parse()
	if *page == "" || flag.NArg() == 0 {
		fail(errors.New("usage: runtimes -o PAGE [-part] [-record FILE] [-version name=text] REPORT.json [and others]"))
	}
	defects, err := write(flag.Args(), *page, *record, versions, *part)
	if err != nil {
		fail(err)
	}
	for _, d := range defects {
		fmt.Fprintln(os.Stderr, "runtimes: "+d)
	}
	if len(defects) > 0 {
		fmt.Fprintf(os.Stderr, "runtimes: explain it in e2e/internal/runtimes/differences.yaml, or mend it (%d)\n", len(defects))
		os.Exit(1)
	}
}

func write(reports []string, page, record string, versions map[string]string, part bool) ([]string, error) {
	var documents []report.Document
	for _, name := range reports {
		d, err := report.ReadFile(name)
		if err != nil {
			return nil, err
		}
		documents = append(documents, d)
	}
	found, err := runtimes.Collect(documents...)
	if err != nil {
		return nil, err
	}
	found.Versions, found.Part = versions, part
	explained, err := runtimes.Explained()
	if err != nil {
		return nil, fmt.Errorf("differences.yaml: %w", err)
	}
	if record != "" {
		if err := found.Write(record); err != nil {
			return nil, err
		}
	}
	out, err := os.Create(page)
	if err != nil {
		return nil, err
	}
	return found.Defects(explained), errors.Join(found.WritePage(out, explained), out.Close())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "runtimes:", err)
	os.Exit(3)
}
