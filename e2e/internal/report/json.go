package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"

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
	// Observed is what was seen in the pods of some results: see Wanted.
	Observed []Observed `json:"observations,omitempty"`
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
	ID      string      `json:"id"`
	Level   suite.Level `json:"level"`
	Claim   string      `json:"claim"`
	Source  string      `json:"source"`
	Fixture string      `json:"fixture,omitempty"`
	Control string      `json:"control,omitempty"`
	// Differs is the property that the control changes, and NoControl why there is none.
	Differs   string        `json:"differs,omitempty"`
	NoControl string        `json:"noControl,omitempty"`
	Target    string        `json:"target"`
	Outcome   suite.Outcome `json:"outcome"`
	Reason    string        `json:"reason,omitempty"`
	Expected  string        `json:"expected,omitempty"`
	Observed  string        `json:"observed,omitempty"`
	// Seen is what a finding was made of, of the first results of each case.
	Seen     string `json:"seen,omitempty"`
	Recorded string `json:"recorded,omitempty"`
	// Remark is what a reader must know besides of a conformant result.
	Remark string `json:"remark,omitempty"`
	// Evidence is a folder below the report's own, and ControlEvidence that of the control.
	Evidence        string `json:"evidence,omitempty"`
	ControlEvidence string `json:"controlEvidence,omitempty"`
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
	d.Run.HostChanges = orEmpty(r.HostChanges)
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
	shown := map[string]int{} // how many results of a case have said what was seen
	for _, result := range r.Results {
		c := result.Case
		one := Result{
			ID: c.ID, Level: c.Level, Claim: c.Claim, Source: c.Source, Fixture: c.Fixture, Control: c.Control, NoControl: c.NoControl,
			Target: result.Target.Name(), Outcome: result.Outcome, Reason: result.Reason,
			Expected: result.Expected, Observed: result.Observed, Recorded: result.Recorded, Remark: result.Remark,
			Evidence: result.Folder, ControlEvidence: result.ControlFolder,
			Exemption: result.Exemption, Images: result.Images, DurationSeconds: milli(result.Duration.Seconds()),
		}
		if c.Control != "" {
			one.Differs = c.Property()
		}
		if result.Evidence != "" && shown[c.ID] < mostSeen {
			shown[c.ID]++
			one.Seen = shortened(result.Evidence, longestSeen)
		}
		d.Results = append(d.Results, one)
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

// Complete is the run as report.json holds it, with what changed since an earlier one.
func (r Run) Complete() (Document, error) {
	d := r.Document()
	d.Observed = r.Observed
	if r.Comparison != nil {
		changes, err := json.Marshal(r.Comparison)
		if err != nil {
			return d, err
		}
		d.Changes = changes
	}
	return d, nil
}

// WriteJSON writes report.json.
func WriteJSON(w io.Writer, run Run) error {
	d, err := run.Complete()
	if err != nil {
		return err
	}
	return d.Write(w)
}

// Write writes the document as report.json. Of what was seen, a line holds one pod: with a line for
// each number it would be three times as long.
func (d Document) Write(w io.Writer) error {
	observed := d.Observed
	d.Observed = nil
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(d); err != nil {
		return err
	}
	if len(observed) > 0 {
		text.Truncate(text.Len() - len("\n}\n"))
		text.WriteString(",\n  \"observations\": [")
		encoder.SetIndent("", "")
		for i, one := range observed {
			if i > 0 {
				text.WriteByte(',')
			}
			text.WriteString("\n    ")
			if err := encoder.Encode(one); err != nil {
				return err
			}
			text.Truncate(text.Len() - len("\n"))
		}
		text.WriteString("\n  ]\n}\n")
	}
	_, err := text.WriteTo(w)
	return err
}

// ReadFile reads the report.json of that name. The error names the file.
func ReadFile(name string) (Document, error) {
	file, err := os.Open(name)
	if err != nil {
		return Document{}, err
	}
	defer func() { _ = file.Close() }()
	d, err := ReadJSON(file)
	if err != nil {
		return Document{}, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
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
