package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// request asks for an image of two programs, which are no programs.
func request(t *testing.T) asked {
	t.Helper()
	folder := t.TempDir()
	a := asked{
		Out: filepath.Join(folder, "out"), Name: "registry.example/procns/procns:v1",
		About: about{Version: "v1", Commit: "abc", Source: "https://example.com/procns", Created: time.Unix(1700000000, 0)},
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		file := filepath.Join(folder, architecture)
		check(t, os.WriteFile(file, []byte("the program for "+architecture), 0o600))
		a.Binaries = append(a.Binaries, platformFile{v1.Platform{OS: "linux", Architecture: architecture}, file})
	}
	return a
}

// digests are those of all files of a folder.
func digests(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	check(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		sum := sha256.Sum256(content)
		below, _ := filepath.Rel(folder, path)
		all[below] = hex.EncodeToString(sum[:])
		return err
	}))
	return all
}

// TestReproducible: the same arguments make the same bytes, whenever and wherever.
func TestReproducible(t *testing.T) {
	first := request(t)
	one, err := writeImage(first)
	check(t, err)
	second := request(t) // other folders, other times of the files
	check(t, os.Chtimes(second.Binaries[0].File, time.Unix(1, 0), time.Unix(1, 0)))
	check(t, os.Chmod(second.Binaries[1].File, 0o755))
	two, err := writeImage(second)
	check(t, err)
	if one != two {
		t.Errorf("the index is %s, and then %s", one, two)
	}
	a, b := digests(t, first.Out), digests(t, second.Out)
	if len(a) != len(b) || a["image.tar"] == "" || a["docker-arm64.tar"] == "" {
		t.Errorf("the files are %v, and then %v", a, b)
	}
	for file, digest := range a {
		if b[file] != digest {
			t.Errorf("%s is not the same twice", file)
		}
	}

	other := request(t)
	check(t, os.WriteFile(other.Binaries[0].File, []byte("another program"), 0o600))
	if three, err := writeImage(other); err != nil || three == one {
		t.Errorf("another program makes the same index %s (%v)", three, err)
	}
}

// TestImage: what a runtime finds in the image.
func TestImage(t *testing.T) {
	a := request(t)
	digest, err := writeImage(a)
	check(t, err)
	index, err := layout.ImageIndexFromPath(filepath.Join(a.Out, "layout"))
	check(t, err)
	check(t, validate.Index(index))
	manifest, err := index.IndexManifest()
	check(t, err)
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Digest != digest ||
		manifest.Manifests[0].Annotations["io.containerd.image.name"] != a.Name || manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != a.Name {
		t.Fatalf("the layout holds %+v", manifest.Manifests)
	}
	suite, err := index.ImageIndex(digest)
	check(t, err)
	inside, err := suite.IndexManifest()
	check(t, err)
	if len(inside.Manifests) != 2 || inside.Annotations["org.opencontainers.image.version"] != "v1" {
		t.Fatalf("the index is %+v", inside)
	}
	for i, architecture := range []string{"amd64", "arm64"} {
		found := inside.Manifests[i]
		if found.Platform == nil || found.Platform.String() != "linux/"+architecture {
			t.Errorf("image %d is for %v", i, found.Platform)
		}
		image, err := suite.Image(found.Digest)
		check(t, err)
		inspect(t, image, architecture)

		tag, err := name.NewTag(a.Name)
		check(t, err)
		docker, err := tarball.ImageFromPath(filepath.Join(a.Out, "docker-"+architecture+".tar"), &tag)
		check(t, err)
		inspect(t, docker, architecture)
	}
}

// untar unpacks an archive.
func untar(t *testing.T, file, folder string) {
	t.Helper()
	in, err := os.Open(file)
	check(t, err)
	defer in.Close()
	check(t, os.CopyFS(folder, tarFS(t, in)))
}

func tarFS(t *testing.T, in io.Reader) fs.FS {
	t.Helper()
	all := fstest.MapFS{}
	for files := tar.NewReader(in); ; {
		header, err := files.Next()
		if err == io.EOF {
			return all
		}
		check(t, err)
		if header.Typeflag == tar.TypeReg {
			text, err := io.ReadAll(files)
			check(t, err)
			all[header.Name] = &fstest.MapFile{Data: text, Mode: 0o644}
		}
	}
}

func inspect(t *testing.T, image v1.Image, architecture string) {
	t.Helper()
	config, err := image.ConfigFile()
	check(t, err)
	if config.Architecture != architecture || config.OS != "linux" || config.Config.User != "65532:65532" ||
		len(config.Config.Entrypoint) != 1 || config.Config.Entrypoint[0] != "/usr/local/bin/procns" || len(config.Config.Cmd) != 0 ||
		config.Config.Env[0] != "PATH=/usr/local/bin" || config.Config.Labels["org.opencontainers.image.source"] != "https://example.com/procns" {
		t.Errorf("the configuration is %+v", config)
	}
	if _, ok := config.Config.Labels["org.opencontainers.image.licenses"]; ok {
		t.Error("a licence that nobody named")
	}
	layers, err := image.Layers()
	check(t, err)
	if len(layers) != 1 {
		t.Fatalf("%d layers", len(layers))
	}
	content, err := layers[0].Uncompressed()
	check(t, err)
	defer content.Close()
	found := map[string]string{}
	for files := tar.NewReader(content); ; {
		header, err := files.Next()
		if err == io.EOF {
			break
		}
		check(t, err)
		text, err := io.ReadAll(files)
		check(t, err)
		found[header.Name] = header.FileInfo().Mode().String() + " " + string(text) + header.Linkname
	}
	want := map[string]string{
		"usr/": "drwxr-xr-x ", "usr/local/": "drwxr-xr-x ", "usr/local/bin/": "drwxr-xr-x ", "tmp/": "dtrwxrwxrwx ",
		"usr/local/bin/procns": "-rwxr-xr-x the program for " + architecture, "usr/local/bin/e2e.test": "Lrwxrwxrwx procns",
	}
	if len(found) != len(want) {
		t.Errorf("the files are %v", found)
	}
	for file, is := range want {
		if found[file] != is {
			t.Errorf("%s is %q, not %q", file, found[file], is)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	whole := []string{"-out", "a", "-name", "a.example/b:c", "-binary", "linux/amd64=d"}
	if _, err := parse(whole); err != nil {
		t.Fatal(err)
	}
	for name, arguments := range map[string][]string{
		"nothing":                    nil,
		"no tag":                     {"-out", "a", "-name", "a.example/b", "-binary", "linux/amd64=d"},
		"no binary":                  {"-out", "a", "-name", "a.example/b:c"},
		"a binary of no platform":    {"-out", "a", "-name", "a.example/b:c", "-binary", "d"},
		"a binary of half of one":    {"-out", "a", "-name", "a.example/b:c", "-binary", "linux=d"},
		"a binary of a long one":     {"-out", "a", "-name", "a.example/b:c", "-binary", "a/b/c/d=e"},
		"a platform without binary":  {"-out", "a", "-name", "a.example/b:c", "-binary", "linux/amd64="},
		"two binaries of a platform": append(whole[:6:6], "-binary", "linux/amd64=e"),
		"an argument":                append(whole[:6:6], "e"),
	} {
		if _, err := parse(arguments); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
