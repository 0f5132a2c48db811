package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// named is an index, or an image of one platform, with the names that it gets where it
// is loaded.
type named struct {
	Names []string
	Index v1.ImageIndex
	Image v1.Image // where there is no index
}

// writeLayout writes all of them into one OCI layout. containerd names an image by the
// annotation io.containerd.image.name, other tools by the specification's own.
func writeLayout(folder string, all []named) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	to, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	for _, one := range all {
		for _, name := range one.Names {
			options := layout.WithAnnotations(map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name})
			if one.Index != nil {
				err = to.AppendIndex(one.Index, options)
			} else {
				err = to.AppendImage(one.Image, options)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// writeTar packs a folder into a tar that depends on nothing but the names and
// contents of its files.
func writeTar(folder, file string) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	archive := tar.NewWriter(out)
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error { // in the order of names
		if err != nil || path == folder {
			return err
		}
		below, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return archive.WriteHeader(&tar.Header{Name: filepath.ToSlash(below) + "/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: time.Unix(0, 0)})
		}
		return addFile(archive, path, filepath.ToSlash(below))
	})
	return errors.Join(err, archive.Close())
}

func addFile(archive *tar.Writer, path, name string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	about, err := in.Stat()
	if err != nil {
		return err
	}
	mode := int64(0o644)
	if about.Mode()&0o100 != 0 {
		mode = 0o755
	}
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: about.Size(), ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err = io.Copy(archive, in)
	return err
}

// writeDocker writes images of one platform in the form of `docker save`, by their tags:
// in that form there are no digests.
func writeDocker(file string, images map[string]v1.Image) error {
	byTag := map[name.Tag]v1.Image{}
	for reference, image := range images {
		tag, err := name.NewTag(reference, name.StrictValidation)
		if err != nil {
			return err
		}
		byTag[tag] = image
	}
	return tarball.MultiWriteToFile(file, byTag)
}
