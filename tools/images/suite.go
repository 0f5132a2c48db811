package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// What is in the suite's image, and as whom it runs. The program has a second name, by which
// Hydrophone has a conformance image list the images of its tests.
const (
	program    = "usr/local/bin/procns"
	secondName = "usr/local/bin/e2e.test"
	user       = "65532:65532"
	workingDir = "/tmp" // the report folder is made below it, where nobody names another
)

// about is what the annotations of the suite's image say of it. Empty ones are left out.
type about struct {
	Version, Commit, Source, Licence string
	Created                          time.Time
}

func (a about) annotations() map[string]string {
	all := map[string]string{
		"org.opencontainers.image.title":       "procns",
		"org.opencontainers.image.description": "Conformance suite for Kubernetes pods with shareProcessNamespace: true",
		"org.opencontainers.image.created":     a.Created.UTC().Format(time.RFC3339),
	}
	for key, text := range map[string]string{"version": a.Version, "revision": a.Commit, "source": a.Source, "licenses": a.Licence} {
		if text != "" {
			all["org.opencontainers.image."+key] = text
		}
	}
	return all
}

// suiteImage makes the suite's image of one platform: one layer with one static
// program, no shell, no tar, no libraries. It depends on nothing but its arguments.
func suiteImage(a about, on v1.Platform, binary string) (v1.Image, error) {
	raw, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	files, err := layerFiles(raw)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := v1.Time{Time: a.Created.UTC()}
	if image, err = mutate.Append(image, mutate.Addendum{
		Layer: layer, MediaType: types.OCILayer, History: v1.History{Created: created, CreatedBy: "make image"},
	}); err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant, config.Created = on.OS, on.Architecture, on.Variant, created
	config.Config = v1.Config{
		Entrypoint: []string{"/" + program}, User: user, WorkingDir: workingDir,
		Env: []string{"PATH=/" + path.Dir(program)}, Labels: a.annotations(),
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	return mutate.Annotations(image, a.annotations()).(v1.Image), nil
}

// layerFiles is the tar of the layer.
func layerFiles(binary []byte) ([]byte, error) {
	var out bytes.Buffer
	files := tar.NewWriter(&out)
	folder := ""
	for part := range strings.SplitSeq(path.Dir(program), "/") {
		folder += part + "/"
		if err := files.WriteHeader(&tar.Header{Name: folder, Typeflag: tar.TypeDir, Mode: 0o755, ModTime: time.Unix(0, 0)}); err != nil {
			return nil, err
		}
	}
	if err := files.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777, ModTime: time.Unix(0, 0)}); err != nil {
		return nil, err
	}
	if err := files.WriteHeader(&tar.Header{Name: program, Mode: 0o755, Size: int64(len(binary)), ModTime: time.Unix(0, 0)}); err != nil {
		return nil, err
	}
	if _, err := files.Write(binary); err != nil {
		return nil, err
	}
	if err := files.WriteHeader(&tar.Header{Name: secondName, Typeflag: tar.TypeSymlink, Linkname: path.Base(program), Mode: 0o777, ModTime: time.Unix(0, 0)}); err != nil {
		return nil, err
	}
	return out.Bytes(), files.Close()
}

// suite is the suite's image: the index, and the image of each platform in it.
type suite struct {
	index  v1.ImageIndex
	images []platformImage
}

// platformImage is an image, and the platform that it is for.
type platformImage struct {
	Platform v1.Platform
	v1.Image
}

// makeSuite makes the image of each platform, and an index of all of them, in the
// order of their names.
func makeSuite(a about, binaries []platformFile) (suite, error) {
	s := suite{index: mutate.Annotations(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), a.annotations()).(v1.ImageIndex)}
	for _, b := range binaries {
		image, err := suiteImage(a, b.Platform, b.File)
		if err != nil {
			return suite{}, fmt.Errorf("%s: %w", b.Platform, err)
		}
		on := b.Platform
		s.index = mutate.AppendManifests(s.index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &on}})
		s.images = append(s.images, platformImage{on, image})
	}
	return s, nil
}
