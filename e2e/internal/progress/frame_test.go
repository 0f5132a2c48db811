package progress

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"gotest.tools/v3/golden"

	"procns/e2e/internal/suite"
)

var began = time.Date(2026, 11, 28, 21, 8, 2, 0, time.UTC)

var twoWorkers = []suite.Target{{Node: "worker"}, {Node: "worker2", RuntimeClass: "gvisor"}}

// someCases are so many cases in each of so many areas; the last area is Informational.
func someCases(areas, each int) []suite.Case {
	names := []string{"walkthrough", "visibility", "pid1", "signals", "filesystem", "secrets", "permissions", "isolation", "lifecycle", "ephemeral", "admission", "stress"}
	var all []suite.Case
	for a := range areas {
		level := suite.Core
		switch {
		case a == areas-1 && areas > 1:
			level = suite.Informational
		case a%2 == 1:
			level = suite.Extended
		}
		for n := range each {
			all = append(all, suite.Case{ID: fmt.Sprintf("%s/claim-%d", names[a%len(names)], n+1), Level: level})
		}
	}
	return all
}

// after is an event so many seconds after the beginning.
func after(seconds float64, e Event) Event {
	e.Time = began.Add(time.Duration(seconds * float64(time.Second)))
	return e
}

// story is a run of four areas on two targets: set up, judged in a hundred seconds, with
// one result of each kind that is no pass.
func story() []Event {
	cases := someCases(4, 5)
	all := []Event{
		after(0, Event{Kind: RunBegan, Schema: Schema, Run: "20261128-210802-847c", Version: "v1.2.0", Folder: "_artifacts/20261128-210802-847c"}),
		after(0, Event{Kind: StepBegan, Step: "preflight"}),
		after(1.5, Event{Kind: Said, Text: "    server        ok    v1.37.2\n    permissions   ok    all 54 that a run needs"}),
		after(1.5, Event{Kind: StepEnded, Step: "preflight", Seconds: 1.5}),
		after(1.5, Event{Kind: Said, Text: "==> preflight: 1.5s"}),
		after(2, Plan(cases, twoWorkers, nil)),
	}
	end := func(at float64, c suite.Case, on suite.Target, outcome suite.Outcome, reason string) {
		all = append(all, after(at, Ended(suite.Result{Case: c, Target: on, Outcome: outcome, Reason: reason}, c.Level == suite.Core)))
	}
	for i, c := range cases {
		for j, on := range twoWorkers {
			at := 2 + float64(5*i)
			if i == 7 && j == 1 {
				end(2, c, on, suite.Skipped, "it does not apply: a sandbox with a kernel of its own")
				continue
			}
			all = append(all, after(at, Began(c, on)), after(at+0.5, Began(c, on)))
		}
		if i < 2 {
			continue
		}
		for j, on := range twoWorkers {
			at, past := 2+float64(5*i)+float64(j)+1, i-2
			outcome, reason := suite.Conformant, ""
			switch {
			case past == 3 && j == 1:
				outcome, reason = suite.NonConformant, "expected both containers see the same PID 1; observed they do not"
			case past == 6:
				outcome, reason = suite.Inconclusive, "the fixture a.yaml: exec was refused:\nforbidden\x1b[31m "+strings.Repeat("long ", 80)
			case past == 8 && j == 0:
				outcome, reason = suite.Exempted, "known"
			case past == 16:
				outcome, reason = suite.NonConformant, "it differs"
			case past == 7 && j == 1:
				continue // skipped above
			}
			end(at, cases[past], on, outcome, reason)
		}
	}
	for _, c := range cases[18:] {
		for _, on := range twoWorkers {
			end(110, c, on, suite.Conformant, "")
		}
	}
	return all
}

// at is the state so many seconds after the beginning.
func at(seconds float64) *State {
	s := NewState()
	for _, e := range story() {
		if e.Time.Sub(began).Seconds() <= seconds {
			s.Apply(e)
		}
	}
	return s
}

func moment(seconds float64) time.Time {
	return began.Add(time.Duration(seconds * float64(time.Second)))
}

// TestFrame: what a terminal shows, by the events, the moment and the size.
func TestFrame(t *testing.T) {
	var b strings.Builder
	for _, row := range []struct {
		title   string
		seconds float64
		size    Size
		colour  bool
	}{
		{"before anything", -1, Size{80, 24}, false},
		{"a step", 1, Size{80, 24}, false},
		{"nothing is known yet", 3, Size{80, 24}, false},
		{"at half time", 50, Size{80, 24}, false},
		{"at half time, in colour", 50, Size{80, 24}, true},
		{"near the end", 98, Size{80, 24}, false},
		{"a size that is not known", 50, Size{}, false},
		{"a narrow terminal", 50, Size{34, 24}, false},
		{"a narrow terminal, in colour", 50, Size{34, 24}, true},
		{"a low terminal", 98, Size{80, 6}, false},
		{"a lower one", 50, Size{80, 4}, false},
		{"one of two rows", 50, Size{80, 2}, false},
		{"one of one row", 50, Size{80, 1}, false},
		{"one of two columns", 50, Size{2, 8}, false},
		{"at the end", 110, Size{80, 24}, false},
	} {
		fmt.Fprintf(&b, "--- %s: %.0fs, %dx%d\n", row.title, row.seconds, row.size.Width, row.size.Height)
		for _, line := range at(row.seconds).Frame(moment(row.seconds), row.size, row.colour) {
			b.WriteString(strings.ReplaceAll(line, "\x1b", "␛") + "\n")
		}
	}
	golden.Assert(t, b.String(), "frames.txt")
}

