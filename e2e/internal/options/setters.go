package options

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Progress is how a run shows what it does.
type Progress string

const (
	// Auto is a live view on a terminal, and lines elsewhere.
	Auto Progress = "auto"
	// Lines are printed as areas end.
	Lines Progress = "lines"
	// Events are JSON objects, one a line, for programs.
	Events Progress = "json"
)

// oneOf sets a word among those that there are.
func oneOf[T ~string](text string, into *T, words ...T) error {
	if slices.Contains(words, T(text)) {
		*into = T(text)
		return nil
	}
	var all []string
	for _, word := range words[:len(words)-1] {
		all = append(all, string(word))
	}
	return fmt.Errorf("expected %s or %s", strings.Join(all, ", "), words[len(words)-1])
}

func (o *Options) setProgress(text string) error {
	return oneOf(text, &o.Progress, Auto, Lines, Events)
}

func (o *Options) setCompletion(text string) error {
	return oneOf(text, &o.Completion, Bash, Zsh, Fish)
}

func (o *Options) setConfig(text string) error {
	if text == "" {
		return errors.New("an empty name")
	}
	o.config = text
	return nil
}
