// Package hydrophone keeps the contract between Hydrophone and the image that it runs in the
// place of Kubernetes' own conformance image: what the environment asks for, which files are
// fetched from where, and the line that ends the wait for them. It is pure.
//
// Source: pkg/conformance of Hydrophone v0.8, and test/conformance/image/go-runner of
// Kubernetes, whose variables they are.
package hydrophone

import (
	"fmt"
	"io"
	"regexp"
	"time"
)

// What Hydrophone fetches, and the folder that it fetches them from. Where one of the files is
// missing, it learns no exit code, and removes nothing.
const (
	Folder = "/tmp/results"
	Log    = "e2e.log"
	JUnit  = "junit_01.xml"
)

// The variables in the image's environment.
const (
	FocusVariable  = "E2E_FOCUS"
	SkipVariable   = "E2E_SKIP"
	DryRunVariable = "E2E_DRYRUN"
	ExtraVariable  = "E2E_EXTRA_ARGS"
	// RunnerVariable is true where the image is asked to run its tests without a script of its own.
	RunnerVariable = "E2E_USE_GO_RUNNER"
	// FolderVariable names another folder: the image's own convention, which Hydrophone does not use.
	FolderVariable = "RESULTS_DIR"
)

// Seen is how long the container has to run at least. One that has ended with an error before
// Hydrophone first sees the pod running, it takes for one that could not be started: then it
// learns no exit code, and removes nothing.
const Seen = 10 * time.Second

// last is what Hydrophone looks for in the last 30 lines of the log, to know that the tests
// are over. Until it finds that, it reads the log from the beginning, again and again.
const last = "Ginkgo ran 1 suite"

// WriteLast writes the line that ends Hydrophone's reading of the log. Whatever it fetches is to
// be written before.
func WriteLast(w io.Writer) error {
	_, err := fmt.Fprintf(w, "==> for Hydrophone, which waits for these words: %s\n", last)
	return err
}

// Filter is what Hydrophone was told to run and to leave out, as Ginkgo understands it: regular
// expressions that are looked for anywhere in a test's text. The zero value lets everything pass.
type Filter struct{ focus, skip *regexp.Regexp }

// NewFilter reads the two regular expressions. Empty ones say nothing. An error names the
// variable.
func NewFilter(focus, skip string) (f Filter, err error) {
	if f.focus, err = compiled(FocusVariable, focus); err != nil {
		return Filter{}, err
	}
	if f.skip, err = compiled(SkipVariable, skip); err != nil {
		return Filter{}, err
	}
	return f, nil
}

func compiled(variable, text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	r, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	return r, nil
}

// Passes tells whether a test is to be run that goes by one of these texts.
func (f Filter) Passes(texts ...string) bool {
	return (f.focus == nil || matches(f.focus, texts)) && (f.skip == nil || !matches(f.skip, texts))
}

func matches(r *regexp.Regexp, texts []string) bool {
	for _, text := range texts {
		if r.MatchString(text) {
			return true
		}
	}
	return false
}

// String says what is asked for, as the environment has it.
func (f Filter) String() string {
	said := ""
	for _, one := range []struct {
		name string
		r    *regexp.Regexp
	}{{FocusVariable, f.focus}, {SkipVariable, f.skip}} {
		if one.r == nil {
			continue
		}
		if said != "" {
			said += ", "
		}
		said += fmt.Sprintf("%s=%s", one.name, one.r)
	}
	return said
}
