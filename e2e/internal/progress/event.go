// Package progress shows a run while it goes: as a live view on a terminal, as lines
// elsewhere, and as JSON for programs. What is shown is a pure function of what has
// happened, of the moment and of the terminal's size; one type alone writes.
package progress

import (
	"slices"
	"time"

	"procns/e2e/internal/suite"
)

// Schema names the version of the events' format. docs/progress.schema.json describes it.
const Schema = "procns.progress/v1"

// Kind is what has happened.
type Kind string

// What happens in a run, in about this order.
const (
	RunBegan  Kind = "run-began"
	StepBegan Kind = "step-began" // of the set-up, or of the clean-up
	StepEnded Kind = "step-ended"
	Said      Kind = "said" // what users are told besides
	Planned   Kind = "planned"
	CaseBegan Kind = "case-began" // one of its pods is created
	CaseEnded Kind = "case-ended"
	AreaEnded Kind = "area-ended"
	RunEnded  Kind = "run-ended"
)

// Event is one thing that has happened. Which fields are set depends on its kind.
type Event struct {
	Time time.Time `json:"time"`
	Kind Kind      `json:"event"`

	// Of a run that began. Folder is where its reports will be.
	Schema  string `json:"schema,omitempty"`
	Run     string `json:"run,omitempty"`
	Version string `json:"version,omitempty"`
	Folder  string `json:"folder,omitempty"`

	// Step is what is done, and Text what is said, in one line or several.
	Step string `json:"step,omitempty"`
	Text string `json:"text,omitempty"`

	// What is planned: results are pairs of case and target.
	Targets []string `json:"targets,omitempty"`
	Areas   []Area   `json:"areas,omitempty"`

	// Of a case on a target, and of an area that ended.
	Area    string        `json:"area,omitempty"`
	Case    string        `json:"case,omitempty"`
	Target  string        `json:"target,omitempty"`
	Level   suite.Level   `json:"level,omitempty"`
	Outcome suite.Outcome `json:"outcome,omitempty"`
	// Decides says that the exit code depends on the result.
	Decides bool   `json:"decides,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Counts is how many results of an area ended how.
	Counts map[string]int `json:"counts,omitempty"`

	// Seconds is how long it took: a step, a case since it began, an area since its
	// first case began, the run.
	Seconds float64 `json:"seconds,omitempty"`
	// Done of Results results there are.
	Done    int `json:"done,omitempty"`
	Results int `json:"results,omitempty"`

	// Of a run that ended.
	ExitCode *int   `json:"exitCode,omitempty"`
	Line     string `json:"line,omitempty"`
}

// Area is how many results an area is to have.
type Area struct {
	Name    string `json:"area"`
	Results int    `json:"results"`
}

// Plan is what is planned, for the cases and the targets of a run; scope says which are asked
// where.
func Plan(cases []suite.Case, targets []suite.Target, scope *suite.Scope) Event {
	e := Event{Kind: Planned, Targets: []string{}, Areas: []Area{}}
	for _, t := range targets {
		e.Targets = append(e.Targets, t.Name())
	}
	at := map[string]int{}
	for _, c := range cases {
		i, known := at[c.Area()]
		if !known {
			i = len(e.Areas)
			at[c.Area()] = i
			e.Areas = append(e.Areas, Area{Name: c.Area()})
		}
		everywhere := 0
		if scope != nil && slices.Contains(scope.Everywhere, c.ID) {
			everywhere = 1
		}
		results := scope.On(targets, 1, everywhere)
		e.Areas[i].Results += results
		e.Results += results
	}
	return e
}

// Began is the beginning of a case on a target.
func Began(c suite.Case, target suite.Target) Event {
	return Event{Kind: CaseBegan, Case: c.ID, Area: c.Area(), Target: target.Name(), Level: c.Level}
}

// Ended is a result. decides says that the exit code depends on results of its level.
func Ended(r suite.Result, decides bool) Event {
	return Event{
		Kind: CaseEnded, Case: r.Case.ID, Area: r.Case.Area(), Target: r.Target.Name(), Level: r.Case.Level,
		Outcome: r.Outcome, Decides: decides, Reason: r.Reason,
	}
}