// TestFrameFits: whatever the size and the moment, a frame is within the terminal.
func TestFrameFits(t *testing.T) {
	for seconds := -1.0; seconds < 112; seconds += 14 {
		s := at(seconds)
		for width := 1; width < 90; width += 4 {
			for height := 1; height < 30; height++ {
				for _, colour := range []bool{false, true} {
					frame := s.Frame(moment(seconds), Size{width, height}, colour)
					assert.LessOrEqual(t, len(frame), max(1, height-1), "%dx%d after %.0fs", width, height, seconds)
					for _, line := range frame {
						assert.LessOrEqual(t, visibleWidth(line), max(1, width-1), "%dx%d after %.0fs: %q", width, height, seconds, line)
						assert.Equal(t, strings.Count(line, "\x1b["), 2*strings.Count(line, "\x1b[0m"), "what is painted is ended")
					}
				}
			}
		}
	}
}

// TestFrameOfForeignText: names of nodes, and whatever else a cluster says, stay text.
func TestFrameOfForeignText(t *testing.T) {
	evil := []suite.Target{{Node: "a\x1b[2J\nb\u202e"}, {Node: "b"}}
	c := suite.Case{ID: "pid1/x", Level: suite.Core}
	s := NewState()
	s.Apply(after(0, Plan([]suite.Case{c}, evil, nil)))
	s.Apply(after(0, Began(c, evil[0])))
	frame := strings.Join(s.Frame(moment(1), Size{80, 24}, false), "\n")
	assert.Contains(t, frame, `pid1/x on a\x1b[2J\nb\u202e`)
	assert.True(t, utf8.ValidString(frame))
}

func TestLeft(t *testing.T) {
	for name, row := range map[string]struct {
		seconds float64
		want    string
	}{
		"before the plan":  {1, ""},
		"too early":        {8, ""},
		"too little known": {12, ""},
		"at half time":     {52, "about a minute left"},
		"near the end":     {98, "less than a minute left"},
		"at the end":       {110, ""},
	} {
		got := ""
		if left, ok := at(row.seconds).Left(moment(row.seconds)); ok {
			got = about(left)
		}
		assert.Equal(t, row.want, got, name)
	}
	assert.Equal(t, "about 3 minutes left", about(170*time.Second))

	// What is there at once tells nothing of the time that the rest takes.
	cases := someCases(1, 100)
	s := NewState()
	s.Apply(after(0, Plan(cases, twoWorkers[:1], nil)))
	for _, c := range cases[:80] {
		s.Apply(after(0, Ended(suite.Result{Case: c, Target: twoWorkers[0], Outcome: suite.Skipped}, true)))
	}
	_, ok := s.Left(moment(60))
	assert.False(t, ok)
	for _, c := range cases[80:90] {
		s.Apply(after(0, Began(c, twoWorkers[0])))
		s.Apply(after(60, Ended(suite.Result{Case: c, Target: twoWorkers[0], Outcome: suite.Conformant}, true)))
	}
	left, ok := s.Left(moment(60))
	assert.True(t, ok)
	assert.Equal(t, time.Minute, left)
}

// TestApply: a case begins once, with its first pod, and not after its end.
func TestApply(t *testing.T) {
	c := suite.Case{ID: "pid1/x", Level: suite.Core}
	s := NewState()
	s.Apply(after(0, Plan([]suite.Case{c}, twoWorkers, nil)))
	for _, row := range []struct {
		event Event
		kinds []Kind
		runs  int
	}{
		{Began(c, twoWorkers[0]), []Kind{CaseBegan}, 1},
		{Began(c, twoWorkers[0]), nil, 1},
		{Began(c, twoWorkers[1]), []Kind{CaseBegan}, 2},
		{Ended(suite.Result{Case: c, Target: twoWorkers[0], Outcome: suite.Inconclusive}, true), []Kind{CaseEnded}, 1},
		{Began(c, twoWorkers[0]), nil, 1}, // its control
		{Ended(suite.Result{Case: c, Target: twoWorkers[1], Outcome: suite.Conformant}, true), []Kind{CaseEnded, AreaEnded}, 0},
		{Ended(suite.Result{Case: suite.Case{ID: "a/b"}, Target: twoWorkers[0], Outcome: suite.Conformant}, true), []Kind{CaseEnded}, 0}, // nobody planned it
	} {
		var kinds []Kind
		for _, e := range s.Apply(after(1, row.event)) {
			kinds = append(kinds, e.Kind)
		}
		assert.Equal(t, row.kinds, kinds)
		assert.Len(t, s.running, row.runs)
	}
}
