package progress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// Mode is how a run is shown.
type Mode int

const (
	// Lines prints a line as each area ends, and each result that did not pass.
	Lines Mode = iota
	// Live draws a view on a terminal, below such lines.
	Live
	// Quiet prints what could not be removed, and nothing else.
	Quiet
)

// View shows a run. What it is told it shows soon, and nobody waits for that: a terminal
// may be stopped, and a pipe full.
type View struct {
	Mode Mode
	// Out is for people, Events for programs: nil where there are none.
	Out, Events io.Writer
	// Verbose prints every result.
	Verbose bool
	Colour  bool
	// Size is the terminal's, of a Live view.
	Size func() Size

	mu     sync.Mutex
	state  *State
	lines  strings.Builder // to be printed
	events bytes.Buffer    // to be written
	told   time.Time       // when something was printed last
	closed bool
	// open says that the last line has no end as yet, and held that nothing is drawn:
	// somebody else asks the user for something.
	open, held bool
	// alike counts the results of a case that were printed, by their outcome.
	alike map[alike]int

	wake, stop, ended chan struct{}
	screen            screen
	drawn             time.Time
}

// alike are the results of one case that came out in the same way.
type alike struct {
	id      string
	outcome suite.Outcome
}

const (
	// mostAlike is how many of them are printed as they come, each on a target of its own: where
	// thousands of nodes are asked, one fault, or an interrupt, is that of all.
	mostAlike = 40
	// redrawn is how often a live view shows how time goes by, and atOnce how soon after
	// the last drawing another event is drawn, unless a line goes with it.
	redrawn, atOnce = 500 * time.Millisecond, 100 * time.Millisecond
	// silence is how long lines may keep it: CI systems take silent jobs for dead.
	silence = time.Minute
	// patience is how long the end waits for a terminal that takes nothing.
	patience = 2 * time.Second
)

// Open begins to show the run.
func (v *View) Open() {
	v.state, v.told = NewState(), time.Now()
	v.wake, v.stop, v.ended = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	v.screen = screen{out: v.Out, size: v.Size}
	go v.follow()
}

func (v *View) follow() {
	defer close(v.ended)
	tick := time.NewTicker(redrawn)
	defer tick.Stop()
	for {
		select {
		case <-v.stop:
			v.show(time.Now(), true)
			return
		case <-v.wake:
			v.show(time.Now(), false)
		case now := <-tick.C:
			v.mu.Lock()
			v.lines.WriteString(v.sign(now))
			v.mu.Unlock()
			v.drawn = time.Time{}
			v.show(now, false)
		}
	}
}

// show writes what there is to be written.
func (v *View) show(now time.Time, last bool) {
	v.mu.Lock()
	text, events := v.lines.String(), bytes.Clone(v.events.Bytes())
	v.lines.Reset()
	v.events.Reset()
	var frame []string
	live := v.Mode == Live && (last || text != "" || now.Sub(v.drawn) >= atOnce)
	if live && !last && !v.held {
		frame = v.state.Frame(now, v.screen.size(), v.Colour)
	}
	v.mu.Unlock()
	// Of what cannot be written, the report's writing tells, or nobody is there to read.
	if len(events) > 0 {
		_, _ = v.Events.Write(events)
	}
	switch {
	case live:
		v.drawn = now
		v.screen.draw(text, frame)
	case text != "":
		_, _ = io.WriteString(v.Out, text)
	}
}

// sign is a sign of life where lines have been silent for long.
func (v *View) sign(now time.Time) string {
	if v.Mode == Live || now.Sub(v.told) < silence {
		return ""
	}
	v.told = now
	s := v.state
	if s.step != "" {
		return fmt.Sprintf("    %s … %s\n", s.step, wording.Seconds(now.Sub(s.stepBegan).Seconds()))
	}
	if !s.planned || s.done == s.results {
		return ""
	}
	text := fmt.Sprintf("    %d of %d after %s", s.done, s.results, wording.Seconds(now.Sub(s.began).Seconds()))
	if left, ok := s.Left(now); ok {
		text += ", " + about(left)
	}
	if longest := s.longest(1); len(longest) > 0 {
		text += fmt.Sprintf("; %s running, the longest for %s: %s on %s", wording.Count(len(s.running), "case is", "cases are"),
			wording.Seconds(now.Sub(longest[0].since).Seconds()), longest[0].id, longest[0].target)
	}
	return text + "\n"
}

// Tell takes in what has happened. An event without a time has happened now.
func (v *View) Tell(e Event) {
	v.mu.Lock()
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	switch e.Kind {
	case StepEnded, Planned, CaseEnded: // whoever asked for something has it
		v.held = false
	}
	for _, one := range v.state.Apply(e) {
		v.write(one)
		if text := v.line(one); text != "" {
			v.endLine()
			v.lines.WriteString(text)
			v.told = e.Time
		}
	}
	if v.Mode == Live && !v.held {
		v.endLine() // the view is drawn below it
	}
	v.soon(e.Time)
}

