package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"

	"procns/e2e/internal/suite"
)

// Document is report.json. docs/report.schema.json describes it for others.
type Document struct {
	Schema  string  `json:"schema"`
	Verdict Verdict `json:"verdict"`
	Run
	Targets []Target  `json:"targets"`
	Stats   StatsJSON `json:"stats"`
	Results []Result  `json:"results"`
	// Changes is what changed since an earlier report, as package compare writes it.
	Changes json.RawMessage `json:"comparison,omitempty"`
}

// Target is a target with its name, by which results refer to it.
type Target struct {
	Name string `json:"name"`
	suite.Target
}

// StatsJSON is what the run took, with the average that is computed from it.
type StatsJSON struct {
	Stats
	RequestsPerCaseAndTarget float64 `json:"requestsPerCaseAndTarget"`
}

// Result is one case's outcome on one target, as data.
type Result struct {
	ID       string        `json:"id"`
	Level    suite.Level   `json:"level"`
	Claim    string        `json:"claim"`
	Source   string        `json:"source"`
	Fixture  string        `json:"fixture,omitempty"`
	Control  string        `json:"control,omitempty"`
	Target   string        `json:"target"`
	Outcome  suite.Outcome `json:"outcome"`
	Reason   string        `json:"reason,omitempty"`
	Expected string        `json:"expected,omitempty"`
	Observed string        `json:"observed,omitempty"`
	Recorded string        `json:"recorded,omitempty"`
	// Remark is what a reader must know besides of a conformant result.
	Remark string `json:"remark,omitempty"`
	// Evidence is a folder below the report's own.
	Evidence string `json:"evidence,omitempty"`
	// Exemption is set where the outcome is "exempted".
	Exemption       *suite.Exemption `json:"exemption,omitempty"`
	Images          []string         `json:"images,omitempty"`
	DurationSeconds float64          `json:"durationSeconds"`
}

// Document collects the run as report.json holds it. Lists are never null.
func (r Run) Document() Document {
	d := Document{
		Schema: Schema, Verdict: r.Verdict(), Run: r,
		Targets: []Target{}, Results: []Result{},
		Stats: StatsJSON{r.Stats, milli(r.requestsPerCaseAndTarget())},
	}
	d.Run.LeftOut = orEmpty(r.LeftOut)
	d.Run.Mends = orEmpty(r.Mends)
	d.Run.Leftovers = orEmpty(r.Leftovers)
	if d.Run.Images == nil {
		d.Run.Images = map[string]string{}
	}
	d.Stats.WallSeconds = milli(r.Stats.WallSeconds)
	d.Stats.CatalogueSeconds = milli(r.Stats.CatalogueSeconds)
	d.Stats.ReadySeconds = map[string]float64{}
	for target, seconds := range r.Stats.ReadySeconds {
		d.Stats.ReadySeconds[target] = milli(seconds)
	}
	for _, t := range r.targets() {
		d.Targets = append(d.Targets, Target{t.Name(), t})
	}
	for _, result := range r.Results {
		c := result.Case
		d.Results = append(d.Results, Result{
			ID: c.ID, Level: c.Level, Claim: c.Claim, Source: c.Source, Fixture: c.Fixture, Control: c.Control,
			Target: result.Target.Name(), Outcome: result.Outcome, Reason: result.Reason,
			Expected: result.Expected, Observed: result.Observed, Recorded: result.Recorded, Remark: result.Remark,
			Evidence: result.Folder, Exemption: result.Exemption, Images: result.Images, DurationSeconds: milli(result.Duration.Seconds()),
		})
	}
	return d
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// milli rounds to thousandths: more digits would pretend to mean something.
func milli(x float64) float64 { return math.Round(x*1000) / 1000 }

// WriteJSON writes report.json.
func WriteJSON(w io.Writer, run Run) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	d := run.Document()
	if run.Comparison != nil {
		changes, err := json.Marshal(run.Comparison)
		if err != nil {
			return err
		}
		d.Changes = changes
	}
	return encoder.Encode(d)
}

// ReadJSON reads an earlier report.json, to compare with.
func ReadJSON(from io.Reader) (Document, error) {
	var d Document
	if err := json.NewDecoder(from).Decode(&d); err != nil {
		return Document{}, fmt.Errorf("not a report: %w", err)
	}
	if d.Schema != Schema {
		return Document{}, fmt.Errorf("the report's schema is %q, this suite reads %q", d.Schema, Schema)
	}
	return d, nil
}
