package conformance

import (
	"io"
	"os"
	"path/filepath"

	"procns/e2e/internal/options"
	"procns/e2e/internal/page"
	"procns/e2e/internal/report"
)

// renderReport is -render: the page of a report that is there, without a cluster. A report
// that holds no process tables takes them from the evidence, where that lies beside it.
func renderReport(file string, stdout io.Writer) error {
	d, err := report.ReadFile(file)
	if err != nil {
		return options.Usagef("-render: %w", err)
	}
	if len(d.Observed) == 0 {
		d.Observed = observedIn(filepath.Dir(file), d)
	}
	return page.Write(stdout, d)
}

// observedIn reads from the evidence below a folder what a reader of the report is to see.
// What a report names outside of the folder is not read.
func observedIn(folder string, d report.Document) []report.Observed {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil
	}
	defer func() { _ = root.Close() }()
	return d.Collect(func(below string) (report.Observed, error) {
		f, err := root.Open(filepath.Join(below, "observation.json"))
		if err != nil {
			return report.Observed{}, err
		}
		defer func() { _ = f.Close() }()
		return report.ReadObserved(below, f)
	})
}
