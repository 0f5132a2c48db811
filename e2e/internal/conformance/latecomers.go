package conformance

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"procns/e2e/internal/cluster"
	"procns/e2e/internal/progress"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// asking are the targets of a run, and what is asked of them. In a sweep there may come more, while others read it.
type asking struct {
	mu      sync.Mutex
	targets []suite.Target
	casesOn func(suite.Target) []suite.Case // nil: all cases on each
	came    chan struct{}                   // closed and replaced when more have come
}

// set says what is asked of which targets from now on.
func (a *asking) set(targets []suite.Target, casesOn func(suite.Target) []suite.Case) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.targets, a.casesOn = slices.Clone(targets), casesOn
	if a.came != nil {
		close(a.came)
	}
	a.came = make(chan struct{})
}

// at is the target at a place, or what is closed when there may be one.
func (a *asking) at(place int) (target suite.Target, there bool, came <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if place < len(a.targets) {
		return a.targets[place], true, nil
	}
	return suite.Target{}, false, a.came
}

// of is what tells which cases are asked on a target; nil: all.
func (a *asking) of() func(suite.Target) []suite.Case {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.casesOn
}

// Target is where the cases are run, by its place from 0, once Prepare has found the targets. It waits
// for one that may still come; there is none when the run has ended.
func (c *Run) Target(place int) (suite.Target, bool) {
	for {
		target, there, came := c.asking.at(place)
		if there {
			return target, true
		}
		select {
		case <-came:
			continue
		case <-c.ran:
		}
		target, there, _ = c.asking.at(place) // it came with the end
		return target, there
	}
}

// latecomers are the targets whose nodes have come while the sweep ran. They are asked as if they had been there:
// the first of a kind that has no sample is its sample.
func (c *Run) latecomers(ctx context.Context) []suite.Target {
	selection, err := c.session.Latecomers(ctx, c.Choice(), c.folder.log.Printf)
	if err != nil {
		c.report.Notes = append(c.report.Notes, "nodes that came while the sweep ran could not be looked for: "+oneLine(err))
		return nil
	}
	late := selection.Targets
	if len(late) == 0 {
		return nil
	}
	for i, mode := range cluster.CgroupModes(ctx, c.session.Client, late) {
		late[i].CgroupMode, late[i].Made = mode, c.kind != nil
	}
	for node, tolerations := range selection.Tolerations {
		c.runner.Tolerations[node] = tolerations
	}
	c.join(late)
	return late
}

// join takes in targets that came late.
func (c *Run) join(late []suite.Target) {
	there, _ := c.leftOut.apart(c.report.Targets)
	c.report.Sweep.Join(late, there)
	c.report.Targets = append(slices.Clone(c.report.Targets), late...)
	came := map[string]bool{}
	var names []string
	for _, t := range late {
		came[t.Node] = true
		names = append(names, t.Name())
	}
	// They were not Ready, say, when it began.
	c.report.LeftOut = slices.DeleteFunc(c.report.LeftOut, func(l report.LeftOut) bool { return came[l.Node] })
	c.report.Notes = append(c.report.Notes, fmt.Sprintf("%s while the sweep ran, asked in the end: %s",
		wording.Count(len(late), "target came", "targets came"), wording.Names(names, wording.Few)))
	c.say("==> %s came while the sweep ran: %s", wording.Count(len(late), "target", "targets"), wording.Names(names, wording.Few))
	for _, name := range names {
		c.folder.log.Printf("%s: came while the sweep ran", name)
	}
	c.asking.set(c.report.Targets, c.report.Sweep.CasesOn(c.Cases))
	c.stream.expect(c.streamHead(), c.expectedOf(late))
	c.waiting.more(c.report.Sweep.On(late, len(c.Cases), c.askedEverywhere()))
	c.view.Tell(progress.Plan(c.Cases, late, c.report.Sweep))
}
