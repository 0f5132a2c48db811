package options

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"procns/e2e/internal/suite"
)

// own begins the labels that mean something to the suite itself, and to Pod
// Security, whose levels it sets.
var own = []string{"procns.", "procns/", "pod-security.kubernetes.io/"}

// pairs collects key=value into a map.
func pairs(into *map[string]string, check func(value string) []string) value {
	return value{many: true, text: func() string { return "" }, set: func(text string) error {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("expected key=value")
		}
		if problems := validation.IsQualifiedName(key); len(problems) > 0 {
			return fmt.Errorf("the key %q: %s", key, strings.Join(problems, "; "))
		}
		for _, prefix := range own {
			if strings.HasPrefix(key, prefix) {
				return fmt.Errorf("the key %q is the suite's own to set", key)
			}
		}
		if problems := check(value); len(problems) > 0 {
			return fmt.Errorf("the value %q: %s", value, strings.Join(problems, "; "))
		}
		if *into == nil {
			*into = map[string]string{}
		}
		if was, given := (*into)[key]; given && was != value {
			return fmt.Errorf("the key %q has two values, %q and %q", key, was, value)
		}
		(*into)[key] = value
		return nil
	}}
}

// anyValue: annotations hold any text.
func anyValue(string) []string { return nil }

// marked adds the labels and annotations that were asked for.
func (o Options) marked(p suite.Placement) suite.Placement {
	p.PodLabels, p.PodAnnotations = o.PodLabels, o.PodAnnotations
	return p
}
