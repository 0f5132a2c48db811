// Command sbom writes an SPDX list of what is in the suite's programs, as JSON:
//
//	go list -deps -test -json=Module,Standard ./e2e | sbom -version v1 -created 0 FILE...
//
// The list on its standard input says which modules are compiled in; each FILE is a program,
// told of with its SHA-256. What it writes depends on nothing else.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// module is a Go module as go list tells of it.
type module struct {
	Path, Version string
	Main          bool
	Replace       *module
}

// read collects the modules of the packages that go list tells of, in the order of their paths.
func read(from io.Reader) ([]module, error) {
	all := map[string]module{}
	decoder := json.NewDecoder(from)
	for {
		var p struct {
			Module *module
		}
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		switch m := p.Module; {
		case m == nil || m.Main: // of the toolchain, or the suite's own
		case m.Replace != nil && m.Replace.Version != "":
			all[m.Path] = *m.Replace
		default:
			all[m.Path] = *m
		}
	}
	var modules []module
	for _, path := range slices.Sorted(maps.Keys(all)) {
		modules = append(modules, all[path])
	}
	return modules, nil
}

// The parts of a document of SPDX 2.3 that are written.
type (
	document struct {
		Version       string         `json:"spdxVersion"`
		Licence       string         `json:"dataLicense"`
		ID            string         `json:"SPDXID"`
		Name          string         `json:"name"`
		Namespace     string         `json:"documentNamespace"`
		Creation      creation       `json:"creationInfo"`
		Packages      []spdxPackage  `json:"packages"`
		Relationships []relationship `json:"relationships"`
	}
	creation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		Name          string        `json:"name"`
		ID            string        `json:"SPDXID"`
		Version       string        `json:"versionInfo,omitempty"`
		File          string        `json:"packageFileName,omitempty"`
		From          string        `json:"downloadLocation"`
		FilesAnalyzed bool          `json:"filesAnalyzed"`
		Purpose       string        `json:"primaryPackagePurpose,omitempty"`
		Checksums     []checksum    `json:"checksums,omitempty"`
		References    []externalRef `json:"externalRefs,omitempty"`
		Concluded     string        `json:"licenseConcluded"`
		Declared      string        `json:"licenseDeclared"`
		Copyright     string        `json:"copyrightText"`
	}
	checksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	externalRef struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	relationship struct {
		Element string `json:"spdxElementId"`
		Type    string `json:"relationshipType"`
		Related string `json:"relatedSpdxElement"`
	}
)

const unsaid = "NOASSERTION"

var notInID = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

func idOf(kind, name string) string {
	return "SPDXRef-" + kind + "-" + strings.Trim(notInID.ReplaceAllString(name, "-"), "-")
}

// about is what is said of the suite.
type about struct {
	Version, Source, Licence, Go string
	Created                      time.Time
}

// program is a built one, with the digest of its file.
type program struct{ Name, SHA256 string }

func compose(a about, modules []module, programs []program) document {
	const suite = "SPDXRef-Package-procns"
	d := document{
		Version: "SPDX-2.3", Licence: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: "procns " + a.Version,
		Creation:      creation{a.Created.UTC().Format(time.RFC3339), []string{"Tool: procns-sbom"}},
		Relationships: []relationship{{"SPDXRef-DOCUMENT", "DESCRIBES", suite}},
		Packages: []spdxPackage{{
			Name: "procns", ID: suite, Version: a.Version, From: orUnsaid(a.Source), Purpose: "SOURCE",
			Concluded: unsaid, Declared: orUnsaid(a.Licence), Copyright: unsaid,
		}},
	}
	digest := sha256.New()
	for _, p := range programs {
		id := idOf("Program", p.Name)
		d.Packages = append(d.Packages, spdxPackage{
			Name: p.Name, ID: id, Version: a.Version, File: p.Name, From: unsaid, Purpose: "APPLICATION",
			Checksums: []checksum{{"SHA256", p.SHA256}}, Concluded: unsaid, Declared: orUnsaid(a.Licence), Copyright: unsaid,
		})
		d.Relationships = append(d.Relationships, relationship{"SPDXRef-DOCUMENT", "DESCRIBES", id}, relationship{id, "GENERATED_FROM", suite})
		fmt.Fprintln(digest, p.Name, p.SHA256)
	}
	add := func(path, version, from, locator string) {
		id := idOf("Module", path)
		d.Packages = append(d.Packages, spdxPackage{
			Name: path, ID: id, Version: version, From: from, Concluded: unsaid, Declared: unsaid, Copyright: unsaid,
			References: []externalRef{{"PACKAGE-MANAGER", "purl", locator}},
		})
		d.Relationships = append(d.Relationships, relationship{suite, "DEPENDS_ON", id})
		fmt.Fprintln(digest, path, version)
	}
	toolchain := strings.TrimPrefix(a.Go, "go")
	add("std", toolchain, "https://go.dev/dl/", "pkg:golang/std@"+toolchain)
	for _, m := range modules {
		add(m.Path, m.Version, unsaid, "pkg:golang/"+m.Path+"@"+m.Version)
	}
	d.Namespace = "https://spdx.org/spdxdocs/procns-" + hex.EncodeToString(digest.Sum(nil))
	return d
}

func orUnsaid(text string) string {
	if text == "" {
		return unsaid
	}
	return text
}

func digestOf(file string) (program, error) {
	in, err := os.Open(file)
	if err != nil {
		return program{}, err
	}
	defer in.Close()
	digest := sha256.New()
	_, err = io.Copy(digest, in)
	return program{filepath.Base(file), hex.EncodeToString(digest.Sum(nil))}, err
}

func run(arguments []string, list io.Reader, out io.Writer) error {
	a := about{Go: runtime.Version()}
	var created int64
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	flags.StringVar(&a.Version, "version", "", "the suite's `version`")
	flags.StringVar(&a.Source, "source", "", "the `URL` of its source")
	flags.StringVar(&a.Licence, "licence", "", "its licence, as an SPDX `expression`")
	flags.Int64Var(&created, "created", 0, "the document's time, in `seconds` since 1970")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	a.Created = time.Unix(created, 0)
	modules, err := read(list)
	if err != nil {
		return err
	}
	if len(modules) == 0 {
		return errors.New("go list told of no module")
	}
	var programs []program
	for _, file := range flags.Args() {
		p, err := digestOf(file)
		if err != nil {
			return err
		}
		programs = append(programs, p)
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(compose(a, modules, programs))
}

func main() {
	err := run(os.Args[1:], os.Stdin, os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "sbom: %v\n", err)
		os.Exit(3)
	}
}
