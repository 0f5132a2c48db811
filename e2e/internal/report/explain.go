package report

import (
	"fmt"
	"io"
	"path"
	"sort"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"procns/e2e/internal/suite"
)

// field is one labelled statement of an explanation.
type field struct{ name, text string }

// ofCase says what was claimed and how it was tried: the same on every target.
func ofCase(c suite.Case) []field {
	control := c.Control
	switch {
	case c.Control != "":
		control += " (differs in " + c.Property() + ")"
	case c.NoControl != "":
		control = "none: " + c.NoControl
	}
	return filled([]field{
		{"claim", fmt.Sprintf("%s [%s]", c.Claim, c.Level)},
		{"source", c.Source},
		{"fixture", c.Fixture},
		{"control", control},
	})
}

// ofResult says what was found on one target, and how to find it again.
func (r Run) ofResult(result suite.Result) []field {
	reason := result.Reason
	if reason == fmt.Sprintf("expected %s; observed %s", result.Expected, result.Observed) {
		reason = "" // said by the two fields below
	}
	fields := []field{
		{"outcome", result.Outcome.In(result.Case.Level) + r.notDeciding(result)},
		{"exempted", exemption(result)},
		{"target", describe(result.Target)},
		{"cluster", r.clusterLine()},
		{"reason", reason},
		{"expected", result.Expected},
		{"observed", result.Observed},
		{"seen", result.Evidence},
		{"images", strings.Join(result.Images, ", ")},
	}
	if result.Outcome != suite.Skipped {
		fields = append(fields, field{"rerun", r.rerun(result)}, field{"by hand", r.byHand(result)})
	}
	if result.Folder != "" {
		fields = append(fields, field{"evidence", path.Join(r.Folder, result.Folder)})
	}
	return filled(fields)
}

func filled(fields []field) []field {
	var kept []field
	for _, f := range fields {
		if f.text != "" {
			kept = append(kept, f)
		}
	}
	return kept
}

// describe is a target in one line.
func describe(t suite.Target) string {
	var parts []string
	for _, part := range []struct{ before, text string }{
		{"node ", t.Node}, {"runtime class ", t.RuntimeClass}, {"", t.OSImage},
		{"kernel ", strings.TrimSpace(t.Kernel + " " + t.Architecture)},
		{"", t.Runtime}, {"kubelet ", t.Kubelet}, {"cgroup ", t.CgroupMode},
	} {
		if part.text != "" {
			parts = append(parts, part.before+part.text)
		}
	}
	return strings.Join(parts, " · ")
}

func (r Run) clusterLine() string {
	c := r.Cluster
	var parts []string
	if c.ServerVersion != "" {
		parts = append(parts, "Kubernetes "+c.ServerVersion)
	}
	for _, part := range []string{c.Platform, c.Provisioned} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if c.Context != "" {
		parts = append(parts, "context "+c.Context)
	}
	return strings.Join(parts, " · ")
}

func (r Run) rerun(result suite.Result) string {
	if r.Rerun != nil {
		return r.Rerun(result)
	}
	return "procns.test" + r.contextFlag("-context") + " -run " + shellescape.Quote(result.Case.ID)
}

func (r Run) byHand(result suite.Result) string {
	if r.ByHand != nil {
		return r.ByHand(result)
	}
	if result.Case.Fixture == "" {
		return ""
	}
	return "kubectl" + r.contextFlag("--context") + " apply -f " + shellescape.Quote("fixtures/"+result.Case.Fixture)
}

func (r Run) contextFlag(flag string) string {
	if r.Cluster.Context == "" {
		return ""
	}
	return " " + flag + " " + shellescape.Quote(r.Cluster.Context)
}

// writeFields prints labelled statements below each other. A text of several
// lines stands as a block under its label.
func writeFields(w io.Writer, indent string, fields []field) {
	const labels = 9 // as wide as "evidence" and a space
	for _, f := range fields {
		text := strings.TrimRight(clean(f.text, manyLines), "\n")
		if !strings.Contains(text, "\n") {
			fmt.Fprintf(w, "%s%s%s\n", indent, pad(f.name, labels), text)
			continue
		}
		fmt.Fprintf(w, "%s%s\n", indent, f.name)
		for line := range strings.SplitSeq(text, "\n") {
			fmt.Fprintln(w, strings.TrimRight(indent+"  "+line, " "))
		}
	}
}

// replacements lists which image was used in place of which, in a fixed order.
func (r Run) replacements() []string {
	var lines []string
	for documented, used := range r.Images {
		if documented != used {
			lines = append(lines, documented+" → "+used)
		}
	}
	sort.Strings(lines)
	if r.ImagePullPolicy != "" {
		lines = append(lines, "imagePullPolicy was set to "+r.ImagePullPolicy)
	}
	return lines
}

// explained are the results that a reader is owed an explanation of: whatever
// is neither conformant nor planned nor an informational record.
func (r Run) explained() []suite.Result {
	var results []suite.Result
	for _, result := range r.Results {
		if result.Outcome != suite.Conformant && result.Outcome != suite.Planned && !isRecord(result) {
			results = append(results, result)
		}
	}
	return results
}

// notDeciding says of a result that did not pass that it does not change the exit code.
func (r Run) notDeciding(result suite.Result) string {
	if !result.Outcome.Failed() || informational(result) || r.Require.Decides(levelOf(result.Case)) {
		return ""
	}
	return fmt.Sprintf(" (%s does not decide the exit code: -require %s)", result.Case.Level, r.Require.Name())
}

// exemption says why a result does not count, and what it is.
func exemption(result suite.Result) string {
	e := result.Exemption
	if e == nil {
		return ""
	}
	return fmt.Sprintf("%s (%s); found %s", e.Reason, e.Link, e.Found)
}

// recordOf is what an informational case has to tell of the targets on which it
// found the same.
type recordOf struct {
	result  suite.Result // of the first of them
	targets []string
	how     string
}

// informational are the records that runtimes may differ in: what was found the
// same on several targets is told once.
func (r Run) informational() []recordOf {
	var records []recordOf
	places := map[[3]string]int{}
	for _, result := range r.Results {
		if !isRecord(result) {
			continue
		}
		how := result.Outcome.In(suite.Informational)
		same := [3]string{result.Case.ID, how, record(result)}
		if i, known := places[same]; known {
			records[i].targets = append(records[i].targets, result.Target.Name())
			continue
		}
		places[same] = len(records)
		records = append(records, recordOf{result, []string{result.Target.Name()}, how})
	}
	return records
}

// fewRecords are the records that people are told of: of a case, MostTargets at most.
func fewRecords(all []recordOf) (some []recordOf, more int) {
	told := map[string]int{}
	for _, r := range all {
		if told[r.result.Case.ID]++; told[r.result.Case.ID] > MostTargets {
			more++
			continue
		}
		some = append(some, r)
	}
	return some, more
}

// heading says what was recorded where.
func (r recordOf) heading() string {
	return clean(r.result.Case.ID, oneLine) + " on " + clean(fewNames(r.targets), oneLine) + ": " + r.how
}

// fields are the claim and the record, unless that says no more than the heading.
func (r recordOf) fields() []field {
	text := record(r.result)
	if text == r.how {
		return nil
	}
	return []field{{"claim", r.result.Case.Claim}, {"record", text}}
}

// record is what an informational case has to tell.
func record(result suite.Result) string {
	if result.Outcome != suite.Conformant {
		return result.Reason
	}
	if result.Recorded != "" {
		return result.Recorded
	}
	return "as described"
}
