package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/wording"
)

// WriteJUnit writes a JUnit document with a test suite for each level on each target; where
// there are more than MostTargets, on each kind of them, with a case for all its targets.
// Non-conformant is a failure, and so is inconclusive, with that as its type and at the
// head of its message: of JUnit's errors not every reader knows, and an older TestGrid
// shows them as passes. The rest is skipped, among it what does not decide the exit
// code. What only the run as a whole can get wrong (nothing ran, results are missing,
// objects were left behind) becomes a failure in a suite of its own, because a document
// without one is shown as a pass.
//
// Readers follow a test through the nights by the names of its suite, class and
// case: Jenkins and GitLab by class and case, TestGrid by suite and case. So these are
// made of the target's kind, and names and versions are properties.
func WriteJUnit(w io.Writer, run Run) error {
	all := junitDocument{Testsuites: junit.Testsuites{Name: "procns", Time: junitSeconds(run.Stats.WallSeconds)}}
	if run.many() {
		run.addKinds(&all)
	} else {
		run.addTargets(&all)
	}
	if s := run.junitTrouble(len(all.Suites), all.Failures > 0); s != nil {
		all.add(*s)
	}
	return all.write(w)
}

// addTargets adds a suite for each level on each target.
func (r Run) addTargets(all *junitDocument) {
	names := r.junitNames()
	for _, here := range r.perTarget() {
		for _, level := range allLevels {
			if s := here.junitSuite(len(all.Suites), names[here.Targets[0].Name()], level); len(s.Cases) > 0 {
				all.add(s)
			}
		}
	}
}

// addKinds adds a suite for each level on each kind of target.
func (r Run) addKinds(all *junitDocument) {
	for _, k := range r.perKind() {
		for _, level := range allLevels {
			if s := k.junitSuiteOfKind(len(all.Suites), level); len(s.Cases) > 0 {
				all.add(s)
			}
		}
	}
}

// junitDocument, junitSuite and junitCase are the library's, with properties of cases,
// which it does not know of: Spyglass groups by them.
type (
	junitDocument struct {
		junit.Testsuites
		Suites []junitSuite `xml:"testsuite,omitempty"`
	}
	junitSuite struct {
		junit.Testsuite
		Cases []junitCase `xml:"testcase,omitempty"`
	}
	junitCase struct {
		Properties *[]junit.Property `xml:"properties>property,omitempty"`
		junit.Testcase
	}
)

// add adds a suite, and its numbers.
func (d *junitDocument) add(s junitSuite) {
	d.AddSuite(s.Testsuite)
	d.Suites = append(d.Suites, s)
}

// add adds a case, and counts it.
func (s *junitSuite) add(c junitCase) {
	s.AddTestcase(c.Testcase)
	s.Cases = append(s.Cases, c)
}

func (d *junitDocument) write(w io.Writer) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	out := xml.NewEncoder(w)
	out.Indent("", "\t")
	if err := out.Encode(d); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// junitNames names each target by its kind. Of several of one kind, in the order of
// their names, the second is called -2, and so on.
func (r Run) junitNames() map[string]string {
	targets := slices.SortedFunc(slices.Values(r.targets()), func(a, b suite.Target) int { return strings.Compare(a.Name(), b.Name()) })
	names, taken, last := map[string]string{}, map[string]bool{}, map[string]int{}
	for _, target := range targets {
		kind := target.Kind().ID()
		name, i := kind, max(1, last[kind])
		for taken[name] {
			i++
			name = fmt.Sprintf("%s-%d", kind, i)
		}
		taken[name], last[kind] = true, i
		names[target.Name()] = name
	}
	return names
}

