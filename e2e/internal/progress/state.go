package progress

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/suite"
)

// State is what has happened until now, as far as it is shown.
type State struct {
	step      string // that is being done
	stepBegan time.Time
	planned   bool
	began     time.Time // the first case, or the plan
	areas     []*areaState
	byName    map[string]*areaState
	targets   int

	results, done int
	// idle are the results that were there at once, without a pod: they cost no time.
	idle    int
	running map[pair]time.Time // since when
	ended   map[pair]bool
	counts  map[string]int
}

type pair struct{ id, target string }

type areaState struct {
	name          string
	results, done int
	began         time.Time
	counts        map[string]int
}

// NewState returns the state before anything has happened.
func NewState() *State {
	return &State{byName: map[string]*areaState{}, running: map[pair]time.Time{}, ended: map[pair]bool{}, counts: map[string]int{}}
}

// words are the outcomes as they are shown, the worst first.
var words = []string{
	string(suite.NonConformant), string(suite.Inconclusive), string(suite.Conformant),
	suite.NonConformant.In(suite.Informational), suite.Inconclusive.In(suite.Informational), suite.Conformant.In(suite.Informational),
	string(suite.Exempted), string(suite.Skipped), string(suite.Planned),
}

// Apply takes an event in, and returns what is to be shown of it: the event with what
// only the state knows, and the end of an area behind its last result. A case begins with
// its first pod; of its other pod nothing is shown, even where that comes when the result is known.
func (s *State) Apply(e Event) []Event {
	switch e.Kind {
	case StepBegan:
		s.step, s.stepBegan = e.Step, e.Time
	case StepEnded:
		s.step = ""
	case Planned:
		s.plan(e)
	case CaseBegan:
		key := pair{e.Case, e.Target}
		if _, known := s.running[key]; known || s.ended[key] {
			return nil
		}
		s.running[key] = e.Time
		if a := s.byName[e.Area]; a != nil && a.began.IsZero() {
			a.began = e.Time
		}
	case CaseEnded:
		return s.end(e)
	}
	return []Event{e}
}

// plan takes in what is planned. A second plan is of targets that came later, and adds to the first.
func (s *State) plan(e Event) {
	if !s.planned {
		s.planned, s.began = true, e.Time
	}
	s.results += e.Results
	s.targets += len(e.Targets)
	for _, a := range e.Areas {
		one := s.byName[a.Name]
		if one == nil {
			one = &areaState{name: a.Name, counts: map[string]int{}}
			s.areas = append(s.areas, one)
			s.byName[a.Name] = one
		}
		one.results += a.Results
	}
}

func (s *State) end(e Event) []Event {
	key := pair{e.Case, e.Target}
	if began, ok := s.running[key]; ok {
		e.Seconds = e.Time.Sub(began).Seconds()
		delete(s.running, key)
	} else {
		s.idle++
	}
	s.ended[key] = true
	s.done++
	e.Done, e.Results = s.done, s.results
	word := e.Outcome.In(e.Level)
	s.counts[word]++
	a := s.byName[e.Area]
	if a == nil {
		return []Event{e} // nobody planned it
	}
	a.done++
	a.counts[word]++
	if a.done != a.results {
		return []Event{e}
	}
	end := Event{Time: e.Time, Kind: AreaEnded, Area: a.name, Counts: a.counts, Done: s.done, Results: s.results}
	if !a.began.IsZero() {
		end.Seconds = e.Time.Sub(a.began).Seconds()
	}
	return []Event{e, end}
}

// Left estimates the time that the rest takes, by what the results so far took; false
// where too little is known. Results that were there at once tell nothing.
func (s *State) Left(now time.Time) (time.Duration, bool) {
	const enough, atLeast = 0.05, 10 * time.Second
	worked, all := s.done-s.idle, s.results-s.idle
	took := now.Sub(s.began)
	if !s.planned || s.done == s.results || worked <= 0 || float64(worked) < enough*float64(all) || took < atLeast {
		return 0, false
	}
	return time.Duration(float64(took) * float64(all-worked) / float64(worked)), true
}

// runs is a case that runs.
type runs struct {
	pair
	since time.Time
}

// longest are the cases that have been running longest, at most so many.
func (s *State) longest(most int) []runs {
	var all []runs
	for key, since := range s.running {
		all = append(all, runs{key, since})
	}
	slices.SortFunc(all, func(a, b runs) int {
		return cmp.Or(a.since.Compare(b.since), strings.Compare(a.id, b.id), strings.Compare(a.target, b.target))
	})
	return all[:min(most, len(all))]
}
