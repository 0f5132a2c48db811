package report

import (
	"io"

	"sigs.k8s.io/yaml"

	"procns/e2e/internal/suite"
)

// The statuses of Sonobuoy's results. It knows the first three; one that it does not
// know it counts under its own name, and lets nothing that holds it pass.
const (
	SonobuoyPassed       = "passed"
	SonobuoyFailed       = "failed"
	SonobuoySkipped      = "skipped"
	SonobuoyInconclusive = "inconclusive"
)

// SonobuoyItem is one entry of Sonobuoy's results, in the form that its plugins call
// "manual": a tree, of which the leaves count.
type SonobuoyItem struct {
	Name    string            `json:"name"`
	Status  string            `json:"status"`
	Meta    map[string]string `json:"meta,omitempty"`
	Details map[string]string `json:"details,omitempty"`
	Items   []SonobuoyItem    `json:"items,omitempty"`
}

// WriteSonobuoy writes the results as Sonobuoy reads them: by target, and in it by
// case. A leaf's name holds the target as well, because Sonobuoy's own summary lists
// nothing else of what failed.
//
// What does not decide the exit code is skipped, as in JUnit. What only the run as a whole
// can get wrong has an entry of its own: where nothing failed, Sonobuoy says passed, were
// there nothing but skipped entries.
func WriteSonobuoy(w io.Writer, run Run) error {
	text, err := yaml.Marshal(run.sonobuoy())
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

func (r Run) sonobuoy() SonobuoyItem {
	root := SonobuoyItem{Name: "procns", Meta: filledMap([]field{
		{"run", r.ID}, {"suiteVersion", r.Suite.Version}, {"catalogueSHA256", r.Suite.CatalogueSHA256},
		{"serverVersion", r.Cluster.ServerVersion}, {"require", string(r.Require.Name())},
	})}
	red := false
	parts := r.perTarget()
	if r.many() {
		parts, root.Items = nil, r.sonobuoyByKind()
		status := worst(root.Items)
		red = status == SonobuoyFailed || status == SonobuoyInconclusive && len(root.Items) > 0
	}
	for _, here := range parts {
		if len(here.Results) == 0 {
			continue
		}
		target := here.Targets[0]
		item := SonobuoyItem{Name: clean(target.Name(), oneLine), Meta: filledMap([]field{{"target", describe(target)}})}
		for _, result := range here.Results {
			leaf := r.sonobuoyLeaf(result)
			red = red || leaf.Status == SonobuoyFailed || leaf.Status == SonobuoyInconclusive
			item.Items = append(item.Items, leaf)
		}
		item.Status = worst(item.Items)
		root.Items = append(root.Items, item)
	}
	v := r.Verdict()
	root.Details = filledMap([]field{{"verdict", v.Line}})
	// As in JUnit: said where nothing else says that this is no pass.
	if v.ExitCode != suite.ExitConformant && (!red || len(r.troubles(v)) > 0) {
		status := SonobuoyFailed
		if v.Outcome == suite.Inconclusive { // where the set-up failed, too
			status = SonobuoyInconclusive
		}
		details := []field{{"failure", v.Line}}
		for _, line := range r.remarks(v) {
			details = append(details, field{"output", line})
		}
		root.Items = append(root.Items, SonobuoyItem{Name: "run/complete", Status: status, Details: filledMap(details)})
	}
	root.Status = worst(root.Items)
	return root
}

// sonobuoyLeaf is one result.
func (r Run) sonobuoyLeaf(result suite.Result) SonobuoyItem {
	leaf := SonobuoyItem{
		Name: clean(result.Case.ID+" on "+result.Target.Name(), oneLine),
		Meta: map[string]string{"level": string(levelOf(result.Case))},
	}
	nonConformant, inconclusive := r.counts(result)
	switch {
	case nonConformant:
		leaf.Status = SonobuoyFailed
	case inconclusive:
		leaf.Status = SonobuoyInconclusive
	case result.Outcome == suite.Conformant, isRecord(result) && result.Outcome == suite.NonConformant:
		leaf.Status = SonobuoyPassed
		leaf.Details = filledMap([]field{{"recorded", result.Recorded}, {"remark", result.Remark}})
		if informational(result) {
			leaf.Details = filledMap([]field{
				{"outcome", result.Outcome.In(suite.Informational)}, {"recorded", firstOf(result.Recorded, result.Reason)}, {"remark", result.Remark},
			})
		}
		return leaf
	default: // skipped, exempted, only planned, or of a level that does not decide
		leaf.Status = SonobuoySkipped
	}
	fields := append(ofCase(result.Case), r.ofResult(result)...)
	if leaf.Status != SonobuoySkipped { // where Sonobuoy's own tools look for it
		fields = append(fields, field{"failure", firstOf(result.Reason, string(result.Outcome))})
	}
	leaf.Details = filledMap(fields)
	return leaf
}

// worst is the status of a branch. Sonobuoy computes its own.
func worst(items []SonobuoyItem) string {
	for _, status := range []string{SonobuoyFailed, SonobuoyInconclusive, SonobuoyPassed, SonobuoySkipped} {
		for _, item := range items {
			if item.Status == status {
				return status
			}
		}
	}
	return SonobuoyInconclusive
}

// filledMap are the fields that say something; of those of one name, all.
func filledMap(fields []field) map[string]string {
	all := map[string]string{}
	for _, f := range filled(fields) {
		text := clean(f.text, manyLines)
		if was := all[f.name]; was != "" {
			text = was + "\n" + text
		}
		all[f.name] = text
	}
	if len(all) == 0 {
		return nil
	}
	return all
}
