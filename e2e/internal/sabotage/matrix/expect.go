// Package matrix holds what the suite found under each mutant against what it must find:
// every mutant is killed, every case can fail, and none falls without a reason. It is pure.
package matrix

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"procns/e2e/internal/sabotage/mutants"
	"procns/e2e/internal/suite"
)

// Catalogue is what expectations are about.
type Catalogue struct {
	Cases []suite.Case
	// sets are the cases that each set's name stands for, by their IDs.
	sets map[string]map[string]bool
}

// informational tells whether a case is measured without a verdict.
func (c Catalogue) informational(id string) bool {
	return slices.ContainsFunc(c.Cases, func(one suite.Case) bool { return one.ID == id && one.Level == suite.Informational })
}

// NewCatalogue reads the manifests of the cases.
func NewCatalogue(cases []suite.Case, read func(file string) ([]byte, error)) (Catalogue, error) {
	c := Catalogue{Cases: cases, sets: map[string]map[string]bool{mutants.Shares: {}, mutants.Isolated: {}}}
	for _, one := range cases {
		if one.Control == "" || one.Submit != suite.Runs || one.Property() != "shareProcessNamespace" {
			continue
		}
		fixture, err := shares(one.Fixture, read)
		if err != nil {
			return c, err
		}
		control, err := shares(one.Control, read)
		if err != nil {
			return c, err
		}
		switch {
		case fixture && !control:
			c.sets[mutants.Shares][one.ID] = true
		case control && !fixture:
			c.sets[mutants.Isolated][one.ID] = true
		}
	}
	return c, nil
}

func shares(file string, read func(string) ([]byte, error)) (bool, error) {
	raw, err := read(file)
	if err != nil {
		return false, err
	}
	manifest, err := suite.DecodeManifest(file, raw)
	if err != nil {
		return false, err
	}
	field := manifest.Pod.Spec.ShareProcessNamespace
	return field != nil && *field, nil
}

// Expand returns the IDs that patterns name, each with its reason. A pattern that names
// nothing is an error: the catalogue has changed below it.
func (c Catalogue) Expand(expected []mutants.Expected) (map[string]string, error) {
	all := map[string]string{}
	for _, e := range expected {
		some := map[string]bool{}
		for _, pattern := range e.Cases {
			named, without := strings.CutPrefix(pattern, "!")
			ids := c.match(named)
			if len(ids) == 0 {
				return nil, fmt.Errorf("%q names no case", pattern)
			}
			for _, id := range ids {
				if without {
					delete(some, id)
				} else {
					some[id] = true
				}
			}
		}
		for id := range some {
			all[id] = e.Why
		}
	}
	return all, nil
}

// match returns the IDs that one pattern names.
func (c Catalogue) match(pattern string) []string {
	var ids []string
	for _, one := range c.Cases {
		fits, err := path.Match(pattern, one.ID)
		if err == nil && fits || one.Area() == pattern || c.sets[pattern][one.ID] {
			ids = append(ids, one.ID)
		}
	}
	return ids
}
