package runtimes

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
)

// Found is what of a run's report the page is written from.
type Found struct {
	// Part says that only some cases or runtimes were run.
	Part     bool     `json:"part,omitempty"`
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
	Reasons  map[string]string        `json:"reasons"`
}

// Collect takes from reports what the page needs. A result of a later one replaces that of an earlier
// one. It is an error if a runtime was judged on several nodes: the page has one column for it.
func Collect(reports ...report.Document) (Found, error) {
	f := Found{Made: []string{}, Runtimes: []string{}, Cases: []Case{}}
	for _, d := range reports {
		if len(d.Targets) == 0 || len(d.Results) == 0 {
			return Found{}, fmt.Errorf("the report has no results: %s", d.Problem)
		}
		if err := f.add(d); err != nil {
			return Found{}, err
		}
	}
	return f, nil
}

func (f *Found) add(d report.Document) error {
	runtime := map[string]string{} // by the target's name
	for _, t := range d.Targets {
		name := t.RuntimeClass
		if name == "" {
			name = targets.Default
		}
		if slices.Contains(slices.Collect(maps.Values(runtime)), name) {
			return fmt.Errorf("%s was judged on several nodes: -nodes sample takes one", name)
		}
		runtime[t.Name] = name
		f.Runtimes = with(f.Runtimes, name)
		f.Made = with(f.Made, "kubelet "+t.Kubelet, t.Runtime, t.OSImage, "kernel "+t.Kernel+" "+t.Architecture, "control groups "+t.CgroupMode)
	}
	for _, r := range d.Results {
		i := slices.IndexFunc(f.Cases, func(c Case) bool { return c.ID == r.ID })
		if i < 0 {
			i = len(f.Cases)
			f.Cases = append(f.Cases, Case{ID: r.ID, Level: r.Level, Outcomes: map[string]suite.Outcome{}, Reasons: map[string]string{}})
		}
		name := runtime[r.Target]
		f.Cases[i].Outcomes[name] = r.Outcome
		delete(f.Cases[i].Reasons, name)
		if r.Outcome != suite.Conformant {
			f.Cases[i].Reasons[name] = r.Reason
		}
	}
	return nil
}

// with is a list with what it does not have yet.
func with(list []string, all ...string) []string {
	for _, one := range all {
		if !slices.Contains(list, one) {
			list = append(list, one)
		}
	}
	return list
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
