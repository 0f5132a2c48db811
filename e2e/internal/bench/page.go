package bench

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"procns/e2e/internal/wording"
)

// Figures is the section of the page about raw figures, in Markdown.
func Figures(raw Raw) string {
	if len(raw.Samples) == 0 {
		return "Not measured yet: `make bench` writes this section."
	}
	p := &page{raw: raw, subjects: subjects(raw)}
	p.head()
	p.table("Time and counts", []column{
		{"seconds", func(s Sample) (float64, bool) { return s.Seconds, true }, 1},
		{"× L", p.timesLimit, 2},
		{"pods", func(s Sample) (float64, bool) { return float64(s.Pods), true }, 0},
		{"containers", func(s Sample) (float64, bool) { return float64(s.Containers), true }, 0},
		{"execs", func(s Sample) (float64, bool) { return requests(s, Execs, Attachments) }, 0},
		{"all requests", func(s Sample) (float64, bool) { return requests(s) }, 0},
		{"MB", func(s Sample) (float64, bool) {
			if s.Bytes == nil {
				return 0, false
			}
			return float64(s.Bytes.Received+s.Bytes.Sent) / megabyte, true
		}, 1},
	})
	p.ratios()
	cpu := []column{
		{"machine", func(s Sample) (float64, bool) {
			if s.MachineCPU == nil {
				return 0, false
			}
			return *s.MachineCPU, true
		}, 0},
		{"client", func(s Sample) (float64, bool) { return s.Client.CPUSeconds, true }, 1},
	}
	for _, name := range NodePrograms {
		cpu = append(cpu, column{name, func(s Sample) (float64, bool) {
			seconds, ok := s.Nodes[name]
			return seconds, ok
		}, 1})
	}
	cpu = append(cpu, column{"client's memory, MB", func(s Sample) (float64, bool) { return float64(s.Client.PeakBytes) / megabyte, true }, 0})
	p.table("Where the CPU seconds went", cpu)
	p.say("The machine is all that ran on it: what is neither the client's nor one of the three programs' is that of the\n" +
		"containers, of those that start them (shims, runc), and of the rest of the control plane.\n")
	var verbs []column
	for _, verb := range p.verbs() {
		verbs = append(verbs, column{verb, func(s Sample) (float64, bool) { return requests(s, verb) }, 0})
	}
	p.table("Requests, by verb", verbs)
	p.say("They are those that the API server answered, of all its clients: kubelets and controllers too.\n")
	p.grown()
	return p.out.String()
}

const megabyte = 1 << 20

// page is the section as it is written.
type page struct {
	raw      Raw
	subjects []Subject
	out      strings.Builder
}

func (p *page) say(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

// subjects are those that have a sample, in the page's order.
func subjects(raw Raw) []Subject {
	seen := map[Subject]bool{}
	for _, s := range raw.Samples {
		seen[s.Subject] = true
	}
	kinds := []string{Limit, Suite, ByHand, Framework}
	return slices.SortedFunc(maps.Keys(seen), func(a, b Subject) int {
		return cmp.Or(a.Targets-b.Targets, size(a.Cases)-size(b.Cases), slices.Index(kinds, a.What)-slices.Index(kinds, b.What))
	})
}

// size orders selections of cases, the smallest first.
func size(cases string) int {
	switch cases {
	case Walkthrough:
		return 0
	case CoreCases:
		return 1 << 20
	case AllCases:
		return 1 << 21
	}
	n, _ := strconv.Atoi(cases)
	return n
}

// called is what the page calls a subject.
func (s Subject) called() string {
	what := s.Cases + " cases"
	switch s.Cases {
	case AllCases:
		what = "whole catalogue"
	case CoreCases:
		what = "Core"
	case Walkthrough:
		what = "the page's walkthrough"
	}
	switch s.What {
	case Limit:
		return "L: the pods of " + strings.ReplaceAll(what, "whole", "the whole")
	case ByHand:
		return "kubectl script: " + what
	case Framework:
		return "e2e-framework: " + what
	}
	return what
}

func (p *page) head() {
	m := p.raw.Machine
	failed := 0
	first, last := p.raw.Samples[0].Began, p.raw.Samples[0].Began
	for _, s := range p.raw.Samples {
		if s.ExitCode != 0 {
			failed++
		}
		if s.Began.Before(first) {
			first = s.Began
		}
		if s.Began.After(last) {
			last = s.Began
		}
	}
	when := first.Format("2006-01-02")
	if end := last.Format("2006-01-02"); end != when {
		when += " to " + end
	}
	p.say("Measured on %s in %d rounds, in each of which this was run once, one after the other: on %s (%d processors, %d GB,\n"+
		"%s, Linux %s), a kind cluster on %s with Kubernetes %s and %s; procns %s, %s.\n", when, p.raw.Rounds(),
		orUnknown(m.Processor), m.Processors, m.MemoryGB, orUnknown(m.System), orUnknown(m.Kernel), orUnknown(m.Engine), orUnknown(m.Kubernetes),
		orUnknown(m.Runtime), orUnknown(m.Suite), orUnknown(m.Go))
	p.say("A value is the median, with the smallest and the largest in brackets where they differ; – was not measured.\n")
	if failed > 0 {
		p.say("%d of the %d runs did not end with exit code 0, and are in no value.\n", failed, len(p.raw.Samples))
	}
}

func orUnknown(text string) string { return cmp.Or(text, "(unknown)") }

// column is one of a table's.
type column struct {
	name string
	// value is that of a sample; false where it was not measured.
	value  func(Sample) (float64, bool)
	digits int
}

// seldom says in how many rounds a subject was run, where that is not all.
func (p *page) seldom(s Subject) string {
	n := len(p.raw.Of(s))
	if n == p.raw.Rounds() {
		return ""
	}
	return " (" + wording.Count(n, "round", "rounds") + ")"
}

// table writes one line for each subject.
func (p *page) table(title string, columns []column) {
	p.say("\n### %s\n\n| | targets |", title)
	for _, c := range columns {
		p.say(" %s |", c.name)
	}
	p.say("\n|---|--:|%s\n", strings.Repeat("--:|", len(columns)))
	for _, s := range p.subjects {
		p.say("| %s%s | %d |", s.called(), p.seldom(s), s.Targets)
		for _, c := range columns {
			p.say(" %s |", cell(p.spread(s, c), c.digits))
		}
		p.say("\n")
	}
	p.say("\n")
}

func (p *page) spread(s Subject, c column) Spread {
	var values []float64
	for _, sample := range p.raw.Of(s) {
		if v, ok := c.value(sample); ok {
			values = append(values, v)
		}
	}
	return SpreadOf(values)
}

// cell is a spread in a table.
func cell(s Spread, digits int) string {
	number := func(x float64) string { return strconv.FormatFloat(x, 'f', digits, 64) }
	switch {
	case s.N == 0:
		return "–"
	case number(s.Min) == number(s.Max):
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Min), number(s.Max))
}

