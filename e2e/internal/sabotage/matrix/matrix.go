package matrix

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"procns/e2e/internal/report"
	"procns/e2e/internal/sabotage/mutants"
	"procns/e2e/internal/suite"
)

// Cell is what became of one case under one mutant.
type Cell string

const (
	// Killed: the case is non-conformant, as it should be where it is concerned.
	Killed Cell = "killed"
	// Survived: the case is conformant although something is broken.
	Survived Cell = "survived"
	// Inconclusive: the suite could not tell.
	Inconclusive Cell = "inconclusive"
	// Skipped: the case did not apply.
	Skipped Cell = "skipped"
)

var cells = map[suite.Outcome]Cell{
	suite.NonConformant: Killed, suite.Conformant: Survived, suite.Inconclusive: Inconclusive, suite.Skipped: Skipped,
}

// Matrix is what was found, by the mutants' names and the cases' IDs. It is kept beside
// the recorded observations.
type Matrix struct {
	// On is what the cluster was made of.
	On      map[string]string          `json:"on"`
	Mutants map[string]map[string]Cell `json:"mutants"`
	// Reasons are why a case ended as it did, where that is not conformant. They are told
	// where something is not as expected, and are not kept.
	Reasons map[string]map[string]string `json:"-"`
}

// New is an empty matrix.
func New() Matrix {
	return Matrix{On: map[string]string{}, Mutants: map[string]map[string]Cell{}, Reasons: map[string]map[string]string{}}
}

// Add adds a report of a run under a mutant. Of two results of one case, the later counts.
func (m Matrix) Add(mutant string, d report.Document) {
	if m.Mutants[mutant] == nil {
		m.Mutants[mutant], m.Reasons[mutant] = map[string]Cell{}, map[string]string{}
	}
	for _, r := range d.Results {
		if cell := cells[r.Outcome]; cell != "" {
			m.Mutants[mutant][r.ID], m.Reasons[mutant][r.ID] = cell, r.Reason
		}
	}
	m.On["Kubernetes"] = cmp.Or(d.Cluster.ServerVersion, m.On["Kubernetes"])
	for _, t := range d.Targets {
		m.On["runtime"], m.On["kernel"], m.On["control groups"] = t.Runtime, t.Kernel+" "+t.Architecture, t.CgroupMode
	}
}

// Read reads a matrix that was kept; without one, it is empty.
func Read(file string) (Matrix, error) {
	m := New()
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%s is no matrix: %w", file, err)
	}
	return m, nil
}

