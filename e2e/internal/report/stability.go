package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// Stability is what repeated runs of the same suite on the same cluster agree
// on, and what not. A verdict that changes from run to run is a defect of its
// case, or of the cluster: it is looked for, not run again.
type Stability struct {
	Runs []Document // in the order they were started
	// Unstable are the results whose outcome was not the same in every run.
	Unstable []UnstableResult
	Stable   int // the number of the others
}

// UnstableResult is a case on a target, with its outcome in each run: empty
// where a run has none.
type UnstableResult struct {
	ID, Target string
	Level      suite.Level
	Outcomes   []suite.Outcome
	// Reason is that of the first outcome that is not conformant.
	Reason string
}

// CompareRuns finds out what changed between the runs.
func CompareRuns(runs []Document) Stability {
	runs = slices.Clone(runs)
	slices.SortStableFunc(runs, func(a, b Document) int { return a.Started.Compare(b.Started) })
	s := Stability{Runs: runs}
	type key struct{ id, target string }
	results := map[key]*UnstableResult{}
	for i, run := range runs {
		for _, r := range run.Results {
			k := key{r.ID, r.Target}
			if results[k] == nil {
				results[k] = &UnstableResult{ID: r.ID, Target: r.Target, Level: r.Level, Outcomes: make([]suite.Outcome, len(runs))}
			}
			results[k].Outcomes[i] = r.Outcome
			if r.Outcome != suite.Conformant && results[k].Reason == "" {
				results[k].Reason = r.Reason
			}
		}
	}
	for _, r := range results {
		if len(slices.Compact(slices.Clone(r.Outcomes))) > 1 {
			s.Unstable = append(s.Unstable, *r)
		} else {
			s.Stable++
		}
	}
	slices.SortFunc(s.Unstable, func(a, b UnstableResult) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Target, b.Target))
	})
	return s
}

// Write writes the runs and the unstable results as Markdown tables.
func (s Stability) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "| Run | Verdict | Core | Extended | Informational | Cases took | T | Pods | Requests | Execs |")
	fmt.Fprintln(out, "|--:|---|---|---|---|--:|--:|--:|--:|--:|")
	for i, run := range s.Runs {
		fmt.Fprintf(out, "| %d | %s | %s | %s | %s | %.0f s | %.1f s | %d | %d | %d |\n", i+1, run.Verdict.Outcome,
			run.counted(suite.Core), run.counted(suite.Extended), run.counted(suite.Informational),
			run.Stats.CatalogueSeconds, run.Stats.T(), run.Stats.Pods, run.Stats.APIRequests, run.Stats.Execs)
	}
	fmt.Fprintf(out, "\n%s the same in every run", wording.Count(s.Stable, "result was", "results were"))
	if len(s.Unstable) == 0 {
		fmt.Fprintln(out, ", and none was not.")
		return out.Flush()
	}
	fmt.Fprintf(out, "; %s not:\n\n| Case | Target | Outcomes | Reason |\n|---|---|---|---|\n", wording.Count(len(s.Unstable), "was", "were"))
	for _, r := range s.Unstable {
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", r.ID, r.Target, counted(r.Outcomes, r.Level), inline(r.Reason))
	}
	return out.Flush()
}

// counted says how many results of a level ended in each way. It is counted from the
// results, which reports of earlier versions have as well.
func (d Document) counted(level suite.Level) string {
	count := map[suite.Outcome]int{}
	for _, r := range d.Results {
		if levelOf(suite.Case{Level: r.Level}) == level {
			count[r.Outcome]++
		}
	}
	var parts []string
	for _, o := range []suite.Outcome{suite.Conformant, suite.NonConformant, suite.Inconclusive, suite.Skipped, suite.Exempted, suite.Planned} {
		if count[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[o], o.In(level)))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "none")
}

// counted says how often each outcome was, in the order of their first time.
func counted(outcomes []suite.Outcome, level suite.Level) string {
	var order []suite.Outcome
	count := map[suite.Outcome]int{}
	for _, o := range outcomes {
		if count[o] == 0 {
			order = append(order, o)
		}
		count[o]++
	}
	text := ""
	for i, o := range order {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%d× %s", count[o], cmp.Or(o.In(level), "none"))
	}
	return text
}
