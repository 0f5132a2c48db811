package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const listed = `{"Standard": true}
{"Module": {"Path": "procns", "Main": true}}
{"Module": {"Path": "k8s.io/api", "Version": "v0.37.2"}}
{"Module": {"Path": "example.com/a", "Version": "v1.0.0", "Replace": {"Path": "example.com/b", "Version": "v2.0.0"}}}
{"Module": {"Path": "k8s.io/api", "Version": "v0.37.2"}}
`

const want = `SPDX-2.3 procns v1 2023-11-14T22:13:20Z
SPDXRef-Package-procns procns v1 https://example.com/procns
SPDXRef-Program-procns-linux-amd64 procns-linux-amd64 v1 sha256:61
SPDXRef-Module-std std 1.26.8 pkg:golang/std@1.26.8
SPDXRef-Module-example.com-b example.com/b v2.0.0 pkg:golang/example.com/b@v2.0.0
SPDXRef-Module-k8s.io-api k8s.io/api v0.37.2 pkg:golang/k8s.io/api@v0.37.2
`

func TestMake(t *testing.T) {
	modules, err := read(strings.NewReader(listed))
	if err != nil {
		t.Fatal(err)
	}
	d := compose(about{Version: "v1", Source: "https://example.com/procns", Go: "go1.26.8", Created: time.Unix(1700000000, 0)}, modules, []program{{"procns-linux-amd64", "61"}})
	text := d.Version + " " + d.Name + " " + d.Creation.Created + "\n"
	valid := regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`)
	known := map[string]bool{d.ID: true}
	for _, p := range d.Packages {
		text += p.ID + " " + p.Name + " " + p.Version
		for _, c := range p.Checksums {
			text += " " + strings.ToLower(c.Algorithm) + ":" + c.Value
		}
		for _, r := range p.References {
			text += " " + r.Locator
		}
		if p.From != unsaid && len(p.References) == 0 {
			text += " " + p.From
		}
		text += "\n"
		if !valid.MatchString(p.ID) || known[p.ID] {
			t.Errorf("the ID %q is not valid, or there twice", p.ID)
		}
		known[p.ID] = true
		if p.From == "" || p.Concluded == "" || p.Declared == "" || p.Copyright == "" {
			t.Errorf("something is left out of %+v", p)
		}
	}
	if text != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
	related := map[string]bool{}
	for _, r := range d.Relationships {
		if !known[r.Element] || !known[r.Related] {
			t.Errorf("%+v is about nothing", r)
		}
		related[r.Related] = true
	}
	for id := range known {
		if id != d.ID && !related[id] {
			t.Errorf("nothing says what %s is to the suite", id)
		}
	}
}

// TestRun: the same input makes the same bytes, and another program another name for the document.
func TestRun(t *testing.T) {
	write := func(content string) string {
		file := filepath.Join(t.TempDir(), "procns-linux-amd64")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := run([]string{"-version", "v1", "-created", "7", file}, strings.NewReader(listed), &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	one := write("a")
	if one != write("a") {
		t.Error("it is not the same twice")
	}
	var first, second document
	for text, into := range map[string]*document{one: &first, write("b"): &second} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if first.Namespace == second.Namespace || first.Packages[1].Checksums[0].Value == second.Packages[1].Checksums[0].Value {
		t.Error("two programs look alike")
	}
}

func TestRunRefuses(t *testing.T) {
	for says, row := range map[string][2]string{
		"no module": {"", ""}, "go list: ": {"{", ""}, "no such file": {listed, "/nonexistent"}, "not defined": {listed, "-unknown"},
	} {
		arguments := strings.Fields(row[1])
		if err := run(arguments, strings.NewReader(row[0]), io.Discard); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(listed)
	f.Add(`{"Module":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		modules, err := read(strings.NewReader(text))
		if err == nil {
			compose(about{}, modules, nil)
		}
	})
}
