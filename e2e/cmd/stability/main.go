// Command stability compares the reports of repeated runs, and prints a table of
// the runs and of every result that was not the same in all of them. It exits
// with 1 if there is one.
package main

import (
	"fmt"
	"os"

	"procns/e2e/internal/report"
)

func main() {
	if len(os.Args) < 3 {
		fail("name at least two reports: stability REPORT.json REPORT.json ...")
	}
	var runs []report.Document
	for _, name := range os.Args[1:] {
		run, err := report.ReadFile(name)
		if err != nil {
			fail(err.Error())
		}
		runs = append(runs, run)
	}
	stability := report.CompareRuns(runs)
	if err := stability.Write(os.Stdout); err != nil {
		fail(err.Error())
	}
	if len(stability.Unstable) > 0 {
		os.Exit(1)
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "stability: "+why)
	os.Exit(3)
}
