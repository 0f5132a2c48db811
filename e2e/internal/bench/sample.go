package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Schema names the format of the raw figures.
const Schema = "procns.bench/v1"

// What is measured.
const (
	// Limit is a client that makes the pods of a run, and does nothing else.
	Limit = "limit"
	// Suite is the suite itself.
	Suite = "suite"
	// ByHand is scripts/by-hand.sh.
	ByHand = "by-hand"
	// Framework is the page's walkthrough with sigs.k8s.io/e2e-framework, in its usual way.
	Framework = "framework"
)

// Subject is one thing that is measured.
type Subject struct {
	What string `json:"what"`
	// Cases says of which cases: AllCases, CoreCases, Walkthrough, or how many of the catalogue.
	Cases   string `json:"cases"`
	Targets int    `json:"targets"`
}

// The cases of a subject that are no number.
const (
	AllCases    = "all"
	CoreCases   = "core"
	Walkthrough = "walkthrough"
)

// String is the subject as a word, for -only and for names of folders.
func (s Subject) String() string { return fmt.Sprintf("%s-%s-%d", s.What, s.Cases, s.Targets) }

// Sample is what one run of a subject took. What could not be measured is nil, or absent.
type Sample struct {
	Subject
	Round    int       `json:"round"`
	Began    time.Time `json:"began"`
	ExitCode int       `json:"exitCode"`
	// Seconds are those from the start of its program to its end.
	Seconds float64 `json:"seconds"`
	// Client is the program with its children.
	Client Process `json:"client"`
	// Pods and Containers are those that were started, by whomever, as a watch of all namespaces saw.
	Pods       int `json:"pods"`
	Containers int `json:"containers"`
	// Requests are those that the API server answered, of all its clients, by verb; execs and
	// attachments are apart.
	Requests map[string]int `json:"requests,omitempty"`
	// Bytes are those that the control plane's node received and sent.
	Bytes *Bytes `json:"bytes,omitempty"`
	// Nodes are the CPU seconds of the nodes' programs, by name, all nodes together.
	Nodes map[string]float64 `json:"nodes,omitempty"`
	// MachineCPU is how long the machine's processors were busy, in seconds.
	MachineCPU *float64 `json:"machineCPU,omitempty"`
	// Own is what the suite says of the run; nil for what is not the suite.
	Own *Own `json:"own,omitempty"`
}

// Process is what a program used.
type Process struct {
	CPUSeconds float64 `json:"cpuSeconds"`
	PeakBytes  int64   `json:"peakBytes"`
}

// Bytes are those of a network interface.
type Bytes struct {
	Received int64 `json:"received"`
	Sent     int64 `json:"sent"`
}

// Own is what the suite counted itself.
type Own struct {
	Pods         int     `json:"pods"`
	Execs        int     `json:"execs"`
	Requests     int     `json:"requests"`
	CasesSeconds float64 `json:"casesSeconds"`
	Verdict      string  `json:"verdict"`
}

// Raw is all that was measured.
type Raw struct {
	Schema  string   `json:"schema"`
	Machine Machine  `json:"machine"`
	Samples []Sample `json:"samples"`
}

// Machine is where it was measured, and with which versions.
type Machine struct {
	Processor  string `json:"processor"`
	Processors int    `json:"processors"`
	MemoryGB   int    `json:"memoryGB"`
	System     string `json:"system"`
	Kernel     string `json:"kernel"`
	Engine     string `json:"engine"`
	Kubernetes string `json:"kubernetes"`
	Runtime    string `json:"runtime"`
	Suite      string `json:"suite"`
	Go         string `json:"go"`
}

// ReadRaw reads a file of raw figures. Its error names the file.
func ReadRaw(file string) (Raw, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Raw{}, err
	}
	var raw Raw
	if err := json.Unmarshal(text, &raw); err != nil {
		return Raw{}, fmt.Errorf("%s: not raw figures: %w", file, err)
	}
	if raw.Schema != Schema {
		return Raw{}, fmt.Errorf("%s: the schema is %q, not %q", file, raw.Schema, Schema)
	}
	return raw, nil
}

// Write writes the raw figures: the file has either the old ones or the new ones.
func (r Raw) Write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	part := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".part")
	if err := os.WriteFile(part, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(part, file)
}

// Has tells whether a subject came to a proper end in a round.
func (r Raw) Has(s Subject, round int) bool {
	return slices.ContainsFunc(r.Of(s), func(one Sample) bool { return one.Round == round })
}

// Of are the samples of a subject that came to a proper end.
func (r Raw) Of(s Subject) []Sample {
	var all []Sample
	for _, one := range r.Samples {
		if one.Subject == s && one.ExitCode == 0 {
			all = append(all, one)
		}
	}
	return all
}

// Rounds is how many rounds were begun.
func (r Raw) Rounds() int {
	most := 0
	for _, one := range r.Samples {
		most = max(most, one.Round)
	}
	return most
}

// Spread is a median with the smallest and the largest value.
type Spread struct {
	Median, Min, Max float64
	// N is how many values there are; with none, the others are 0.
	N int
}

// SpreadOf is the spread of values. The median of an even number is the mean of the two in the middle.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return Spread{Median: median, Min: sorted[0], Max: sorted[len(sorted)-1], N: len(sorted)}
}
