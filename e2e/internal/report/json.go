package report

import (
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
	// Kinds are the counts by kind of node, where there are more than MostTargets.
	Kinds []KindCounts `json:"kinds,omitempty"`
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
		one := ResultOf(result)
		if result.Evidence != "" && shown[one.ID] < mostSeen {
			shown[one.ID]++
			one.Seen = shortened(result.Evidence, longestSeen)
		}
		d.Results = append(d.Results, one)
	}
	if r.many() {
		d.Kinds = r.kindCounts()
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
// each number it would be three times as long. With more than MostTargets it is compact.
func (d Document) Write(w io.Writer) error {
	if len(d.Targets) > MostTargets {
		return d.writeCompact(w)
	}
	observed := d.Observed
	d.Observed = nil
	text, err := newLines(d)
	if err != nil {
		return err
	}
	if err := appendLines(text, "observations", observed, false); err != nil {
		return err
	}
	return text.end(w)
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

// ReadJSON reads an earlier report.json, to compare with. What a compact one says of many
// targets together is there for each of them.
func ReadJSON(from io.Reader) (Document, error) {
	var read struct {
		Document
		Alike []Alike `json:"alike"`
	}
	if err := json.NewDecoder(from).Decode(&read); err != nil {
		return Document{}, fmt.Errorf("not a report: %w", err)
	}
	d := read.Document
	if d.Schema != Schema {
		return Document{}, fmt.Errorf("the report's schema is %q, this suite reads %q", d.Schema, Schema)
	}
	if err := d.expand(read.Alike); err != nil {
		return Document{}, fmt.Errorf("not a report: %w", err)
	}
	return d, nil
}
