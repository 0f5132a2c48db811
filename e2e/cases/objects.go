package cases

import (
	"fmt"

	"procns/e2e/internal/suite"
)

// Objects of the API in the JSON form, and the forms in which they are changed.

// The forms in which an update is sent: the media types of the patches, and PUT.
const (
	mergePatch     = "application/merge-patch+json"
	strategicPatch = "application/strategic-merge-patch+json"
	applyPatch     = "application/apply-patch+yaml"
	replacement    = ""
)

func specOf(object map[string]any) map[string]any { return part(object, "spec") }

func metadataOf(object map[string]any) map[string]any { return part(object, "metadata") }

func part(object map[string]any, name string) map[string]any {
	found, ok := object[name].(map[string]any)
	if !ok {
		found = map[string]any{}
	}
	return found
}

// placedName is the name of what was created of the manifest. What comes of that
// has names that begin with it.
func placedName(pod suite.PodClient) string {
	return fmt.Sprint(metadataOf(pod.Manifest())["name"])
}

func firstContainer(manifest map[string]any) (map[string]any, error) {
	spec, _ := manifest["spec"].(map[string]any)
	containers, _ := spec["containers"].([]any)
	if len(containers) > 0 {
		if c, ok := containers[0].(map[string]any); ok {
			return c, nil
		}
	}
	return nil, fmt.Errorf("the manifest has no container: %v", manifest)
}
