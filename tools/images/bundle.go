package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// workload is an image that the fixtures use.
type workload struct {
	// Name is the fixtures' name for it: nginx, or busybox:1.28.
	Name string
	// Reference is by what a run is told to use it.
	Reference string
	named
	// perPlatform are its images, by architecture.
	perPlatform map[string]v1.Image
}

// pulled is a workload from a registry, by digest, with the platforms of the suite alone.
// Where its index has others too, what is left is an index of its own, with a digest of its
// own: the images in it are the same.
func pulled(text string, platforms []v1.Platform) (workload, error) {
	short, reference, ok := strings.Cut(text, "=")
	if !ok {
		return workload{}, fmt.Errorf("%q: expected NAME=REFERENCE@DIGEST", text)
	}
	tagged, digest, ok := strings.Cut(reference, "@")
	if !ok {
		return workload{}, fmt.Errorf("%q has no digest: what it names may change", reference)
	}
	tag, err := name.NewTag(tagged)
	if err != nil {
		return workload{}, err
	}
	const patience = 3
	index, err := remote.Index(tag.Digest(digest), remote.WithRetryBackoff(remote.Backoff{Duration: time.Second, Factor: 3, Steps: patience}))
	if err != nil {
		return workload{}, err
	}
	wanted := func(d v1.Descriptor) bool {
		return d.Platform != nil && slices.ContainsFunc(platforms, func(p v1.Platform) bool { return d.Platform.Satisfies(p) })
	}
	index = mutate.RemoveManifests(index, func(d v1.Descriptor) bool { return !wanted(d) })
	manifest, err := index.IndexManifest()
	if err != nil {
		return workload{}, err
	}
	w := workload{Name: short, perPlatform: map[string]v1.Image{}}
	for _, d := range manifest.Manifests {
		if w.perPlatform[d.Platform.Architecture], err = index.Image(d.Digest); err != nil {
			return workload{}, err
		}
	}
	for _, p := range platforms {
		if w.perPlatform[p.Architecture] == nil {
			return workload{}, fmt.Errorf("%s has no image for %s", reference, p)
		}
	}
	now, err := index.Digest()
	if err != nil {
		return workload{}, err
	}
	w.Reference = tagged + "@" + now.String()
	w.named = named{Names: []string{tagged, repository(tagged) + "@" + now.String()}, Index: index}
	return w, nil
}

// repository is a reference without its tag. The library's own names say index.docker.io,
// by which no runtime finds what is to be docker.io's.
func repository(tagged string) string {
	if colon := strings.LastIndex(tagged, ":"); colon > strings.LastIndex(tagged, "/") {
		return tagged[:colon]
	}
	return tagged
}

// loaded is a workload from an archive as docker save writes it, of one platform.
func loaded(text string) (workload, error) {
	short, rest, _ := strings.Cut(text, "=")
	reference, file, ok := strings.Cut(rest, "=")
	if !ok {
		return workload{}, fmt.Errorf("%q: expected NAME=REFERENCE=FILE", text)
	}
	tag, err := name.NewTag(reference, name.StrictValidation)
	if err != nil {
		return workload{}, err
	}
	image, err := tarball.ImageFromPath(file, &tag)
	if err != nil {
		return workload{}, fmt.Errorf("%s: %w", file, err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return workload{}, fmt.Errorf("%s: %w", file, err)
	}
	return workload{
		Name: short, Reference: reference, named: named{Names: []string{reference}, Image: image},
		perPlatform: map[string]v1.Image{config.Architecture: image},
	}, nil
}

// workloads are those that were asked for, the pulled ones first.
func (a asked) workloads() ([]workload, error) {
	var platforms []v1.Platform
	for _, b := range a.Binaries {
		platforms = append(platforms, b.Platform)
	}
	var all []workload
	for _, text := range a.Pulled {
		w, err := pulled(text, platforms)
		if err != nil {
			return nil, fmt.Errorf("-pull: %w", err)
		}
		all = append(all, w)
	}
	for _, text := range a.Loaded {
		w, err := loaded(text)
		if err != nil {
			return nil, fmt.Errorf("-archive: %w", err)
		}
		all = append(all, w)
	}
	return all, nil
}

// writeBundle writes images.tar (the OCI layout of all images), docker-ARCHITECTURE.tar for
// each platform (by tag: that form has no digests), and images.txt with a reference a line.
// It tells which workload is known by which reference.
func writeBundle(a asked, tell io.Writer) error {
	made, err := makeSuite(a.About, a.Binaries)
	if err != nil {
		return err
	}
	workloads, err := a.workloads()
	if err != nil {
		return err
	}
	all := []named{{Names: []string{a.Name}, Index: made.index}}
	references := []string{a.Name}
	for _, w := range workloads {
		all = append(all, w.named)
		references = append(references, w.Reference)
		if _, err := fmt.Fprintf(tell, "%s\t%s\n", w.Name, w.Reference); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(a.Out, 0o755); err != nil {
		return err
	}
	folder := filepath.Join(a.Out, "layout")
	if err := writeLayout(folder, all); err != nil {
		return err
	}
	if err := writeTar(folder, filepath.Join(a.Out, "images.tar")); err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	for _, one := range made.images {
		architecture := one.Platform.Architecture
		images := map[string]v1.Image{a.Name: one.Image}
		for _, w := range workloads {
			if image := w.perPlatform[architecture]; image != nil {
				images[w.Names[0]] = image
			}
		}
		if err := writeDocker(filepath.Join(a.Out, "docker-"+architecture+".tar"), images); err != nil {
			return err
		}
	}
	return writeLines(filepath.Join(a.Out, "images.txt"), references)
}

func writeLines(file string, lines []string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	text := bufio.NewWriter(out)
	for _, line := range lines {
		fmt.Fprintln(text, line)
	}
	return text.Flush()
}
