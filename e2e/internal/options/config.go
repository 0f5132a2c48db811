package options

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// setting is what the environment or a file says of one flag.
type setting struct {
	name   string
	values []string // one, or several of a flag that may be given several times
	// variable is the one of the environment; without it, line is that of the file.
	variable string
	line     int
}

// at says where a setting stands.
func (s setting) at(file string) string {
	if s.variable != "" {
		return s.variable
	}
	return fmt.Sprintf("-config %s: line %d: %s", file, s.line, s.name)
}

// commandLineAlone tells that a flag is one that no file and no environment can set:
// what is done instead of a run is asked for each time, with what goes with nothing else.
func commandLineAlone(name string) bool {
	return slices.Contains(insteadOfARun, name) || slices.Contains([]string{"witnesses", "suite-image", "results-claim"}, name)
}

// repeatable tells whether a flag may be given several times, and keyed whether what
// it is given is of the form key=value.
func repeatable(flags *flag.FlagSet, name string) (many, keyed bool) {
	f := flags.Lookup(name)
	v, ok := f.Value.(value)
	placeholder, _ := flag.UnquoteUsage(f)
	return ok && v.many, ok && v.many && strings.Contains(placeholder, "=")
}

// parseConfig reads a file of settings: a YAML mapping from the names of flags to
// their values. A flag that may be given several times takes a list too, and one that
// takes key=value a mapping. Nothing is guessed: an unknown name, a name said twice or
// a value of another kind is an error, of one line.
func parseConfig(text []byte) ([]setting, error) {
	root, err := onlyMapping(text)
	if root == nil || err != nil {
		return nil, err
	}
	var o Options
	flags, _ := o.define()
	var all []setting
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		at := func(format string, args ...any) error {
			return fmt.Errorf("line %d: "+format, append([]any{key.Line}, args...)...)
		}
		name := key.Value
		known := key.Kind == yaml.ScalarNode && flags.Lookup(name) != nil
		switch {
		case !known:
			return nil, at("there is no setting %q%s; all of them: -help", name, nearFlags(settable(flags), strings.TrimLeft(name, "-"), ""))
		case name == "config":
			return nil, at("a file of settings names no other")
		case commandLineAlone(name):
			return nil, at("%s is said on the command line alone", name)
		case slices.ContainsFunc(all, func(s setting) bool { return s.name == name }):
			return nil, at("%s is set twice", name)
		}
		values, err := valuesOf(flags, name, node)
		if err != nil {
			return nil, at("%s: %w", name, err)
		}
		all = append(all, setting{name: name, values: values, line: key.Line})
	}
	return all, nil
}

// settable are the flags that a file can set.
func settable(flags *flag.FlagSet) []string {
	return slices.DeleteFunc(namesOf(flags), func(name string) bool { return commandLineAlone(name) || name == "config" })
}

// onlyMapping returns the mapping that the text's only document is; nil where there
// is nothing but comments.
func onlyMapping(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, oneLineOf(err)
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one YAML document")
	}
	if len(document.Content) != 1 {
		return nil, nil
	}
	switch root := document.Content[0]; {
	case root.Kind == yaml.MappingNode:
		return root, nil
	case root.Tag == "!!null":
		return nil, nil
	}
	return nil, errors.New("expected settings, one a line, such as timeout: 30m")
}

func oneLineOf(err error) error { return errors.New(strings.Join(strings.Fields(err.Error()), " ")) }

// valuesOf reads the value of one setting.
func valuesOf(flags *flag.FlagSet, name string, node *yaml.Node) ([]string, error) {
	many, keyed := repeatable(flags, name)
	switch {
	case node.Kind == yaml.ScalarNode:
		text, err := scalar(node)
		return []string{text}, err
	case node.Kind == yaml.SequenceNode && many:
		var all []string
		for _, one := range node.Content {
			text, err := scalar(one)
			if err != nil {
				return nil, err
			}
			all = append(all, text)
		}
		return all, nil
	case node.Kind == yaml.MappingNode && keyed:
		var all []string
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, err := scalar(node.Content[i])
			if err != nil {
				return nil, err
			}
			text, err := scalar(node.Content[i+1])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			all = append(all, key+"="+text)
		}
		return all, nil
	case node.Kind == yaml.AliasNode:
		return nil, errors.New("YAML's aliases are not read: put text that begins with * into quotes")
	case keyed:
		return nil, errors.New("expected key=value, a list of such, or a mapping")
	case many:
		return nil, errors.New("expected a value or a list of values")
	}
	return nil, errors.New("expected one value")
}

// scalar is a value as it is written, so that 1.30 stays 1.30.
func scalar(node *yaml.Node) (string, error) {
	switch {
	case node.Kind == yaml.AliasNode:
		return "", errors.New("YAML's aliases are not read: put text that begins with * into quotes")
	case node.Kind != yaml.ScalarNode:
		return "", errors.New("expected text, and no list or mapping within")
	case node.Tag == "!!null":
		return "", errors.New("it has no value")
	}
	return node.Value, nil
}

// environmentPrefix begins the variables that set flags: PROCNS_REPORT_DIR sets -report-dir.
const environmentPrefix = "PROCNS_"

// scriptVariables begin with the prefix and are not for the suite: they are read by its
// scripts and tests, or are what an image calls its own version.
var scriptVariables = []string{"CACHE", "VERSION", "REGISTRY_USER", "REGISTRY_PASSWORD", "TEST", "INTERRUPT_TEST", "SABOTAGE_PAUSE", "SABOTAGE_RELAY", "CHROMIUM", "REPORTS", "PAGES", "SHOTS", "TAGS"}

// serviceVariable is one that kubelet sets in pods for a Service called procns, or whose
// name begins so (https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables).
var serviceVariable = regexp.MustCompile(`^([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// variableOf is the variable that sets a flag.
func variableOf(name string) string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

func nearVariables(flags *flag.FlagSet, name string) string {
	near := Near(settable(flags), name)
	for i := range near {
		near[i] = variableOf(near[i])
	}
	return nearText(near, "")
}

// readEnvironment reads the settings among the variables, in the order of their names.
// An empty variable sets nothing. A flag that may be given several times takes one value a line.
func readEnvironment(environment []string) ([]setting, error) {
	var o Options
	flags, _ := o.define()
	var all []setting
	for _, variable := range slices.Sorted(slices.Values(environment)) {
		variable, text, _ := strings.Cut(variable, "=")
		rest, ours := strings.CutPrefix(variable, environmentPrefix)
		if !ours || text == "" || slices.Contains(scriptVariables, rest) || serviceVariable.MatchString(rest) {
			continue
		}
		name := strings.ReplaceAll(strings.ToLower(rest), "_", "-")
		switch {
		case flags.Lookup(name) == nil || rest != strings.ToUpper(rest):
			return nil, fmt.Errorf("%s sets nothing: there is no flag -%s%s; all of them: -help", variable, name, nearVariables(flags, name))
		case commandLineAlone(name):
			return nil, fmt.Errorf("%s: -%s is said on the command line alone", variable, name)
		}
		values := []string{text}
		if many, _ := repeatable(flags, name); many {
			values = strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
		}
		all = append(all, setting{name: name, values: values, variable: variable})
	}
	return all, nil
}
