package compare

import (
	"errors"
	"fmt"
	"slices"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// ReadFile reads a report.json that may come from anywhere, and refuses what cannot
// be compared: another schema, no result at all, results that contradict each
// other. Its error is one line that names the file.
func ReadFile(name string) (report.Document, error) {
	d, err := report.ReadFile(name)
	if err != nil {
		return report.Document{}, err
	}
	if err := check(d); err != nil {
		return report.Document{}, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

var outcomes = []suite.Outcome{
	suite.Conformant, suite.NonConformant, suite.Inconclusive, suite.Skipped, suite.Planned, suite.Exempted,
}

func check(d report.Document) error {
	if require := d.Verdict.Require; require != "" && !slices.Contains(suite.Requirements, require) {
		return fmt.Errorf("the report was judged by -require %s, which this suite does not know: read it with the suite that wrote it, or a newer one", require)
	}
	if len(d.Results) == 0 {
		return errors.New("the report holds no result: nothing ran, and there is nothing to compare with")
	}
	known := map[string]bool{}
	for _, t := range d.Targets {
		if t.Name != t.Target.Name() || t.Name == "" {
			return fmt.Errorf("the report is damaged: it has a target %q on node %q", t.Name, t.Node)
		}
		if known[t.Name] {
			return fmt.Errorf("the report is damaged: it has two targets %q", t.Name)
		}
		known[t.Name] = true
	}
	seen := map[[2]string]bool{}
	for _, r := range d.Results {
		key := [2]string{r.ID, r.Target}
		switch {
		case r.ID == "":
			return errors.New("the report is damaged: it has a result of no case")
		case !known[r.Target]:
			return fmt.Errorf("the report is damaged: %s has a result on %q, which is none of its targets", r.ID, r.Target)
		case seen[key]:
			return fmt.Errorf("the report is damaged: it has two results of %s on %s", r.ID, r.Target)
		case !slices.Contains(outcomes, r.Outcome):
			return fmt.Errorf("%s on %s is %q, which this suite does not know: read the report with the suite that wrote it, or a newer one", r.ID, r.Target, r.Outcome)
		case r.Outcome == suite.Exempted && (r.Exemption == nil || !r.Exemption.Found.Failed()):
			return fmt.Errorf("the report is damaged: %s on %s is exempted, and does not say from what", r.ID, r.Target)
		}
		seen[key] = true
	}
	return nil
}
