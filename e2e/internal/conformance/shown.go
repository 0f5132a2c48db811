package conformance

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"procns/e2e/internal/options"
	"procns/e2e/internal/progress"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// newView shows the run as it was asked to be shown, and as the terminal allows.
func newView(o options.Options, stdout, stderr io.Writer, getenv func(string) string) *progress.View {
	v := &progress.View{Out: stderr, Verbose: o.Verbose}
	size, terminal := progress.Terminal(stderr, getenv)
	if terminal {
		v.Colour = progress.Coloured(getenv)
	}
	switch {
	case o.Quiet:
		v.Mode = progress.Quiet
	case terminal && o.Progress == options.Auto:
		v.Mode, v.Size = progress.Live, size
	}
	if o.Progress == options.Events {
		v.Events = stdout
	}
	return v
}

// style is how the summary looks where it is printed.
func style(o options.Options, w io.Writer, getenv func(string) string) report.Style {
	s := report.Style{Brief: !o.Verbose}
	if size, ok := progress.Terminal(w, getenv); ok {
		s.Width, s.Colour = size().Width, progress.Coloured(getenv)
	}
	return s
}

// say tells the user, and the log.
func (c *Run) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.folder.log.Print(text)
	c.view.Say(text)
}

// Say tells the user what comes from outside the run, such as a signal.
func (c *Run) Say(text string) { c.say("%s", text) }

// CloseView takes what is shown off the terminal, for somebody else to print.
func (c *Run) CloseView() {
	c.plugins.Show(nil)
	c.view.Close()
}

// step says how long a part of the set-up took.
func (c *Run) step(what string, do func() error) error {
	began := time.Now()
	c.folder.log.Printf("%s …", what)
	c.view.Tell(progress.Event{Kind: progress.StepBegan, Step: what})
	err := do()
	c.view.Tell(progress.Event{Kind: progress.StepEnded, Step: what, Seconds: time.Since(began).Seconds()})
	if err == nil {
		c.say("==> %s: %.1fs", what, time.Since(began).Seconds())
	}
	return err
}

// lines is a writer whose lines are told the user.
type lines struct {
	view *progress.View
	mu   sync.Mutex
	rest bytes.Buffer
}

// Write implements io.Writer.
func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest.Write(text)
	for {
		line, _, whole := bytes.Cut(l.rest.Bytes(), []byte("\n"))
		if !whole {
			return len(text), nil
		}
		l.view.Say(string(line))
		l.rest.Next(len(line) + 1)
	}
}

// stopped is a run that -fail-fast ended.
type stopped struct {
	mu sync.Mutex
	by string // the result, in a few words
}

// note takes a result in. The first one that keeps the exit code from being 0 ends the run.
func (s *stopped) note(r suite.Result, require suite.Requirement) {
	if !require.FailedBy(r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == "" {
		s.by = fmt.Sprintf("%s is %s on %s", r.Case.ID, r.Outcome, r.Target.Name())
	}
}

// why says what ended the run, or "".
func (s *stopped) why() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by
}

// print prints what the run came to on standard output, in the form that was asked for.
func (c *Run) print(output io.Writer) error {
	r, line := c.report, c.report.Verdict().Line
	switch {
	case c.Progress == options.Events:
		return nil // the last event has it
	case c.Form == options.JSON || c.Form == options.Markdown:
		write := report.WriteJSON
		if c.Form == options.Markdown {
			write = report.WriteMarkdown
		}
		if !c.Quiet {
			c.view.Say(line)
		}
		return write(output, r)
	case c.Quiet:
		_, err := fmt.Fprintln(output, line)
		return err
	}
	return report.WriteTerminal(output, r, style(c.Options, output, os.Getenv))
}
