package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// imageFor is an image of that platform, with something in it.
func imageFor(t *testing.T, architecture string) v1.Image {
	t.Helper()
	image, err := random.Image(100, 1)
	check(t, err)
	config, err := image.ConfigFile()
	check(t, err)
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	image, err = mutate.ConfigFile(image, config)
	check(t, err)
	return image
}

// published puts an index of some platforms into a registry, and returns its reference.
func published(t *testing.T, host, at string, architectures ...string) string {
	t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, architecture := range architectures {
		on := &v1.Platform{OS: "linux", Architecture: architecture}
		if architecture == "unknown" { // as attestations are listed
			on.OS = "unknown"
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: imageFor(t, architecture), Descriptor: v1.Descriptor{Platform: on}})
	}
	tag, err := name.NewTag(host + "/" + at)
	check(t, err)
	check(t, remote.WriteIndex(tag, index))
	digest, err := index.Digest()
	check(t, err)
	return tag.Name() + "@" + digest.String()
}

func someRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// TestBundle: what is pulled keeps its names and gets its platforms' digest, what is loaded
// its name; each is where every tool looks for it.
func TestBundle(t *testing.T) {
	host := someRegistry(t)
	a := request(t)
	nginx := published(t, host, "library/nginx:1.31", "amd64", "arm64", "s390x", "unknown")
	pause := published(t, host, "pause:3", "amd64", "arm64")
	a.Pulled = []string{"nginx=" + nginx, "pause=" + pause}
	busybox := filepath.Join(t.TempDir(), "busybox.tar")
	tag, err := name.NewTag("localhost/procns/busybox:1")
	check(t, err)
	check(t, tarball.WriteToFile(busybox, tag, imageFor(t, "amd64")))
	a.Loaded = []string{"busybox=localhost/procns/busybox:1=" + busybox}
	if !a.bundle() {
		t.Error("it is no bundle")
	}
	var told bytes.Buffer
	check(t, writeBundle(a, &told))

	lines := strings.Split(strings.TrimSpace(told.String()), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "nginx\t"+host+"/library/nginx:1.31@sha256:") || strings.Contains(lines[0], nginx) ||
		lines[1] != "pause\t"+pause || lines[2] != "busybox\tlocalhost/procns/busybox:1" {
		t.Errorf("told: %q", lines)
	}
	listed, err := os.ReadFile(filepath.Join(a.Out, "images.txt"))
	check(t, err)
	want := a.Name + "\n"
	for _, line := range lines {
		_, reference, _ := strings.Cut(line, "\t")
		want += reference + "\n"
	}
	if string(listed) != want {
		t.Errorf("images.txt is %q, not %q", listed, want)
	}

	inspectLayout(t, filepath.Join(a.Out, "images.tar"), 6)
	for architecture, tags := range map[string]int{"amd64": 4, "arm64": 3} {
		file := filepath.Join(a.Out, "docker-"+architecture+".tar")
		manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(file) })
		check(t, err)
		found := 0
		for _, m := range manifest {
			found += len(m.RepoTags)
		}
		if found != tags {
			t.Errorf("%s holds %d tags, not %d", file, found, tags)
		}
	}
}

func TestRepository(t *testing.T) {
	for tagged, is := range map[string]string{
		"docker.io/library/nginx:1.31.2": "docker.io/library/nginx", "localhost:5000/nginx:1": "localhost:5000/nginx", "localhost:5000/nginx": "localhost:5000/nginx",
	} {
		if got := repository(tagged); got != is {
			t.Errorf("%s: %s", tagged, got)
		}
	}
}

// inspectLayout unpacks a layout and demands that it is whole.
func inspectLayout(t *testing.T, file string, names int) {
	t.Helper()
	folder := t.TempDir()
	untar(t, file, folder)
	index, err := layout.ImageIndexFromPath(folder)
	check(t, err)
	check(t, validate.Index(index))
	manifest, err := index.IndexManifest()
	check(t, err)
	seen := map[string]bool{}
	for _, d := range manifest.Manifests {
		named := d.Annotations["io.containerd.image.name"]
		if named == "" || seen[named] || named != d.Annotations["org.opencontainers.image.ref.name"] {
			t.Errorf("the name %q is missing or there twice", named)
		}
		if _, digest, ok := strings.Cut(named, "@"); ok && digest != d.Digest.String() {
			t.Errorf("%s has the digest %s", named, d.Digest)
		}
		seen[named] = true
	}
	if len(seen) != names {
		t.Errorf("%d names: %v", len(seen), seen)
	}
}

func TestBundleRefused(t *testing.T) {
	host := someRegistry(t)
	good := published(t, host, "a:1", "amd64", "arm64")
	for says, mend := range map[string]func(*asked){
		"has no digest":          func(a *asked) { a.Pulled = []string{"nginx=" + host + "/a:1"} },
		"expected NAME=REF":      func(a *asked) { a.Pulled = []string{good} },
		"no image for linux/arm": func(a *asked) { a.Pulled = []string{"nginx=" + published(t, host, "b:1", "amd64")} },
		"MANIFEST_UNKNOWN":       func(a *asked) { a.Pulled = []string{"nginx=" + host + "/a:1@sha256:" + strings.Repeat("0", 64)} },
		"=FILE":                  func(a *asked) { a.Loaded = []string{"nginx=localhost/a:1"} },
		"no such file":           func(a *asked) { a.Loaded = []string{"nginx=localhost/a:1=/nonexistent"} },
	} {
		a := request(t)
		mend(&a)
		if err := writeBundle(a, io.Discard); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}