// junitSuite is the suite of one level on the one target of the run.
func (r Run) junitSuite(id int, name string, level suite.Level) junitSuite {
	target := r.Targets[0]
	s := r.emptySuite(id, "procns."+strings.ToLower(string(level))+"."+name)
	s.Hostname = clean(target.Node, oneLine)
	properties := []field{{"level", string(level)}}
	for _, row := range r.levelRows() {
		if row.level == level {
			properties = append(properties, field{"verdict", row.verdict}, field{"results", row.text})
		}
	}
	for _, p := range append(properties, []field{
		{"node", target.Node}, {"runtimeClass", target.RuntimeClass}, {"osImage", target.OSImage},
		{"kernel", target.Kernel}, {"architecture", target.Architecture}, {"runtime", target.Runtime},
		{"kubelet", target.Kubelet}, {"cgroupMode", target.CgroupMode},
	}...) {
		if p.text != "" {
			s.AddProperty(p.name, clean(p.text, oneLine))
		}
	}
	var total time.Duration
	for _, result := range r.Results {
		if levelOf(result.Case) == level {
			s.add(r.junitCase(result, "procns."+name))
			total += result.Duration
		}
	}
	s.Time = junitSeconds(total.Seconds())
	return s
}

// junitCase is one result: its class is the area, within that of its target.
func (r Run) junitCase(result suite.Result, target string) junitCase {
	c := junitCase{
		Properties: &[]junit.Property{{Name: "level", Value: string(levelOf(result.Case))}},
		Testcase: junit.Testcase{
			Name:      clean(result.Case.ID, oneLine),
			Classname: clean(target+"."+result.Case.Area(), oneLine),
			Time:      junitSeconds(result.Duration.Seconds()),
		},
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
		said.Message = clean(string(suite.Inconclusive)+before(": ", result.Reason), oneLine)
		c.Failure = said
	case result.Outcome == suite.Conformant, isRecord(result) && result.Outcome == suite.NonConformant:
		text := result.Recorded
		if informational(result) {
			text = result.Outcome.In(suite.Informational) + before(": ", firstOf(text, result.Reason))
		}
		if result.Remark != "" {
			text = strings.TrimPrefix(text+"\n"+result.Remark, "\n")
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
func (r Run) junitTrouble(id int, red bool) *junitSuite {
	v := r.Verdict()
	s := r.emptySuite(id, "procns")
	s.Time = junitSeconds(0)
	if len(r.Pending) > 0 { // shown by every reader, and no failure
		s.add(junitCase{Testcase: junit.Testcase{
			Name: "run/clean-up", Classname: "procns", Time: junitSeconds(0),
			Skipped: &junit.Result{Message: "deleted, and still there: " + clean(strings.Join(r.Pending, "; "), oneLine)},
		}})
	}
	if v.ExitCode == suite.ExitConformant || red && len(r.troubles(v)) == 0 {
		if len(r.Pending) == 0 {
			return nil
		}
		return &s
	}
	s.add(junitCase{Testcase: junit.Testcase{
		Name: "run/complete", Classname: "procns", Time: junitSeconds(0),
		Failure: &junit.Result{
			Message: v.Line, Type: string(v.Outcome),
			Data: "\n" + clean(strings.Join(append([]string{v.Line}, r.remarks(v)...), "\n"), manyLines) + "\n",
		},
	}})
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
		lines = append(lines, wording.Count(v.NotRun, "result is", "results are")+" missing")
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

func (r Run) emptySuite(id int, name string) junitSuite {
	s := junitSuite{Testsuite: junit.Testsuite{ID: id, Name: clean(name, oneLine), Package: "procns"}}
	if !r.Started.IsZero() {
		s.Timestamp = r.Started.UTC().Format("2006-01-02T15:04:05") // the format's own: no zone
	}
	for _, p := range []field{
		{"run", r.ID}, {"suiteVersion", r.Suite.Version}, {"catalogueSHA256", r.Suite.CatalogueSHA256},
		{"serverVersion", r.Cluster.ServerVersion}, {"platform", r.Cluster.Platform}, {"clusterUID", r.Cluster.UID}, {"context", r.Cluster.Context},
		{"provisioned", r.Cluster.Provisioned}, {"require", string(r.Require.Name())}, {"images", strings.Join(r.replacements(), "; ")},
		{"mends", strings.Join(r.HostChanges, "; ")}, {"notes", strings.Join(r.Notes, "; ")},
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
