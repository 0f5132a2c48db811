// Command sabotage breaks a kind cluster of its own in one way after another, runs the
// suite against each, and writes the matrix of cases and mutants. It exits with 0 if all is
// as it must be, with 1 if not, with 2 if it was interrupted, and with 3 if something could
// not be set up. scripts/sabotage.sh calls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"procns/e2e/cases"
	"procns/e2e/internal/interrupt"
	"procns/e2e/internal/sabotage/campaign"
	"procns/e2e/internal/sabotage/matrix"
	"procns/e2e/internal/sabotage/mutants"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// Where the matrix and the recordings are kept in the repository.
const (
	recordings = "e2e/cases/testdata/sabotaged"
	document   = "docs/SABOTAGE.md"
)

func main() {
	c := &campaign.Campaign{Cases: append(cases.All(), cases.Upgrade()...), Out: os.Stderr}
	list := flag.Bool("list", false, "list the mutants")
	from := flag.String("from", "", "judge the reports that an earlier campaign left in this `folder`, and run nothing")
	record := flag.Bool("record", false, "keep the matrix, its page and the observations in the repository")
	flag.Func("cases", "of the cases that a mutant may concern, run only those of these `patterns`, as for -run, and those that share their pods; what is known of others stays", func(text string) error {
		c.Only = append(c.Only, strings.Split(text, ",")...)
		return nil
	})
	names := flag.String("mutants", "", "try these `names` only, behind commas")
	flag.StringVar(&c.Cluster, "cluster", "procns-sabotage", "the kind cluster's `name`")
	flag.StringVar(&c.Engine, "engine", "podman", "container `engine`")
	flag.StringVar(&c.NodeImage, "node-image", "", "node `image`")
	flag.StringVar(&c.Suite, "suite", "bin/procns.test", "the test binary's `file`")
	flag.StringVar(&c.Runtime, "runtime", "bin/sabotaged-runtime", "the `file` that goes into the nodes")
	flag.StringVar(&c.Folder, "report-dir", "_artifacts/sabotage", "`folder` for the reports")
	flag.BoolVar(&c.Whole, "whole", false, "run every case under every mutant that is not confined to some")
	flag.IntVar(&c.AtOnce, "at-once", 2, "how `many` mutants are tried at one time")
	flag.DurationVar(&c.Timeout, "timeout", 40*time.Minute, "longest `duration` of the run under one mutant")
	flag.Func("image", "`name=reference` of a workload image (repeatable)", func(text string) error {
		c.Images = append(c.Images, text)
		return nil
	})
	flag.Func("load", "image `archive` to load into the nodes (repeatable)", func(text string) error {
		c.Archives = append(c.Archives, text)
		return nil
	})
	flag.Parse()
	if *list {
		for _, m := range mutants.All() {
			fmt.Printf("%-28s %s\n", m.Name, m.Breaks)
		}
		return
	}
	var err error
	if c.Mutants, err = chosen(*names); err != nil {
		fail(err)
	}
	if *from != "" {
		c.Folder = *from
		c.Mutants = slices.DeleteFunc(c.Mutants, func(m mutants.Mutant) bool {
			_, err := c.Reports(m.Name)
			return err != nil
		})
	}
	os.Exit(run(c, *from == "", *record))
}

// chosen are the mutants of the names, with the control, which everything is held against: under it
// run the cases that these may concern.
func chosen(names string) ([]mutants.Mutant, error) {
	if names == "" {
		return mutants.All(), nil
	}
	control, _ := mutants.Named(mutants.Control)
	var some []mutants.Mutant
	for name := range strings.SplitSeq(names, ",") {
		m, ok := mutants.Named(strings.TrimSpace(name))
		if !ok {
			return nil, fmt.Errorf("there is no mutant %q: -list names them", name)
		}
		if m.Name != mutants.Control {
			some = append(some, m)
		}
	}
	control.Run = concerned(some)
	return append([]mutants.Mutant{control}, some...), nil
}

