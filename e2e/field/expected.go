package field

import (
	"encoding/xml"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// Seen is what a run came to.
type Seen struct {
	Exit   int
	Took   time.Duration
	Output string
	// Report is report.json, and Text the same as it was written; Document is nil without one.
	Document *report.Document
	Text     string
	JUnit    string
	// Left are the run's namespaces that are there after it.
	Left []string
}

// Differs says in how far what was seen is not what was expected, one line each.
func (e Expected) Differs(s Seen) []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if s.Exit != e.Exit {
		say("exit code %d, expected %d", s.Exit, e.Exit)
	}
	if s.Took > e.Within {
		say("it took %.0f s, expected at most %.0f s", s.Took.Seconds(), e.Within.Seconds())
	}
	for _, pattern := range e.Said {
		if !matches(pattern, s.Output) {
			say("the output has nothing that matches %q", pattern)
		}
	}
	for _, pattern := range e.Unsaid {
		if matches(pattern, s.Output) {
			say("the output has something that matches %q", pattern)
		}
	}
	if len(s.Left) > 0 && !e.Leaves {
		say("namespaces are left: %s", strings.Join(s.Left, ", "))
	}
	if s.Document == nil {
		say("there is no report.json")
		return all
	}
	all = append(all, e.differsInReport(s)...)
	if e.JUnit {
		all = append(all, differsInJUnit(s)...)
	}
	return all
}

func (e Expected) differsInReport(s Seen) []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, pattern := range e.Reported {
		if !matches(pattern, s.Text) {
			say("report.json has nothing that matches %q", pattern)
		}
	}
	for _, pattern := range e.Preflight {
		if !slices.ContainsFunc(s.Document.Preflight, func(c report.Check) bool { return c.State != "ok" && matches(pattern, c.Said) }) {
			say("no line of the preflight that is more than ok matches %q", pattern)
		}
	}
	for cases, outcome := range e.Outcomes {
		named := 0
		for _, r := range s.Document.Results {
			if fits, _ := path.Match(cases, r.ID); !fits || r.Level == suite.Informational {
				continue
			}
			if named++; r.Outcome != outcome {
				say("%s is %s, expected %s: %s", r.ID, r.Outcome, outcome, strings.Join(strings.Fields(r.Reason+" "+r.Observed), " "))
			}
		}
		if named == 0 {
			say("there is no result of %s", cases)
		}
	}
	for cases, pattern := range e.Reasons {
		if !slices.ContainsFunc(s.Document.Results, func(r report.Result) bool {
			fits, _ := path.Match(cases, r.ID)
			return fits && matches(pattern, r.Reason)
		}) {
			say("no reason of %s matches %q", cases, pattern)
		}
	}
	slices.Sort(all)
	return all
}

// differsInJUnit: the times of the cases are their own, so that they add up to no more than what runs
// at one time can take; suites and classes are named alike in every run.
func differsInJUnit(s Seen) []string {
	var document struct {
		Suites []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Class string  `xml:"classname,attr"`
				Time  float64 `xml:"time,attr"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(s.JUnit), &document); err != nil {
		return []string{"junit_01.xml cannot be read: " + err.Error()}
	}
	var all []string
	var total float64
	changing := []string{s.Document.ID}
	for _, t := range s.Document.Targets {
		changing = append(changing, t.Node)
	}
	for _, one := range document.Suites {
		names := []string{one.Name}
		for _, c := range one.Cases {
			total += c.Time
			names = append(names, c.Class)
		}
		for _, changes := range changing {
			if i := slices.IndexFunc(names, func(name string) bool { return changes != "" && strings.Contains(name, changes) }); i >= 0 {
				all = append(all, fmt.Sprintf("the name %q in junit_01.xml changes from run to run, or from cluster to cluster", names[i]))
			}
		}
	}
	if len(document.Suites) == 0 {
		all = append(all, "junit_01.xml has no suite")
	}
	if most := s.Took.Seconds() * float64(max(1, len(s.Document.Targets))); total > most {
		all = append(all, fmt.Sprintf("the times of the cases add up to %.0f s, in a run of %.0f s on %d targets", total, s.Took.Seconds(), len(s.Document.Targets)))
	}
	return all
}

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }
