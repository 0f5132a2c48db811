// Command outcomes prints the results of a report.json one a line, for scripts:
// outcome, target, case and reason, with tabs between them.
package main

import (
	"fmt"
	"os"
	"strings"

	"procns/e2e/internal/report"
)

func main() {
	if len(os.Args) != 2 {
		fail("name one report: outcomes REPORT.json")
	}
	run, err := report.ReadFile(os.Args[1])
	if err != nil {
		fail(err.Error())
	}
	for _, r := range run.Results {
		fmt.Printf("%s\t%s\t%s\t%s\n", r.Outcome, r.Target, r.ID, strings.Join(strings.Fields(r.Reason), " "))
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "outcomes: "+why)
	os.Exit(3)
}
