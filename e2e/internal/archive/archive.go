// Package archive packs a report folder, so that it can leave a container that has
// neither tar nor a shell, and compresses the evidence in it.
package archive

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write writes the files of a folder as a gzipped tar, in the order of their names, with
// the time of each. Sockets and the like are left out, as are the files that skip names by
// their full paths. A file that shrinks meanwhile is an error; what grows is cut.
func Write(to io.Writer, folder string, skip ...string) error {
	packed := gzip.NewWriter(to)
	out := tar.NewWriter(packed)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		for _, other := range skip {
			if path == other {
				return nil
			}
		}
		below, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			return out.WriteHeader(&tar.Header{Name: filepath.ToSlash(below) + "/", Typeflag: tar.TypeDir, Mode: 0o755})
		case entry.Type().IsRegular():
			return add(out, path, filepath.ToSlash(below))
		}
		return nil
	})
	return errors.Join(err, out.Close(), packed.Close())
}

func add(out *tar.Writer, path, name string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since
	}
	if err != nil {
		return err
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return err
	}
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: about.Size(), ModTime: about.ModTime()}); err != nil {
		return err
	}
	if n, err := io.CopyN(out, file, about.Size()); err != nil {
		return fmt.Errorf("%s changed while it was read, after %d of %d bytes: %w", name, n, about.Size(), err)
	}
	return nil
}

// WriteFile writes the archive into a file, which is there as a whole or not at all. The
// file may lie in the folder.
func WriteFile(file, folder string, skip ...string) error {
	out, err := os.CreateTemp(filepath.Dir(file), ".archive-*")
	if err != nil {
		return err
	}
	err = errors.Join(Write(out, folder, append(skip, out.Name(), file)...), out.Chmod(0o644), out.Close())
	if err == nil {
		err = os.Rename(out.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return nil
}
