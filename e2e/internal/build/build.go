// Package build says which build of the suite this is.
package build

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// commit is set at link time (-ldflags "-X procns/e2e/internal/build.commit=…").
var commit string

// Info identifies a build of the suite, and the catalogue in it.
type Info struct {
	Version string `json:"version"`
	// Commit is that of the source, with "-dirty" where the source was changed;
	// "unknown" where nobody told.
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Cases is how many the catalogue has, or how many of it are selected.
	Cases           int    `json:"cases"`
	CatalogueSHA256 string `json:"catalogueSHA256"`
}

// Of describes this program, with a catalogue of so many cases and that digest.
func Of(version string, cases int, catalogueSHA256 string) Info {
	return Info{
		Version: version, Commit: Commit(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Cases: cases, CatalogueSHA256: catalogueSHA256,
	}
}

// Commit is the commit that the program was built from: as it was linked in, or else
// as the go command recorded it.
func Commit() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return recorded(info.Settings)
}

// recorded is what the go command knows of the source.
func recorded(settings []debug.BuildSetting) string {
	revision, suffix := "unknown", ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision" && s.Value != "":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			suffix = "-dirty"
		}
	}
	if revision == "unknown" {
		return revision
	}
	return revision + suffix
}

// Write prints it for people.
func (i Info) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "procns     %s\ncommit     %s\nGo         %s %s\ncatalogue  %d cases, SHA-256 %s\n",
		i.Version, i.Commit, i.Go, i.Platform, i.Cases, i.CatalogueSHA256)
	return err
}
