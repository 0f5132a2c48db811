// Command bench measures what a run of the suite costs:
//
//	bench budget REPORT.json ...    compares runs with their budget
//	bench limit SUITE-FLAG ...      makes the pods of a run, and nothing else
//	bench run FLAG ...              runs that, the suite and what it is compared with, and keeps the raw figures
//	bench render RAW.json PAGE.md   writes the page's section about them
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
		fail("what is to be done? budget, limit, run or render")
	}
	arguments := os.Args[2:]
	switch os.Args[1] {
	case "budget":
		os.Exit(budget(arguments))
	case "limit":
		os.Exit(limit(arguments))
	case "run":
		os.Exit(run(arguments))
	case "render":
		render(arguments)
	default:
		fail(fmt.Sprintf("%q is nothing that can be done: budget, limit, run or render", os.Args[1]))
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

// render writes the section of a page about raw figures.
func render(files []string) {
	if len(files) != 2 {
		fail("name the raw figures and the page: render RAW.json PAGE.md")
	}
	raw, err := bench.ReadRaw(files[0])
	if err != nil {
		fail(err.Error())
	}
	page, err := os.ReadFile(files[1])
	if err != nil {
		fail(err.Error())
	}
	text, err := bench.WithSection(string(page), "figures", bench.Figures(raw))
	if err != nil {
		fail(files[1] + ": " + err.Error())
	}
	if err := os.WriteFile(files[1], []byte(text), 0o644); err != nil {
		fail(err.Error())
	}
}

func say(text string) { fmt.Fprintln(os.Stderr, "bench: "+text) }

func fail(why string) {
	say(why)
	os.Exit(suite.ExitUsage)
}
