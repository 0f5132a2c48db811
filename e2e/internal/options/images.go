package options

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// DocumentedImages are the names of the images that the manifests use.
var DocumentedImages = []string{"busybox", "nginx", "pause"}

// The grammar of references, as https://github.com/distribution/reference has it.
const (
	hostRule   = `[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?`
	partRule   = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
	pathRule   = partRule + `(?:/` + partRule + `)*`
	digestRule = `@sha256:[0-9a-f]{64}`
)

var (
	reference  = regexp.MustCompile(`^(?:(?:` + hostRule + `)/)?` + pathRule + `(?::\w[\w.-]{0,127})?(?:` + digestRule + `)?$`)
	onlyDigest = regexp.MustCompile(`^` + digestRule + `$`)
	prefix     = regexp.MustCompile(`^(?:` + hostRule + `)(?:/` + pathRule + `)?/?$`)
	secretName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
)

func (o *Options) setImage(text string) error {
	name, with, ok := strings.Cut(text, "=")
	switch {
	case !ok || !slices.Contains(DocumentedImages, name) && fixtures.Pinned()[name] == "":
		return fmt.Errorf("expected name=reference with one of the names %s", strings.Join(slices.Sorted(maps.Keys(fixtures.Pinned())), ", "))
	case strings.Contains(with, "@") && !strings.HasPrefix(with, "@") && !reference.MatchString(with),
		strings.HasPrefix(with, "@") && !onlyDigest.MatchString(with):
		return fmt.Errorf("%q has no digest of the form @sha256: and 64 hexadecimal digits", with)
	case !onlyDigest.MatchString(with) && !reference.MatchString(with):
		return fmt.Errorf("%q is no reference of an image such as registry.example/nginx:1.29", with)
	}
	if o.Images == nil {
		o.Images = map[string]string{}
	}
	o.Images[name] = with
	return nil
}

func (o *Options) setRegistry(text string) error {
	if !prefix.MatchString(text) {
		return fmt.Errorf("%q is no registry such as mirror.example or mirror.example:5000/lib", text)
	}
	o.Registry = text
	return nil
}

func (o *Options) setPullSecret(text string) error {
	if !secretName.MatchString(text) {
		return fmt.Errorf("%q: expected NAMESPACE/NAME of an existing Secret", text)
	}
	o.PullSecret = text
	return nil
}

// Image is one image that a run uses, and what needs it.
type Image struct {
	Image string `json:"image"`
	// Documented is how the manifests name it.
	Documented string   `json:"documented"`
	Manifests  []string `json:"manifests"`
}

// actedOn is what stands for the pods that acts make beside the manifests' own.
const actedOn = "(pods that acts make)"

// AllImages returns every image of the selected cases' pods: of fixtures, controls
// and neighbours, of all their containers, and of the pods that acts make, which
// are copies of these with one container more.
func (o Options) AllImages(selected []suite.Case, read func(string) ([]byte, error)) ([]Image, error) {
	uses := map[string][]string{} // manifests by documented image
	use := func(image, by string) {
		if !slices.Contains(uses[image], by) {
			uses[image] = append(uses[image], by)
		}
	}
	placement := o.Placement("", nil)
	for _, c := range selected {
		for _, file := range c.Manifests() {
			raw, err := read(file)
			if err != nil {
				return nil, err
			}
			manifest, err := suite.DecodeManifest(file, raw)
			if err != nil {
				return nil, err
			}
			for _, image := range manifest.DocumentedImages() {
				use(image, file)
			}
		}
		if c.Act != nil {
			use(suite.DebugImage, actedOn)
		}
	}
	var all []Image
	for _, documented := range slices.Sorted(maps.Keys(uses)) {
		all = append(all, Image{placement.Image(documented), documented, slices.Sorted(slices.Values(uses[documented]))})
	}
	return all, nil
}

// WriteImages prints the images: each reference once, one a line, for programs
// that pull or copy them; or with all that is known of them, in JSON.
func WriteImages(w io.Writer, images []Image, asJSON bool) error {
	if asJSON {
		return writeJSON(w, images)
	}
	var references []string
	for _, image := range images {
		references = append(references, image.Image)
	}
	slices.Sort(references)
	_, err := fmt.Fprintln(w, strings.Join(slices.Compact(references), "\n"))
	return err
}

// WriteJSON prints a document as -o json does.
func WriteJSON(w io.Writer, document any) error { return writeJSON(w, document) }

func writeJSON(w io.Writer, document any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}
