// Package exempt reads which results are known not to pass, and takes them out of
// the verdict. An exemption that is not needed is an error: a list that nobody
// prunes hides what breaks next.
package exempt

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"procns/e2e/internal/suite"
)

// Exemption is one entry: this case does not pass on these targets, for this reason.
type Exemption struct {
	// Case is an ID.
	Case string `json:"case"`
	// Target is the name of a target, in which * stands for any text and ? for
	// one character.
	Target string `json:"target"`
	Reason string `json:"reason"`
	// Link leads to where the matter is followed.
	Link string `json:"link"`
}

// List is the file: its entries, in its order.
type List []Exemption

// maxSize is more than a catalogue's worth of entries.
const maxSize = 1 << 20

// Parse reads a file's text strictly. known says whether there is such a case.
func Parse(text []byte, known func(id string) bool) (List, error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("%d bytes are too many: %d at most", len(text), maxSize)
	}
	document, err := onlyDocument(text)
	if err != nil {
		return nil, err
	}
	var file struct {
		Exemptions List `json:"exemptions"`
	}
	if err := yaml.UnmarshalStrict(document, &file); err != nil {
		return nil, err
	}
	if len(file.Exemptions) == 0 {
		return nil, errors.New("it lists nothing under exemptions")
	}
	seen := map[[2]string]bool{}
	for i, e := range file.Exemptions {
		if err := e.check(known); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		key := [2]string{e.Case, e.Target}
		if seen[key] {
			return nil, fmt.Errorf("entry %d: %s is listed twice", i+1, e)
		}
		seen[key] = true
	}
	return file.Exemptions, nil
}

// onlyDocument returns the text's YAML document. The decoder would take the
// first of several and say nothing of the others.
func onlyDocument(text []byte) ([]byte, error) {
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var only []byte
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return only, nil
		}
		if err != nil {
			return nil, err
		}
		var content any
		if err := yaml.Unmarshal(document, &content); err != nil {
			return nil, err
		}
		switch {
		case content == nil: // comments only
		case only != nil:
			return nil, errors.New("it holds more than one YAML document")
		default:
			only = document
		}
	}
}

// UnknownCase is an entry on a case that there is not.
type UnknownCase struct{ ID string }

// Error implements error.
func (e UnknownCase) Error() string {
	return fmt.Sprintf("there is no case %q: -list prints them", e.ID)
}

func (e Exemption) check(known func(string) bool) error {
	for _, field := range []struct{ name, text string }{{"case", e.Case}, {"target", e.Target}, {"reason", e.Reason}, {"link", e.Link}} {
		if strings.TrimSpace(field.text) == "" {
			return fmt.Errorf("%s is missing: each entry has case, target, reason and link", field.name)
		}
		if strings.ContainsFunc(field.text, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) {
			return fmt.Errorf("%s must be one line of text", field.name)
		}
	}
	if !known(e.Case) {
		return UnknownCase{e.Case}
	}
	if _, err := path.Match(flat(e.Target), ""); err != nil {
		return fmt.Errorf("target %q: %w", e.Target, err)
	}
	link, err := url.Parse(e.Link)
	if err != nil || link.Host == "" || link.Scheme != "https" && link.Scheme != "http" {
		return fmt.Errorf("link %q is no http or https address", e.Link)
	}
	return nil
}

// flat makes a runtime class a part of the name like any other, so that * stands
// for it as well.
func flat(name string) string { return strings.ReplaceAll(name, "/", "\x00") }

// Matches tells whether an entry is about a target.
func (e Exemption) Matches(target suite.Target) bool {
	matched, err := path.Match(flat(e.Target), flat(target.Name()))
	return err == nil && matched
}

func (e Exemption) String() string { return e.Case + " on " + e.Target }

// Check returns what is wrong with the list before anything has run: an entry
// that is about no target. Entries on cases that are not selected wait for a run
// that selects them.
func (l List) Check(selected []suite.Case, targets []suite.Target) error {
	var idle []string
	for _, e := range l {
		isCase := func(c suite.Case) bool { return c.ID == e.Case }
		if slices.ContainsFunc(selected, isCase) && !slices.ContainsFunc(targets, e.Matches) {
			idle = append(idle, e.String())
		}
	}
	if len(idle) == 0 {
		return nil
	}
	var names []string
	for _, t := range targets {
		names = append(names, t.Name())
	}
	return fmt.Errorf("%s matches no target: they are %s", strings.Join(idle, "; "), strings.Join(names, ", "))
}

// Apply marks the results that are exempted, and returns the entries that were
// not needed: one of their results passed.
func (l List) Apply(results []suite.Result) error {
	var unneeded []string
	for _, e := range l {
		var passed []string
		for i := range results {
			r := &results[i]
			if r.Case.ID != e.Case || !e.Matches(r.Target) {
				continue
			}
			switch r.Outcome {
			case suite.Conformant:
				passed = append(passed, r.Target.Name())
			case suite.NonConformant, suite.Inconclusive:
				r.Exemption = &suite.Exemption{Found: r.Outcome, Reason: e.Reason, Link: e.Link}
				r.Outcome = suite.Exempted
			}
		}
		if len(passed) > 0 {
			unneeded = append(unneeded, fmt.Sprintf("%s: conformant on %s", e, strings.Join(passed, ", ")))
		}
	}
	if len(unneeded) == 0 {
		return nil
	}
	return fmt.Errorf("exemptions that are not needed, remove or narrow them: %s", strings.Join(unneeded, "; "))
}