// requests is how many there were of these verbs; of none, all.
func requests(s Sample, verbs ...string) (float64, bool) {
	if s.Requests == nil {
		return 0, false
	}
	sum := 0
	for verb, n := range s.Requests {
		if len(verbs) == 0 || slices.Contains(verbs, verb) {
			sum += n
		}
	}
	return float64(sum), true
}

// verbs are all that were counted, the most frequent first.
func (p *page) verbs() []string {
	sums := map[string]int{}
	for _, s := range p.raw.Samples {
		for verb, n := range s.Requests {
			sums[verb] += n
		}
	}
	return slices.SortedFunc(maps.Keys(sums), func(a, b string) int { return cmp.Or(sums[b]-sums[a], strings.Compare(a, b)) })
}

// timesLimit is how many times as long a sample took as L did for the same cases in the same round.
func (p *page) timesLimit(s Sample) (float64, bool) {
	if s.What == Limit {
		return 0, false
	}
	return p.times(s, Subject{Limit, s.Cases, s.Targets})
}

// times is how many times as long a sample took as another subject in the same round.
func (p *page) times(s Sample, as Subject) (float64, bool) {
	for _, one := range p.raw.Of(as) {
		if one.Round == s.Round && one.Seconds > 0 {
			return s.Seconds / one.Seconds, true
		}
	}
	return 0, false
}

// ratios sets what was measured beside what is wanted.
func (p *page) ratios() {
	two := Subject{Suite, AllCases, 2}
	rows := []struct {
		name, goal string
		of, to     Subject
	}{
		{"whole catalogue on two targets, in multiples of L", "at most 1.3", two, Subject{Limit, AllCases, 2}},
		{"whole catalogue on two targets, in multiples of one", "1, until the processors are full", two, Subject{Suite, AllCases, 1}},
		{"kubectl script, in multiples of Core on one target", "at least 5", Subject{ByHand, CoreCases, 1}, Subject{Suite, CoreCases, 1}},
		{"e2e-framework, in multiples of the same cases here", "", Subject{Framework, Walkthrough, 1}, Subject{Suite, Walkthrough, 1}},
	}
	p.say("### Ratios\n\n| | measured | goal |\n|---|--:|---|\n")
	for _, row := range rows {
		c := column{value: func(s Sample) (float64, bool) { return p.times(s, row.to) }}
		p.say("| %s | %s | %s |\n", row.name, cell(p.spread(row.of, c), 2), row.goal)
	}
	p.say("\n")
}

// grown is how the suite's time and its pods grow with cases and targets.
func (p *page) grown() {
	var targets []int
	var cases []string
	for _, s := range p.subjects {
		if s.What != Suite {
			continue
		}
		if !slices.Contains(targets, s.Targets) {
			targets = append(targets, s.Targets)
		}
		if !slices.Contains(cases, s.Cases) {
			cases = append(cases, s.Cases)
		}
	}
	if len(targets) == 0 {
		return
	}
	slices.SortFunc(cases, func(a, b string) int { return size(a) - size(b) })
	p.say("\n### Growth: seconds, and pods\n\n| |")
	for _, n := range targets {
		p.say(" %s |", wording.Count(n, "target", "targets"))
	}
	p.say("\n|---|%s\n", strings.Repeat("--:|", len(targets)))
	seconds := column{value: func(s Sample) (float64, bool) { return s.Seconds, true }}
	pods := column{value: func(s Sample) (float64, bool) { return float64(s.Pods), true }}
	for _, one := range cases {
		p.say("| %s |", Subject{Suite, one, 0}.called())
		for _, n := range targets {
			s := Subject{Suite, one, n}
			p.say(" %s, %s |", cell(p.spread(s, seconds), 0), cell(p.spread(s, pods), 0))
		}
		p.say("\n")
	}
}
