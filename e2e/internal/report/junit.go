package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"procns/e2e/internal/suite"
)

// WriteJUnit writes a JUnit document with one test suite for each target. CI
// systems know three ways of not passing: non-conformant is a failure,
// inconclusive an error, and the rest skipped. What only the run as a whole can
// get wrong (nothing ran, results are missing, objects were left behind) becomes
// an error in a suite of its own, because a document without failures and
// errors is shown as a pass.
func WriteJUnit(w io.Writer, run Run) error {
	all := junit.Testsuites{Name: "procns", Time: junitSeconds(run.Stats.WallSeconds)}
	for _, target := range run.targets() {
		all.AddSuite(run.junitSuite(len(all.Suites), target))
	}
	if s := run.junitTrouble(len(all.Suites), all.Failures+all.Errors > 0); s != nil {
		all.AddSuite(*s)
	}
	if _, err := io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"); err != nil {
		return err
	}
	return all.WriteXML(w)
}

func (r Run) junitSuite(id int, target suite.Target) junit.Testsuite {
	s := r.emptySuite(id, target.Name())
	s.Hostname = clean(target.Node, oneLine)
	for _, p := range []field{
		{"node", target.Node}, {"runtimeClass", target.RuntimeClass}, {"osImage", target.OSImage},
		{"kernel", target.Kernel}, {"architecture", target.Architecture}, {"runtime", target.Runtime},
		{"kubelet", target.Kubelet}, {"cgroupMode", target.CgroupMode},
	} {
		if p.text != "" {
			s.AddProperty(p.name, clean(p.text, oneLine))
		}
	}
	var total time.Duration
	for _, result := range r.Results {
		if result.Target.Name() == target.Name() {
			s.AddTestcase(r.junitCase(result))
			total += result.Duration
		}
	}
	s.Time = junitSeconds(total.Seconds())
	return s
}

func (r Run) junitCase(result suite.Result) junit.Testcase {
	c := junit.Testcase{
		Name:      clean(result.Case.ID, oneLine),
		Classname: clean(result.Target.Name(), oneLine),
		Time:      junitSeconds(result.Duration.Seconds()),
	}
	var why strings.Builder
	writeFields(&why, "", append(ofCase(result.Case), r.ofResult(result)...))
	said := &junit.Result{
		Message: clean(firstOf(result.Reason, string(result.Outcome)), oneLine),
		Type:    clean(string(result.Outcome), oneLine),
		Data:    "\n" + why.String(),
	}
	nonConformant, inconclusive := r.counts(result)
	switch {
	case nonConformant:
		c.Failure = said
	case inconclusive:
		c.Error = said
	case result.Outcome == suite.Conformant, isRecord(result) && result.Outcome == suite.NonConformant:
		text := result.Recorded
		if informational(result) {
			text = result.Outcome.In(suite.Informational) + before(": ", firstOf(text, result.Reason))
		}
		if text != "" {
			c.SystemOut = &junit.Output{Data: clean(text, manyLines)}
		}
	default: // skipped, exempted, only planned, or of a level that does not decide
		switch {
		case result.Outcome == suite.Exempted:
			said.Message = clean("exempted: "+exemption(result), oneLine)
		case r.notDeciding(result) != "":
			said.Message = clean(string(result.Outcome)+r.notDeciding(result)+before(": ", result.Reason), oneLine)
		case isRecord(result):
			said.Message = clean("not measured"+before(": ", result.Reason), oneLine)
		}
		c.Skipped = said
	}
	return c
}

// junitTrouble is the suite of what went wrong with the run as a whole, if anything.
func (r Run) junitTrouble(id int, red bool) *junit.Testsuite {
	v := r.Verdict()
	s := r.emptySuite(id, "procns")
	s.Time = junitSeconds(0)
	for _, pending := range r.Pending { // shown by every reader, and no failure
		s.AddTestcase(junit.Testcase{
			Name: "run/clean-up", Classname: "procns", Time: junitSeconds(0),
			Skipped: &junit.Result{Message: "deleted, and still there: " + clean(pending, oneLine)},
		})
	}
	if v.ExitCode == suite.ExitConformant || red && len(r.troubles(v)) == 0 {
		if len(r.Pending) == 0 {
			return nil
		}
		return &s
	}
	s.AddTestcase(junit.Testcase{
		Name: "run/complete", Classname: "procns", Time: junitSeconds(0),
		Error: &junit.Result{
			Message: v.Line, Type: string(v.Outcome),
			Data: "\n" + clean(strings.Join(append([]string{v.Line}, r.remarks(v)...), "\n"), manyLines) + "\n",
		},
	})
	return &s
}

// troubles lists what went wrong with the run as a whole.
func (r Run) troubles(v Verdict) []string {
	var lines []string
	if c := r.Comparison; c != nil && c.ExitCode() != suite.ExitConformant {
		lines = append(lines, "compared with an earlier run: "+c.Line())
	}
	if r.Problem != "" {
		lines = append(lines, "problem: "+r.Problem)
	}
	if r.Interrupted {
		lines = append(lines, "the run was interrupted"+before(": ", r.InterruptedBy))
	}
	if v.NotRun > 0 {
		lines = append(lines, plural(v.NotRun, "result is", "results are")+" missing")
	}
	for _, leftover := range r.Leftovers {
		lines = append(lines, "not removed: "+leftover)
	}
	return lines
}

// remarks are the troubles, and what is no trouble and has to be known all the same.
func (r Run) remarks(v Verdict) []string {
	lines := r.troubles(v)
	for _, pending := range r.Pending {
		lines = append(lines, "deleted, and still there: "+pending)
	}
	return lines
}

func (r Run) emptySuite(id int, name string) junit.Testsuite {
	s := junit.Testsuite{ID: id, Name: clean(name, oneLine), Package: "procns"}
	if !r.Started.IsZero() {
		s.Timestamp = r.Started.UTC().Format("2006-01-02T15:04:05") // the format's own: no zone
	}
	for _, p := range []field{
		{"run", r.ID}, {"suiteVersion", r.Suite.Version}, {"catalogueSHA256", r.Suite.CatalogueSHA256},
		{"serverVersion", r.Cluster.ServerVersion}, {"platform", r.Cluster.Platform}, {"clusterUID", r.Cluster.UID},
		{"provisioned", r.Cluster.Provisioned}, {"images", strings.Join(r.replacements(), "; ")},
		{"mends", strings.Join(r.Mends, "; ")}, {"notes", strings.Join(r.Notes, "; ")},
	} {
		if p.text != "" {
			s.AddProperty(p.name, clean(p.text, oneLine))
		}
	}
	return s
}

func junitSeconds(seconds float64) string { return fmt.Sprintf("%.3f", seconds) }

// before puts a mark before a text that is there.
func before(mark, text string) string {
	if text == "" {
		return ""
	}
	return mark + text
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
