// Package compare says what changed between two reports of the suite: case by
// case, target by target. It is pure: it is handed two reports.
package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// Schema names the version of a comparison's JSON form, which is part of
// docs/report.schema.json.
const Schema = "procns.comparison/v1"

// Word says what became of one case on one target.
type Word string

const (
	// Regressed: it conformed, and does not any more.
	Regressed Word = "regressed"
	// Unclear: it was run, and could not be judged this time. That is neither a
	// regression, which would be a verdict on the cluster that nobody can give,
	// nor unchanged, which would be a pass that nobody has seen.
	Unclear Word = "unclear"
	// Mended: it did not conform, and does now.
	Mended Word = "mended"
	// New: it is judged now, and was not before: the case or its target is new, or
	// was skipped or inconclusive then.
	New Word = "new"
	// Gone: it was judged before and is not any more: the case or its target is
	// gone, or it is skipped now.
	Gone Word = "gone"
	// Unchanged: nothing of the above.
	Unchanged Word = "unchanged"
)

// Words are in the order of their weight.
var Words = []Word{Regressed, Unclear, Gone, New, Mended, Unchanged}

// Change is what became of one case on one target.
type Change struct {
	Word  Word        `json:"word"`
	ID    string      `json:"id"`
	Level suite.Level `json:"level"`
	// Target is the target's name now, or the one that it had.
	Target string `json:"target"`
	// Before and Now are the outcomes; empty where there is none.
	Before suite.Outcome `json:"before,omitempty"`
	Now    suite.Outcome `json:"now,omitempty"`
	// Reason is the later outcome's, or says why there is none.
	Reason string `json:"reason,omitempty"`
	// Reworded says that the two reports do not claim the same under this ID.
	Reworded bool `json:"reworded,omitempty"`
	// Exempted says that a list of the user's expected it: it does not count.
	Exempted bool `json:"exempted,omitempty"`
	// NotRequired says that its level does not decide the exit code: it does not count.
	NotRequired bool `json:"notRequired,omitempty"`
}

// counts tells whether the change has a say in the exit code.
func (c Change) counts() bool { return !c.Exempted && !c.NotRequired }

// weight orders what counts before what does not.
func (c Change) weight() int {
	if c.counts() {
		return 0
	}
	return 1
}

// Side is one of the two reports.
type Side struct {
	ID      string        `json:"id"` // of the run
	Started time.Time     `json:"started"`
	Suite   string        `json:"suite"`  // version
	Server  string        `json:"server"` // version
	Cluster string        `json:"cluster"`
	Verdict suite.Outcome `json:"verdict"`
}

// Comparison is what changed from one report to another.
type Comparison struct {
	Schema  string  `json:"schema"`
	Verdict Verdict `json:"verdict"`
	// Require is which levels count: with RequireCore the Core cases alone, and else
	// all, for that an Informational case conformed is what was promised.
	Require  suite.Requirement `json:"require,omitempty"`
	Baseline Side              `json:"baseline"`
	Now      Side              `json:"now"`
	// Notes are what a reader must know of the two reports before believing the rest.
	Notes   []string     `json:"notes"`
	Targets []Pair       `json:"targets"`
	Counts  map[Word]int `json:"counts"`
	// Changes are all but the unchanged, the heaviest first.
	Changes []Change `json:"changes"`
}

// Verdict is the comparison in one line. It judges the change and nothing else: a
// cluster that is as wrong as it was has not got worse.
type Verdict struct {
	ExitCode int    `json:"exitCode"` // 0, 1 (something regressed) or 2 (could not tell)
	Line     string `json:"line"`
}

// Of compares an earlier report with a later one. Which levels count is what the
// later run required.
func Of(before, now report.Document) Comparison {
	c := Comparison{
		Schema: Schema, Require: now.Verdict.Require.Name(), Baseline: side(before), Now: side(now), Notes: notes(before, now),
		Targets: match(before, now), Counts: map[Word]int{}, Changes: []Change{},
	}
	for _, word := range Words {
		c.Counts[word] = 0
	}
	was, is := index(before), index(now)
	ids := caseIDs(before, now)
	judged := map[string]bool{} // the cases that the later run has a result of
	for _, r := range now.Results {
		judged[r.ID] = true
	}
	asks := now.Sweep.Asks()
	for _, pair := range c.Targets {
		for _, id := range ids {
			// What a sweep asks on another node of the kind is not missing here.
			asked := pair.Now == nil || asks(id, pair.Now.Name())
			change, ok := changeOf(id, pair, was, is, now, judged[id] && asked)
			if !ok {
				continue
			}
			change.NotRequired = c.Require == suite.RequireCore && change.Level != suite.Core
			c.Counts[change.Word]++
			if change.Word != Unchanged {
				c.Changes = append(c.Changes, change)
			}
		}
	}
	slices.SortStableFunc(c.Changes, func(a, b Change) int {
		return cmp.Or(
			cmp.Compare(slices.Index(Words, a.Word), slices.Index(Words, b.Word)),
			cmp.Compare(a.weight(), b.weight()),
			strings.Compare(a.ID, b.ID), strings.Compare(a.Target, b.Target))
	})
	c.Verdict = c.judge()
	return c
}

func side(d report.Document) Side {
	return Side{
		ID: d.ID, Started: d.Started, Suite: d.Suite.Version, Server: d.Cluster.ServerVersion,
		Cluster: d.Cluster.UID, Verdict: d.Verdict.Outcome,
	}
}

// notes say how far the two reports can be compared at all.
func notes(before, now report.Document) []string {
	all := []string{}
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	const unknown = "unknown"
	switch a, b := cmp.Or(before.Cluster.UID, unknown), cmp.Or(now.Cluster.UID, unknown); {
	case a == unknown || b == unknown:
		say("whether both reports are of one cluster is not known: the UID of the namespace kube-system could not be read")
	case a != b:
		say("the reports are of two clusters (%s, %s): what changed may be a difference between them", a, b)
	}
	if before.Started.After(now.Started) {
		say("the baseline is the younger of the two reports (%s): are they the wrong way round?", before.Started.UTC().Format(time.DateTime))
	}
	if a, b := before.Suite.Version, now.Suite.Version; a != b {
		say("two versions of the suite judged: %s, then %s", cmp.Or(a, unknown), cmp.Or(b, unknown))
	}
	for _, each := range []struct {
		name string
		report.Document
	}{{"earlier", before}, {"later", now}} {
		if each.Interrupted {
			say("the %s run was interrupted: it did not judge everything", each.name)
		}
		if chosen, all := each.Suite.Selected, each.Suite.CaseCount; chosen > 0 && chosen < all {
			say("the %s run was of %d of %d cases", each.name, chosen, all)
		}
	}
	return all
}

type results map[[2]string]report.Result

func index(d report.Document) results {
	all := results{}
	for _, r := range d.Results {
		all[[2]string{r.ID, r.Target}] = r
	}
	return all
}

func (r results) of(id string, t *suite.Target) (report.Result, bool) {
	if t == nil {
		return report.Result{}, false
	}
	found, ok := r[[2]string{id, t.Name()}]
	return found, ok
}

// caseIDs are the cases of both reports, in the later one's order.
func caseIDs(before, now report.Document) []string {
	var all []string
	seen := map[string]bool{}
	for _, d := range []report.Document{now, before} {
		for _, r := range d.Results {
			if !seen[r.ID] {
				seen[r.ID] = true
				all = append(all, r.ID)
			}
		}
	}
	return all
}

func changeOf(id string, pair Pair, before, now results, later report.Document, judged bool) (Change, bool) {
	was, had := before.of(id, pair.Before)
	is, has := now.of(id, pair.Now)
	if !had && !has {
		return Change{}, false
	}
	c := Change{
		Word: wordFor(effective(was), effective(is)), ID: id, Level: cmp.Or(is.Level, was.Level), Target: pair.Name(),
		Before: was.Outcome, Now: is.Outcome, Reason: is.Reason,
		Reworded: had && has && (was.Claim != is.Claim || was.Fixture != is.Fixture || was.Control != is.Control),
		Exempted: is.Outcome == suite.Exempted,
	}
	if !has {
		c.Word, c.Reason = whyGone(pair, later, judged)
	}
	return c, true
}

