package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// push is an image of the layout, and where it goes to.
type push struct {
	// Name is that in the layout, To a repository with a tag, without a registry.
	Name, To string
}

func parsePush(text string) (push, error) {
	from, to, ok := strings.Cut(text, "=")
	if !ok || from == "" || to == "" {
		return push{}, fmt.Errorf("%q: expected NAME=REPOSITORY:TAG", text)
	}
	if _, err := name.NewTag("registry.example/"+to, name.StrictValidation); err != nil {
		return push{}, err
	}
	return push{from, to}, nil
}

// fill pushes the images into the store, over a connection as any other, and tells their
// digests.
func fill(store http.Handler, a asked, tell io.Writer) error {
	index, err := layout.ImageIndexFromPath(a.Layout)
	if err != nil {
		return fmt.Errorf("-layout: %w", err)
	}
	failed := make(chan error, 1)
	address, stop, err := serve(store, "127.0.0.1", failed)
	if err != nil {
		return err
	}
	defer stop()
	for _, p := range a.Pushes {
		digest, err := p.into(index, address)
		if err != nil {
			select {
			case why := <-failed:
				err = errors.Join(err, why)
			default:
			}
			return fmt.Errorf("-push %s=%s: %w", p.Name, p.To, err)
		}
		if _, err := fmt.Fprintf(tell, "image\t%s\t%s\n", p.To, digest); err != nil {
			return err
		}
	}
	return nil
}

// into pushes the image to a registry, and returns the digest that it is pulled by.
func (p push) into(index v1.ImageIndex, address string) (v1.Hash, error) {
	to, err := name.NewTag(address+"/"+p.To, name.Insecure)
	if err != nil {
		return v1.Hash{}, err
	}
	all, err := index.IndexManifest()
	if err != nil {
		return v1.Hash{}, err
	}
	for _, d := range all.Manifests {
		if d.Annotations["org.opencontainers.image.ref.name"] != p.Name {
			continue
		}
		if d.MediaType.IsIndex() {
			inner, err := index.ImageIndex(d.Digest)
			if err != nil {
				return v1.Hash{}, err
			}
			return d.Digest, remote.WriteIndex(to, inner)
		}
		image, err := index.Image(d.Digest)
		if err != nil {
			return v1.Hash{}, err
		}
		return d.Digest, remote.Write(to, image)
	}
	return v1.Hash{}, errors.New("the layout has no image of that name")
}
