package runtimes

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
)

// Found is what of a run's report the page is written from.
type Found struct {
	Made     []string `json:"made"` // Kubernetes' version, the node's kernel and so on
	Runtimes []string `json:"runtimes"`
	// Versions are what the runtimes say of themselves, by their names.
	Versions map[string]string `json:"versions,omitempty"`
	Cases    []Case            `json:"cases"` // in the catalogue's order
}

// Case is one case with its outcome on each runtime, and the reason of what is not conformant.
type Case struct {
	ID       string                   `json:"id"`
	Level    suite.Level              `json:"level"`
	Outcomes map[string]suite.Outcome `json:"outcomes"`
	Reasons  map[string]string        `json:"reasons,omitempty"`
}

// Collect takes from a report what the page needs. It is an error if a runtime was judged on several
// nodes: the page has one column for it.
func Collect(d report.Document) (Found, error) {
	f := Found{Made: []string{}, Runtimes: []string{}, Cases: []Case{}}
	runtime := map[string]string{} // by the target's name
	for _, t := range d.Targets {
		name := t.RuntimeClass
		if name == "" {
			name = targets.Default
		}
		if slices.Contains(f.Runtimes, name) {
			return Found{}, fmt.Errorf("%s was judged on several nodes: -nodes sample takes one", name)
		}
		runtime[t.Name] = name
		f.Runtimes = append(f.Runtimes, name)
		for _, about := range []string{"kubelet " + t.Kubelet, t.Runtime, t.OSImage, "kernel " + t.Kernel + " " + t.Architecture, "control groups " + t.CgroupMode} {
			if !slices.Contains(f.Made, about) {
				f.Made = append(f.Made, about)
			}
		}
	}
	if len(f.Runtimes) == 0 || len(d.Results) == 0 {
		return Found{}, fmt.Errorf("the report has no results: %s", d.Problem)
	}
	// The report has them by target, or by case.
	at := map[string]int{}
	for _, r := range d.Results {
		i, ok := at[r.ID]
		if !ok {
			i = len(f.Cases)
			at[r.ID] = i
			f.Cases = append(f.Cases, Case{ID: r.ID, Level: r.Level, Outcomes: map[string]suite.Outcome{}})
		}
		c := &f.Cases[i]
		name := runtime[r.Target]
		c.Outcomes[name] = r.Outcome
		if r.Outcome != suite.Conformant {
			if c.Reasons == nil {
				c.Reasons = map[string]string{}
			}
			c.Reasons[name] = r.Reason
		}
	}
	return f, nil
}

// everywhere tells whether a case was skipped on every runtime, which is no matter of the runtimes.
func (c Case) everywhere(runtimes []string) bool {
	return !slices.ContainsFunc(runtimes, func(name string) bool { return c.Outcomes[name] != suite.Skipped })
}

// Write keeps what was found in a file.
func (f Found) Write(name string) error {
	text, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}

// Read reads such a file.
func Read(name string) (Found, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return Found{}, err
	}
	var f Found
	if err := json.Unmarshal(text, &f); err != nil {
		return Found{}, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}
