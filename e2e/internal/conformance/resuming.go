package conformance

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"procns/e2e/internal/options"
	"procns/e2e/internal/progress"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// resumed is what an earlier run has left that was stopped.
type resumed struct {
	stream report.Stream
	// results are those of the targets that need not be asked again.
	results []suite.Result
}

// readResumed reads the folder of the run that is to go on; nil where there is none.
func readResumed(folder string) (*resumed, error) {
	if folder == "" {
		return nil, nil
	}
	file, err := os.Open(filepath.Join(folder, report.StreamFile))
	if err != nil {
		return nil, options.Usagef("-resume: %w: name the folder of a run that was interrupted", err)
	}
	defer func() { _ = file.Close() }()
	stream, err := report.ReadStream(file)
	if err != nil {
		return nil, options.Usagef("-resume: %s: %w", file.Name(), err)
	}
	return &resumed{stream: stream}, nil
}

// answered parts the targets into those that are to be asked, and those that have answered: each
// of the cases that are asked there has a result that is no inconclusive one, and their nodes are what they were.
func (r *resumed) answered(targets []suite.Target, casesOn func(suite.Target) []suite.Case) (ask, done []suite.Target, results []suite.Result) {
	known := map[string]suite.Target{}
	for _, t := range r.stream.Answered {
		known[t.Name] = t.Target
	}
	for _, target := range targets {
		was, there := known[target.Name()]
		// A node that was booted since may have other settings, or be another machine of that name.
		if !there || was.Model() != target.Model() || was.BootID != target.BootID {
			ask = append(ask, target)
			continue
		}
		fresh := target
		target.Images, target.Labels = was.Images, was.Labels
		given := map[string]report.Result{}
		for _, one := range r.stream.Results[target.Name()] {
			given[one.ID] = one
		}
		var some []suite.Result
		missing := false
		for _, c := range casesOn(target) {
			one, there := given[c.ID]
			missing = missing || !there || one.Outcome == suite.Inconclusive || one.Fixture != c.Fixture
			some = append(some, one.Again(c, target))
		}
		if missing {
			ask = append(ask, fresh)
			continue
		}
		done, results = append(done, target), append(results, some...)
	}
	return ask, done, results
}

// goOn takes the results of targets that have answered an earlier run, and returns the targets
// that are to be asked.
func (c *Run) goOn() ([]suite.Target, error) {
	if c.resumed == nil {
		return c.report.Targets, nil
	}
	was := c.resumed.stream.Head
	if err := was.Differs(c.streamHead()); err != nil {
		return nil, options.Usagef("-resume %s: %w", c.Resume, err)
	}
	if c.report.Sweep != nil && was.Sweep != nil { // the samples stay, as far as they are there
		c.report.Sweep.Samples = samplesAgain(was.Sweep.Samples, c.report.Targets, c.report.Sweep.Samples)
		c.asking.set(c.report.Targets, c.report.Sweep.CasesOn(c.Cases))
	}
	ask, done, results := c.resumed.answered(c.report.Targets, func(t suite.Target) []suite.Case { return ordinary(c.CasesOn(t)) })
	c.resumed.results = results
	c.dropped.noteMissing(c.folder.Path, results)
	known := map[string]suite.Target{}
	for _, t := range done {
		known[t.Name()] = t
	}
	for i, t := range c.report.Targets {
		if was, there := known[t.Name()]; there {
			c.report.Targets[i] = was
		}
	}
	said := fmt.Sprintf("the run %s is gone on with: %d of %d targets have answered it, and are not asked again", was.Run, len(done), len(c.report.Targets))
	c.report.Notes = append(c.report.Notes, said)
	c.say("==> %s", said)
	return ask, nil
}

// samplesAgain are the earlier samples that are still targets, and for each kind of node that has
// none of them, the new one.
func samplesAgain(earlier []string, targets []suite.Target, fresh []string) []string {
	models := map[string]suite.Model{}
	for _, t := range targets {
		models[t.Name()] = t.Model()
	}
	seen := map[suite.Model]bool{}
	samples := []string{}
	for _, name := range slices.Concat(earlier, fresh) {
		model, there := models[name]
		if !there || seen[model] {
			continue
		}
		seen[model] = true
		samples = append(samples, name)
	}
	return samples
}

// tellResumed hands over the results of targets that have answered an earlier run.
func (c *Run) tellResumed() {
	if c.resumed == nil {
		return
	}
	for _, r := range c.resumed.results {
		one := []suite.Result{r}
		_ = c.exemptions.Apply(one) // what is not needed is said of all results together
		c.view.Tell(progress.Ended(one[0], c.Require.Decides(one[0].Case.Level)))
		c.results.put(one[0])
		c.waiting.ended(one[0], c.Require)
	}
}

// withResumed adds these results, in the order of the targets.
func (c *Run) withResumed(results []suite.Result) []suite.Result {
	if c.resumed == nil {
		return results
	}
	places := map[string]int{}
	for i, t := range c.report.Targets {
		places[t.Name()] = i
	}
	all := slices.Concat(c.resumed.results, results)
	slices.SortStableFunc(all, func(a, b suite.Result) int { return cmp.Compare(places[a.Target.Name()], places[b.Target.Name()]) })
	return all
}

// keepFacts has the targets hold what this run found out of them.
func (c *Run) keepFacts() {
	asked := map[string]bool{}
	for _, t := range c.runner.Targets {
		asked[t.Name()] = true
	}
	for i, t := range c.report.Targets {
		if asked[t.Name()] {
			c.report.Targets[i] = c.runner.Facts.Known(t)
		}
	}
}