// Write keeps a matrix.
func (m Matrix) Write(file string) error {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// Of returns the IDs of the cases that ended in one way under a mutant, in order.
func (m Matrix) Of(mutant string, cell Cell) []string {
	var ids []string
	for id, c := range m.Mutants[mutant] {
		if c == cell {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// judged is Of without the Informational cases, which judge nobody.
func (m Matrix) judged(c Catalogue, mutant string, cell Cell) []string {
	return slices.DeleteFunc(m.Of(mutant, cell), c.informational)
}

// of returns the mutants under which a case ended in one way, in the order of their list.
func (m Matrix) of(id string, cell Cell) []string {
	var names []string
	for _, mutant := range mutants.All() {
		if m.Mutants[mutant.Name][id] == cell {
			names = append(names, mutant.Name)
		}
	}
	return names
}

// Defect is one thing that is not as it must be.
type Defect struct {
	Mutant, Case string // either may be empty
	What         string
}

func (d Defect) String() string {
	switch {
	case d.Mutant == "":
		return d.Case + ": " + d.What
	case d.Case == "":
		return d.Mutant + ": " + d.What
	}
	return d.Mutant + ", " + d.Case + ": " + d.What
}

// Check says what is not as it must be under the mutants that were tried. Whether every
// case can fail is asked only where all were.
func (m Matrix) Check(c Catalogue, all []mutants.Mutant) ([]Defect, error) {
	var defects []Defect
	tried := 0
	for _, mutant := range all {
		if m.Mutants[mutant.Name] == nil {
			continue
		}
		tried++
		some, err := m.checkOne(c, mutant)
		if err != nil {
			return nil, fmt.Errorf("the mutant %s: %w", mutant.Name, err)
		}
		defects = append(defects, some...)
	}
	if tried < len(all) {
		return defects, nil
	}
	for _, one := range c.Cases {
		if one.Level != suite.Informational && len(m.of(one.ID, Killed)) == 0 && !m.inapplicable(one.ID) {
			defects = append(defects, Defect{Case: one.ID, What: "no mutant is killed by it: nothing shows that it can fail"})
		}
	}
	return defects, nil
}

// inapplicable tells whether the cluster lacks what a case is about, so that it was skipped under
// every mutant: whether it can fail, another cluster has to show.
func (m Matrix) inapplicable(id string) bool {
	skipped := false
	for _, cells := range m.Mutants {
		switch cells[id] {
		case "": // not run under this one
		case Skipped:
			skipped = true
		default:
			return false
		}
	}
	return skipped
}

func (m Matrix) checkOne(c Catalogue, mutant mutants.Mutant) ([]Defect, error) {
	falls, errFalls := c.Expand(mutant.Falls)
	chance, errChance := c.Expand(mutant.Chance)
	notices, errNotices := c.Expand(mutant.Notices)
	blurs, errBlurs := c.Expand(mutant.Blurs)
	if err := errors.Join(errFalls, errChance, errNotices, errBlurs); err != nil {
		return nil, err
	}
	var defects []Defect
	note := func(id, what string) { defects = append(defects, Defect{mutant.Name, id, what}) }
	because := func(id string) string {
		if reason := m.Reasons[mutant.Name][id]; reason != "" {
			return ": " + reason
		}
		return ""
	}
	for _, id := range slices.Sorted(maps.Keys(m.Mutants[mutant.Name])) {
		_, falling := falls[id]
		_, racing := chance[id]
		_, noticing := notices[id]
		_, blurred := blurs[id]
		if c.informational(id) {
			continue // they record where runtimes may differ, and judge nobody
		}
		switch cell := m.Mutants[mutant.Name][id]; {
		case falling && cell == Survived:
			note(id, "it survived: the case is conformant although it must notice; mend the case")
		case falling && cell == Inconclusive:
			note(id, "it must be non-conformant, and is inconclusive"+because(id))
		case noticing && cell == Survived:
			note(id, "it is conformant, although what it turns on was changed or refused by another than the one that it judges")
		case noticing && cell == Killed:
			note(id, "it is non-conformant, although another than the one that it judges changed or refused what it turns on"+because(id))
		case noticing && cell == Inconclusive && !m.names(mutant, id):
			note(id, fmt.Sprintf("its reason does not name %q%s", mutant.Named, because(id)))
		case !falling && !racing && cell == Killed:
			note(id, "it fell, and no reason is written for that"+because(id))
		case !falling && !noticing && !blurred && cell == Inconclusive:
			note(id, "it is inconclusive, and no reason is written for that"+because(id))
		}
	}
	switch {
	case mutant.Name == mutants.Control || mutant.Harmless != "":
	case len(falls) > 0 && len(m.judged(c, mutant.Name, Killed)) == 0:
		note("", "no case killed it")
	case len(falls) == 0 && !slices.ContainsFunc(m.judged(c, mutant.Name, Inconclusive), func(id string) bool { _, ok := notices[id]; return ok }):
		note("", "no case noticed it")
	}
	return defects, nil
}

// names tells whether a reason, where it is known, names what it has to.
func (m Matrix) names(mutant mutants.Mutant, id string) bool {
	reason := m.Reasons[mutant.Name][id]
	return reason == "" || strings.Contains(reason, mutant.Named)
}
