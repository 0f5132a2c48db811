// Command bench measures what a run of the suite costs:
//
//	bench budget REPORT.json ...    compares runs with their budget
//
// It exits with 0 if all is well, with 1 if a run exceeds its budget, and with 3 if something could not
// be told.
package main

import (
	"fmt"
	"os"

	"procns/e2e/cases"
	"procns/e2e/internal/bench"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

func main() {
	if len(os.Args) < 2 {
		fail("what is to be done? budget REPORT.json ...")
	}
	arguments := os.Args[2:]
	switch os.Args[1] {
	case "budget":
		os.Exit(budget(arguments))
	default:
		fail(fmt.Sprintf("%q is nothing that can be done: budget", os.Args[1]))
	}
}

// budget compares runs with their budget, and returns the exit code.
func budget(files []string) int {
	if len(files) == 0 {
		fail("name the report.json of a run")
	}
	budgets, err := bench.Budgets()
	if err != nil {
		fail(err.Error())
	}
	code := suite.ExitConformant
	for _, file := range files {
		d, err := report.ReadFile(file)
		if err != nil {
			fail(err.Error())
		}
		c, err := bench.Check(d, cases.All(), budgets)
		if err != nil {
			fail(err.Error())
		}
		fmt.Printf("budget: %s\n", c)
		if over := c.Exceeded(); over != "" {
			fmt.Printf("budget: EXCEEDED: %s: find what makes more; what is worth it raises the limit in e2e/internal/bench/budget.yaml\n", over)
			code = suite.ExitNonConformant
		}
	}
	return code
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "bench: "+why)
	os.Exit(suite.ExitUsage)
}
