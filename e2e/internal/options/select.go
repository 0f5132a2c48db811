package options

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"procns/e2e/internal/suite"
)

// HostPID stands in -skip for the cases of which a pod asks for the node's PID
// namespace, be it in a dry run.
const HostPID = "@host-pid"

// Select returns the cases that -run, -skip and -level ask for. None at all is an
// error that names the nearest.
func (o Options) Select(all []suite.Case, fixtures func(string) ([]byte, error)) ([]suite.Case, error) {
	var named []suite.Case
	if len(o.Run) == 0 {
		named = all
	}
	for _, pattern := range o.Run {
		some, err := matching(all, "run", pattern)
		if err != nil {
			return nil, err
		}
		named = append(named, some...)
	}
	named, err := o.withoutSkipped(all, named, fixtures)
	if err != nil {
		return nil, err
	}
	var selected []suite.Case
	for _, c := range all { // in the catalogue's order, each once
		has := func(n suite.Case) bool { return n.ID == c.ID }
		if slices.ContainsFunc(named, has) && (len(o.Levels) == 0 || slices.Contains(o.Levels, c.Level)) {
			selected = append(selected, c)
		}
	}
	if len(selected) > 0 {
		if selected, err = o.Profile.within(selected); err != nil {
			return nil, err
		}
	}
	if len(selected) == 0 {
		return nil, Usagef("-level %s leaves none of the cases that -run selects: they are %s", strings.Join(texts(o.Levels), ","), strings.Join(levelsOf(named), " and "))
	}
	return o.focused(selected)
}

// focused are the cases that Hydrophone asks for: its expressions are looked for in
// "ID [level] claim". What it runs unless it is told otherwise is \[Conformance\], which
// stands for Core.
func (o Options) focused(selected []suite.Case) ([]suite.Case, error) {
	left := slices.DeleteFunc(slices.Clone(selected), func(c suite.Case) bool { return !o.Filter.Passes(asTests(c)...) })
	if len(left) == 0 {
		return nil, Usagef("%s leaves none of the cases: a regular expression is looked for in texts such as %q", o.Filter, asTests(selected[0])[0])
	}
	return left, nil
}

// asTests are the texts by which a case goes where a regular expression chooses tests.
func asTests(c suite.Case) []string {
	texts := []string{fmt.Sprintf("%s [%s] %s", c.ID, c.Level, c.Claim)}
	if c.Level == suite.Core {
		texts = append(texts, fmt.Sprintf("%s [Conformance] %s", c.ID, c.Claim))
	}
	return texts
}

// CheckRequired refuses a -require that none of the selected cases can decide: such a
// run could not end with 0.
func (o Options) CheckRequired(selected []suite.Case) error {
	decides := func(c suite.Case) bool { return o.Require.Decides(c.Level) }
	if o.Require == "" || len(o.Compare) > 0 || slices.ContainsFunc(selected, decides) {
		return nil
	}
	return Usagef("-require %s: the selected cases are all %s, which do not decide then: select others, or leave -require out",
		o.Require, strings.Join(levelsOf(selected), " and "))
}

// withoutSkipped takes out what -skip names.
func (o Options) withoutSkipped(all, named []suite.Case, fixtures func(string) ([]byte, error)) ([]suite.Case, error) {
	skipped := map[string]bool{}
	for _, pattern := range o.Skip {
		if pattern != HostPID {
			some, err := matching(all, "skip", pattern)
			if err != nil {
				return nil, err
			}
			for _, c := range some {
				skipped[c.ID] = true
			}
			continue
		}
		for _, c := range named {
			asks, err := asksForHostPID(c, fixtures)
			if err != nil {
				return nil, err
			}
			skipped[c.ID] = skipped[c.ID] || asks
		}
	}
	left := slices.DeleteFunc(slices.Clone(named), func(c suite.Case) bool { return skipped[c.ID] })
	if len(left) == 0 {
		return nil, Usagef("-skip %s leaves none of the cases that -run selects", strings.Join(o.Skip, ","))
	}
	return left, nil
}

// asksForHostPID tells whether one of a case's pods is to be in the node's PID
// namespace.
func asksForHostPID(c suite.Case, fixtures func(string) ([]byte, error)) (bool, error) {
	for _, file := range c.Manifests() {
		raw, err := fixtures(file)
		if err != nil {
			return false, err
		}
		m, err := suite.DecodeManifest(file, raw)
		if err != nil {
			return false, err
		}
		if m.Pod.Spec.HostPID {
			return true, nil
		}
	}
	return false, nil
}

// matching returns the cases that one pattern of -run or -skip names: there is at least one.
func matching(all []suite.Case, option, pattern string) ([]suite.Case, error) {
	var matched []suite.Case
	for _, c := range all {
		ok, err := path.Match(pattern, c.ID)
		if err != nil {
			return nil, Usagef("-%s %q: %w", option, pattern, err)
		}
		if ok || c.Area() == strings.TrimSuffix(pattern, "/") {
			matched = append(matched, c)
		}
	}
	if len(matched) == 0 {
		return nil, Usagef("-%s %q matches no case%s; all of them: -list", option, pattern, NearCase(all, pattern))
	}
	return matched, nil
}

// NearCase is what an error says of the cases that may have been meant, or "".
func NearCase(all []suite.Case, written string) string {
	return nearText(Near(namesOfCases(all), written), "")
}

// namesOfCases are what a pattern can name: the areas and the IDs.
func namesOfCases(all []suite.Case) []string {
	var areas, ids []string
	for _, c := range all {
		if !slices.Contains(areas, c.Area()) {
			areas = append(areas, c.Area())
		}
		ids = append(ids, c.ID)
	}
	return append(areas, ids...)
}

func texts(some []suite.Level) []string {
	var all []string
	for _, level := range some {
		all = append(all, string(level))
	}
	return all
}

func levelsOf(some []suite.Case) []string {
	var all []string
	for _, level := range levels {
		if slices.ContainsFunc(some, func(c suite.Case) bool { return c.Level == level }) {
			all = append(all, string(level))
		}
	}
	return all
}

// listed is a case as -list -o json prints it.
type listed struct {
	ID         string      `json:"id"`
	Level      suite.Level `json:"level"`
	Claim      string      `json:"claim"`
	Source     string      `json:"source"`
	MinVersion string      `json:"minVersion,omitempty"`
	Fixture    string      `json:"fixture"`
	Control    string      `json:"control,omitempty"`
	Varies     string      `json:"varies,omitempty"`
	NoControl  string      `json:"noControl,omitempty"`
	Neighbour  string      `json:"neighbour,omitempty"`
	Act        string      `json:"act,omitempty"`
	OwnNode    bool        `json:"ownNode,omitempty"`
}

// WriteCases prints the cases, one a line or in JSON.
func WriteCases(w io.Writer, selected []suite.Case, asJSON bool) error {
	if !asJSON {
		for _, c := range selected {
			if _, err := fmt.Fprintf(w, "%-48s %-13s %s\n", c.ID, c.Level, c.Claim); err != nil {
				return err
			}
		}
		return nil
	}
	var all []listed
	for _, c := range selected {
		one := listed{
			ID: c.ID, Level: c.Level, Claim: c.Claim, Source: c.Source, MinVersion: c.MinVersion, Fixture: c.Fixture,
			Control: c.Control, NoControl: c.NoControl, Neighbour: c.Neighbour, OwnNode: c.OwnNode,
		}
		if c.Control != "" {
			one.Varies = c.Property()
		}
		if c.Act != nil {
			one.Act = c.Act.Name
		}
		all = append(all, one)
	}
	return writeJSON(w, all)
}
