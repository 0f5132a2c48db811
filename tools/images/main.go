// Command images writes the suite's own image, for several platforms in one index, as
// an OCI layout and in the form of `docker save`. It needs no container engine and no
// registry, and what it writes depends on nothing but its arguments.
//
//	images -out FOLDER -name REFERENCE -binary linux/amd64=FILE [-binary linux/arm64=FILE]
//
// With the images that the fixtures use, it writes all of them, for where there is no
// registry: pulled by digest, or from archives as docker save writes them.
//
//	images … -pull nginx=docker.io/library/nginx:1.31.2@sha256:… -archive busybox=localhost/busybox:1=FILE
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// platformFile is a program, and the platform that it is for.
type platformFile struct {
	Platform v1.Platform
	File     string
}

// asked is the command line.
type asked struct {
	Out, Name string
	About     about
	Binaries  []platformFile
	// Pulled and Loaded are the workloads of a bundle.
	Pulled, Loaded []string
}

// bundle tells whether other images go with the suite's own.
func (a asked) bundle() bool { return len(a.Pulled)+len(a.Loaded) > 0 }

func parse(arguments []string) (asked, error) {
	var a asked
	var created int64
	flags := flag.NewFlagSet("images", flag.ContinueOnError)
	flags.StringVar(&a.Out, "out", "", "`folder` to write into")
	flags.StringVar(&a.Name, "name", "", "the image's `reference`, with a tag")
	flags.StringVar(&a.About.Version, "version", "", "the suite's `version`")
	flags.StringVar(&a.About.Commit, "commit", "", "the `commit` that it was built from")
	flags.StringVar(&a.About.Source, "source", "", "the `URL` of its source")
	flags.StringVar(&a.About.Licence, "licence", "", "its licence, as an SPDX `expression`")
	flags.Int64Var(&created, "created", 0, "the image's time, in `seconds` since 1970")
	flags.Func("binary", "a static program, `OS/ARCHITECTURE=FILE` (repeatable)", func(text string) error {
		b, err := parseBinary(text)
		a.Binaries = append(a.Binaries, b)
		return err
	})
	flags.Func("pull", "a workload from a registry, `NAME=REFERENCE@DIGEST` (repeatable)", into(&a.Pulled))
	flags.Func("archive", "a workload from an archive, `NAME=REFERENCE=FILE` (repeatable)", into(&a.Loaded))
	if err := flags.Parse(arguments); err != nil {
		return a, err
	}
	a.About.Created = time.Unix(created, 0)
	slices.SortFunc(a.Binaries, func(x, y platformFile) int { return strings.Compare(x.Platform.String(), y.Platform.String()) })
	switch {
	case flags.NArg() > 0:
		return a, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case a.Out == "" || a.Name == "" || len(a.Binaries) == 0:
		return a, errors.New("-out, -name and -binary are needed")
	}
	for i := range a.Binaries[1:] {
		if a.Binaries[i].Platform.Equals(a.Binaries[i+1].Platform) {
			return a, fmt.Errorf("-binary: %s is named twice", a.Binaries[i].Platform)
		}
	}
	if _, err := name.NewTag(a.Name, name.StrictValidation); err != nil {
		return a, fmt.Errorf("-name: %w", err)
	}
	return a, nil
}

func into(list *[]string) func(string) error {
	return func(text string) error {
		*list = append(*list, text)
		return nil
	}
}

func parseBinary(text string) (platformFile, error) {
	platform, file, ok := strings.Cut(text, "=")
	parsed, err := v1.ParsePlatform(platform)
	if !ok || file == "" || err != nil || parsed.OS == "" || parsed.Architecture == "" {
		return platformFile{}, fmt.Errorf("%q: expected OS/ARCHITECTURE=FILE, such as linux/arm64=bin/procns", text)
	}
	return platformFile{*parsed, file}, nil
}

// writeImage writes image.tar (the OCI layout of all platforms), and docker-ARCHITECTURE.tar
// for each of them. It returns the digest of the index.
func writeImage(a asked) (v1.Hash, error) {
	made, err := makeSuite(a.About, a.Binaries)
	if err != nil {
		return v1.Hash{}, err
	}
	if err := os.MkdirAll(a.Out, 0o755); err != nil {
		return v1.Hash{}, err
	}
	folder := filepath.Join(a.Out, "layout")
	if err := writeLayout(folder, []named{{Names: []string{a.Name}, Index: made.index}}); err != nil {
		return v1.Hash{}, err
	}
	if err := writeTar(folder, filepath.Join(a.Out, "image.tar")); err != nil {
		return v1.Hash{}, err
	}
	for _, one := range made.images {
		if err := writeDocker(filepath.Join(a.Out, "docker-"+one.Platform.Architecture+".tar"), map[string]v1.Image{a.Name: one.Image}); err != nil {
			return v1.Hash{}, err
		}
	}
	return made.index.Digest()
}

func main() {
	a, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err == nil && a.bundle() {
		err = writeBundle(a, os.Stdout)
	} else if err == nil {
		err = writeAlone(a, os.Stdout)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "images: %v\n", err)
		os.Exit(3)
	}
}

// writeAlone writes the suite's image, and tells its name and digest.
func writeAlone(a asked, tell io.Writer) error {
	digest, err := writeImage(a)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(tell, "%s@%s\n", a.Name, digest)
	return err
}
