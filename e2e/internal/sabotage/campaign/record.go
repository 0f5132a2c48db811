package campaign

import (
	"os"
	"path/filepath"

	"procns/e2e/internal/archive"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

// Recording is the name of the file that holds what was observed of a case's fixture, or
// of its neighbour, under a mutant, below the folder of the recordings.
func Recording(mutant, stage string) string { return filepath.Join(mutant, stage+".json.gz") }

// Record keeps the observations by which cases were found non-conformant in a run under a
// mutant, so that their judges can be asked again without a cluster.
func Record(into, mutant, run string, d report.Document, cases []suite.Case) error {
	byID := map[string]suite.Case{}
	for _, c := range cases {
		byID[c.ID] = c
	}
	for _, r := range d.Results {
		c, known := byID[r.ID]
		if r.Outcome != suite.NonConformant || !known {
			continue
		}
		own := filepath.Join(run, r.Evidence)
		// Witnesses' folders have names of their own; the name of the stage is the case's.
		seen := map[string]string{suite.StageName(c.Fixture, c.Act, c.Submit): own}
		if c.Neighbour != "" {
			stage := suite.StageName(c.Neighbour, nil, suite.Runs)
			seen[stage] = filepath.Join(filepath.Dir(own), stage)
		}
		for stage, folder := range seen {
			if err := compress(filepath.Join(folder, "observation.json"), filepath.Join(into, Recording(mutant, stage))); err != nil {
				return err
			}
		}
	}
	return nil
}

// ForgetRecordings removes what an earlier run recorded under a mutant.
func ForgetRecordings(into, mutant string) error { return os.RemoveAll(filepath.Join(into, mutant)) }

// compress writes the same bytes for the same content.
func compress(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, archive.Gzip(content), 0o644)
}