// endLine ends the last line, if it has no end as yet.
func (v *View) endLine() {
	if v.open {
		v.lines.WriteString("\n")
		v.open = false
	}
}

// soon shows what there is to show, and unlocks.
func (v *View) soon(now time.Time) {
	closed := v.closed
	v.mu.Unlock()
	if closed {
		v.show(now, true)
		return
	}
	select {
	case v.wake <- struct{}{}:
	default: // it is awake
	}
}

// Write passes on what another program says to the user, such as a plugin that asks for a
// password, and may wait for an answer to: nothing is drawn until a step is over, or a case.
// It implements io.Writer.
func (v *View) Write(text []byte) (int, error) {
	if len(text) == 0 {
		return 0, nil
	}
	v.mu.Lock()
	v.lines.Write(text)
	v.open, v.held = text[len(text)-1] != '\n', true
	v.soon(time.Now())
	return len(text), nil
}

// Say prints what users are told besides.
func (v *View) Say(text string) { v.Tell(Event{Kind: Said, Text: text}) }

// Close takes the view off the terminal. What is said from then on is printed at once, and
// is no event any more: for programs, the end of the run was the last one.
func (v *View) Close() {
	v.mu.Lock()
	was := v.closed
	v.closed = true
	v.mu.Unlock()
	if was {
		return
	}
	close(v.stop)
	select {
	case <-v.ended:
	case <-time.After(patience):
	}
}

// write keeps an event for programs.
func (v *View) write(e Event) {
	if v.Events == nil || v.closed {
		return
	}
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	e.Seconds = math.Round(e.Seconds*1000) / 1000
	encoder := json.NewEncoder(&v.events)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(e) // it holds nothing that cannot be encoded
}

// line is what people read of an event: nothing, or lines with their line breaks.
func (v *View) line(e Event) string {
	switch e.Kind {
	case Said:
		if v.Mode == Quiet && !strings.HasPrefix(strings.TrimSpace(e.Text), "procns: ") {
			return ""
		}
		return e.Text + "\n"
	case CaseEnded:
		switch {
		case v.Mode == Quiet || !v.Verbose && !noPass(e):
		case v.Verbose:
			return v.result(e)
		default:
			return v.unlessTold(e)
		}
	case AreaEnded:
		if v.Mode == Lines {
			return "==> " + v.paint(row{{bold, e.Area}, {"", fmt.Sprintf(" (%s): ", wording.Seconds(e.Seconds))}}, counted(e.Counts),
				row{{"", fmt.Sprintf("; %d of %d results", e.Done, e.Results)}})
		}
	}
	return ""
}

// noPass tells that a result is one that users want to know of at once.
func noPass(e Event) bool {
	return e.Level != suite.Informational && e.Outcome.Failed()
}

// unlessTold is one result in a line, as long as not too many like it were printed.
func (v *View) unlessTold(e Event) string {
	if v.alike == nil {
		v.alike = map[alike]int{}
	}
	which := alike{e.Case, e.Outcome}
	v.alike[which]++
	switch n := v.alike[which]; {
	case n <= mostAlike:
		return v.result(e)
	case n == mostAlike+1:
		return fmt.Sprintf("    … further targets on which %s is %s are told of in the end\n", e.Case, e.Outcome.In(e.Level))
	}
	return ""
}

// result is one result in a line. Its reason is cut: the whole is told in the end.
func (v *View) result(e Event) string {
	const most = 300 // characters of a reason
	word := e.Outcome.In(e.Level)
	r := row{{colourOf(word), fmt.Sprintf("    %-14s", loud(word))}, {"", "  " + e.Case}, {dim, " on " + e.Target}}
	if e.Seconds > 0 {
		r = append(r, span{dim, " (" + wording.Seconds(e.Seconds) + ")"})
	}
	if noPass(e) && !e.Decides {
		r = append(r, span{"", " (does not decide the exit code)"})
	}
	if e.Reason != "" && e.Outcome != suite.Conformant {
		reason := []rune(strings.Join(strings.Fields(e.Reason), " "))
		if len(reason) > most {
			reason = append(reason[:most], '…')
		}
		r = append(r, span{"", ": " + string(reason)})
	}
	return v.paint(r)
}

// paint is a line of any width.
func (v *View) paint(rows ...row) string {
	var all row
	width := 0
	for _, r := range rows {
		all = append(all, r...)
	}
	for _, s := range all {
		width += len(probe.Visible(s.text, false))
	}
	return all.render(width+1, v.Colour) + "\n"
}
