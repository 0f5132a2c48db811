package suite

import (
	"path"
	"slices"
	"strings"
)

// ImageName is the name by which a manifest's image can be replaced: the last
// part of its path, without tag and digest ("nginx", "busybox", "pause").
func ImageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	name, _, _ := strings.Cut(path.Base(image), ":")
	return name
}

// DebugImage is the image of the container that PodClient.Copy adds.
const DebugImage = "busybox"

// Image is what is used in place of an image that a manifest names: the
// reference given for it with its tag, or for its name; or that digest of it, where only a digest was
// given (@sha256:…), and else the pinned one; from the registry, where one was
// given. What was given as a whole reference comes from where it says.
func (p Placement) Image(documented string) string {
	given := p.Images[documented]
	if given == "" {
		given = p.Images[ImageName(documented)]
	}
	if given != "" && !strings.HasPrefix(given, "@") {
		return given
	}
	reference := documented
	for _, name := range []string{documented, ImageName(documented)} {
		if pinned := p.Pinned[name]; pinned != "" && sameTag(documented, pinned) {
			reference = pinned
			break
		}
	}
	if p.Registry != "" {
		reference = strings.TrimSuffix(p.Registry, "/") + "/" + path.Base(reference)
	}
	if given != "" {
		reference = untagged(reference) + given
	}
	return reference
}

// sameTag tells whether a pinned reference has the tag that a manifest asks for, if
// it asks for one.
func sameTag(documented, pinned string) bool {
	pinned, _, _ = strings.Cut(pinned, "@")
	tag := strings.TrimPrefix(documented, untagged(documented))
	return tag == "" || strings.HasSuffix(pinned, tag)
}

// untagged is a reference without its tag and digest. A colon before the last
// slash is that of a port.
func untagged(reference string) string {
	reference, _, _ = strings.Cut(reference, "@")
	if colon := strings.LastIndex(reference, ":"); colon > strings.LastIndex(reference, "/") {
		return reference[:colon]
	}
	return reference
}

// DocumentedImages are the images of all containers of the manifest's pod, as it
// names them.
func (m Manifest) DocumentedImages() []string {
	var images []string
	for _, c := range slices.Concat(m.Pod.Spec.InitContainers, m.Pod.Spec.Containers) {
		images = append(images, c.Image)
	}
	for _, c := range m.Pod.Spec.EphemeralContainers {
		images = append(images, c.Image)
	}
	return images
}

// imagesByContainer are the images as the manifest names them.
func (m Manifest) imagesByContainer() map[string]string {
	images := map[string]string{}
	for _, c := range slices.Concat(m.Pod.Spec.InitContainers, m.Pod.Spec.Containers) {
		images[c.Name] = c.Image
	}
	for _, c := range m.Pod.Spec.EphemeralContainers {
		images[c.Name] = c.Image
	}
	return images
}