// concerned are the cases that some mutants may concern, as for -run; none where that is all of them.
func concerned(some []mutants.Mutant) []string {
	var patterns []string
	for _, m := range some {
		if m.Alone() {
			continue // its cases would disturb others
		}
		if len(m.Run) == 0 {
			return nil
		}
		patterns = append(patterns, m.Run...)
	}
	return patterns
}

func run(c *campaign.Campaign, anew, record bool) int {
	ctx, stop := interrupt.Context(func(said string) { fmt.Fprintln(os.Stderr, "sabotage: "+said) }, suite.ExitInconclusive)
	defer stop()
	catalogue, err := matrix.NewCatalogue(c.Cases, fixtures.Read)
	if err != nil {
		fail(err)
	}
	find := func(context.Context) (matrix.Matrix, error) { return c.Found() }
	if anew {
		find = c.Run
	}
	found, err := find(ctx)
	if err != nil && ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "sabotage: interrupted")
		return suite.ExitInconclusive
	}
	if err != nil {
		fail(err)
	}
	defects, err := found.Check(catalogue, mutants.All())
	if err != nil {
		fail(err)
	}
	if err := keep(c, found, catalogue, record); err != nil {
		fail(err)
	}
	for _, d := range defects {
		fmt.Println(strings.Join(strings.Fields(d.String()), " "))
	}
	fmt.Printf("sabotage: %d mutants, %d things not as they must be; the matrix is %s\n", len(c.Mutants), len(defects), filepath.Join(c.Folder, "SABOTAGE.md"))
	if len(defects) > 0 {
		return suite.ExitNonConformant
	}
	return suite.ExitConformant
}

// keep writes the matrix beside the reports, and if it is to be recorded, into the repository.
func keep(c *campaign.Campaign, found matrix.Matrix, catalogue matrix.Catalogue, record bool) error {
	err := errors.Join(found.Write(filepath.Join(c.Folder, "matrix.json")),
		writePage(filepath.Join(c.Folder, "SABOTAGE.md"), found, catalogue))
	if err != nil || !record {
		return err
	}
	for _, m := range c.Mutants {
		if len(c.Only) == 0 {
			if err := campaign.ForgetRecordings(recordings, m.Name); err != nil {
				return err
			}
		}
		runs, err := c.Reports(m.Name)
		if err != nil {
			return err
		}
		for _, r := range runs {
			if err := campaign.Record(recordings, m.Name, r.Folder, r.Document, c.Cases); err != nil {
				return err
			}
		}
	}
	// Mutants that were not tried this time keep what is known of them.
	kept, err := matrix.Read(filepath.Join(recordings, "matrix.json"))
	if err != nil {
		return err
	}
	for _, m := range c.Mutants {
		switch {
		case len(c.Only) > 0 && kept.Mutants[m.Name] != nil:
			maps.Copy(kept.Mutants[m.Name], found.Mutants[m.Name])
		case m.Name == mutants.Control && len(m.Run) > 0:
			// It ran a part of the catalogue: what is known of the whole stays.
		default:
			kept.Mutants[m.Name] = found.Mutants[m.Name]
		}
	}
	kept.On = found.On
	if err := errors.Join(os.MkdirAll(recordings, 0o755), kept.Write(filepath.Join(recordings, "matrix.json"))); err != nil {
		return err
	}
	return writePage(document, kept, catalogue)
}

// writePage writes the matrix as a page. It is told of all mutants: of a part of them, nothing can be
// said about cases that no mutant is killed by.
func writePage(file string, m matrix.Matrix, catalogue matrix.Catalogue) error {
	page, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(m.WriteDocument(page, catalogue, mutants.All()), page.Close())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "sabotage:", strings.Join(strings.Fields(err.Error()), " "))
	os.Exit(suite.ExitUsage)
}