// notSelected is why a case has no result in a run of a few.
const notSelected = "it was not selected, or is not in the catalogue any more"

// whyGone says why there is no later result. What a run was to judge and did not
// come to is unclear. known says that it has a result of the case on some target.
func whyGone(pair Pair, later report.Document, known bool) (Word, string) {
	switch {
	case pair.Now == nil:
		return Gone, "the target vanished"
	case known || later.Interrupted:
		return Unclear, "it was not run"
	case later.Suite.Selected > 0 && later.Suite.Selected < later.Suite.CaseCount:
		return Gone, notSelected
	}
	return Gone, "it is not in the catalogue any more"
}

// effective is the outcome without the user's exemption: what was found.
func effective(r report.Result) suite.Outcome {
	if r.Outcome == suite.Exempted && r.Exemption != nil {
		return r.Exemption.Found
	}
	return r.Outcome
}

// wordFor compares two outcomes; either may be empty.
func wordFor(before, now suite.Outcome) Word {
	judged := func(o suite.Outcome) bool { return o == suite.Conformant || o == suite.NonConformant }
	switch {
	case before == now:
		return Unchanged
	case before == suite.Conformant && now == suite.NonConformant:
		return Regressed
	case before == suite.NonConformant && now == suite.Conformant:
		return Mended
	case before == "", judged(now):
		return New
	case now == suite.Inconclusive:
		return Unclear
	case now == "", judged(before):
		return Gone
	}
	return Unchanged // neither was judged
}

// judge sums up. What is exempted does not count.
func (c Comparison) judge() Verdict {
	var regressed, unclear, uncounted []string
	for _, change := range c.Changes {
		switch {
		case change.Exempted:
		case change.NotRequired:
			if change.Word == Regressed {
				uncounted = append(uncounted, change.ID+" on "+change.Target)
			}
		case change.Word == Regressed:
			regressed = append(regressed, change.ID+" on "+change.Target)
		case change.Word == Unclear:
			unclear = append(unclear, change.ID+" on "+change.Target)
		}
	}
	var vanished, paired []string
	for _, pair := range c.Targets {
		switch {
		case pair.Now != nil && pair.Before != nil:
			paired = append(paired, pair.Name())
		case pair.Now == nil && pair.Covered == "":
			vanished = append(vanished, pair.Name())
		}
	}
	var said []string
	say := func(text string, which []string) {
		if len(which) > 0 {
			said = append(said, text+" ("+wording.Names(which, wording.Few)+")")
		}
	}
	v := Verdict{ExitCode: suite.ExitConformant}
	if len(unclear)+len(vanished) > 0 || len(paired) == 0 {
		v.ExitCode = suite.ExitInconclusive
	}
	if len(regressed) > 0 {
		v.ExitCode = suite.ExitNonConformant
	}
	say(fmt.Sprintf("%d regressed", len(regressed)), regressed)
	say(fmt.Sprintf("%d unclear", len(unclear)), unclear)
	say(fmt.Sprintf("%d targets vanished, and none is of their kind", len(vanished)), vanished)
	switch {
	case len(paired) == 0:
		said = append(said, "no target of the baseline is there any more")
	case len(said) == 0 && len(uncounted) > 0:
		said = append(said, "nothing that counts regressed")
	case len(said) == 0:
		said = append(said, "nothing regressed")
	}
	say(fmt.Sprintf("%d regressed at a level that does not count by -require %s", len(uncounted), c.Require), uncounted)
	v.Line = "since " + c.Baseline.name() + ": " + strings.Join(said, "; ")
	return v
}

// name is how a side is told of in a line.
func (s Side) name() string {
	name := "run " + cmp.Or(s.ID, "unknown")
	if s.Server != "" {
		name += " of Kubernetes " + s.Server
	}
	return name
}
