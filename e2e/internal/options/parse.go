package options

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/hydrophone"
	"procns/e2e/internal/surroundings"
	"procns/e2e/internal/targets"
)

// Sources are what settings come from, the strongest first: the command line, what
// Hydrophone passes on, the environment, the file that -config or PROCNS_CONFIG names, and,
// for what none of these says, what the environment tells of who runs the suite.
type Sources struct {
	// Arguments are without the program's name, and without the testing package's own flags.
	Arguments []string
	// Environment is as os.Environ has it.
	Environment []string
	// ReadFile reads the file of settings; nil: os.ReadFile does.
	ReadFile func(string) ([]byte, error)
}

// Surroundings is who runs the suite, as the environment tells.
func (s Sources) Surroundings() surroundings.Surroundings {
	return surroundings.Read(func(name string) string {
		for _, variable := range slices.Backward(s.Environment) { // the last one counts
			if text, ok := strings.CutPrefix(variable, name+"="); ok {
				return text
			}
		}
		return ""
	})
}

// insteadOfARun are what may be done instead of one: the command line alone can say it.
var insteadOfARun = []string{"version", "list", "list-images", "print-rbac", "print-exempt", "compare", "render", "dry-run", "cleanup", "down", "completion", "print-job", "print-sonobuoy-plugin", "archive"}

// Parse reads all settings. Asked for help, it writes it to output and returns
// flag.ErrHelp. A mistake is a UsageError, of one line.
func (s Sources) Parse(output io.Writer) (Options, error) {
	var line Options // the command line alone
	flags, groups := line.define()
	given, err := line.parseLine(flags, groups, s.Arguments, output)
	if err != nil {
		return line, err
	}
	var o Options
	flags, groups = o.define()
	weaker, err := s.weaker(&o, flags, given, line.config)
	if err != nil {
		return line, UsageError{err} // which says what was asked for
	}
	if _, err := o.parseLine(flags, groups, s.Arguments, io.Discard); err != nil {
		return o, err
	}
	if err := o.checkCluster(given); err != nil {
		return o, UsageError{err}
	}
	for _, one := range weaker {
		given[one.name] = true
	}
	if err := o.settle(s.Surroundings(), given); err != nil {
		return o, UsageError{err}
	}
	if o.prints() {
		o.Passed = passedOn(weaker, s.Arguments, flags)
	}
	if err := o.check(given); err != nil {
		return o, UsageError{err}
	}
	o.Provision = o.Kubeconfig == "" && o.Context == "" && !o.InCluster && !o.prints()
	if o.Nodes == "" {
		o.Nodes = targets.Sample
		if o.Provision || o.Profile == Sweep {
			o.Nodes = targets.All
		}
	}
	return o, nil
}

// parseLine reads the command line, and tells which flags it names.
func (o *Options) parseLine(flags *flag.FlagSet, groups []Group, arguments []string, output io.Writer) (given map[string]bool, err error) {
	if len(arguments) > 0 && arguments[0] == "version" {
		arguments = append([]string{"-version"}, arguments[1:]...)
	}
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, errors.Join(writeHelp(output, groups), err)
		}
		return nil, Usagef("%w%s", err, hint(err, flags))
	}
	// The second report of -compare is the one argument that there may be; flags may follow.
	if len(o.Compare) == 1 && flags.NArg() > 0 && flags.Arg(0) != "" {
		o.Compare = append(o.Compare, flags.Arg(0))
		if err := flags.Parse(flags.Args()[1:]); err != nil {
			return nil, Usagef("%w%s", err, hint(err, flags))
		}
	}
	if flags.NArg() > 0 {
		return nil, Usagef("unexpected argument %q: %severything is said by flags, see -help", flags.Arg(0), meant(flags, flags.Arg(0)))
	}
	given = map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return given, nil
}

// meant says which flag an argument may have been meant for, if any.
func meant(flags *flag.FlagSet, argument string) string {
	if argument == "true" || argument == "false" {
		return "a switch takes its value behind =, as in -keep=" + argument + "; "
	}
	if argument == "help" {
		return ""
	}
	if flags.Lookup(argument) != nil {
		return "did you mean -" + argument + "? "
	}
	return ""
}

// wrongValue is how the flag package says that it cannot read a flag's value.
var wrongValue = regexp.MustCompile(`(?s)^invalid (?:boolean )?value .* for (?:flag )?-([a-z-]+): (?:parse error|value out of range)$`)

// hint adds to the flag package's own error the nearest names, or what would have been a value.
func hint(err error, flags *flag.FlagSet) string {
	if m := wrongValue.FindStringSubmatch(err.Error()); m != nil {
		return expected(flags, m[1])
	}
	_, name, ok := strings.Cut(err.Error(), "flag provided but not defined: -")
	if !ok {
		return ""
	}
	return nearFlags(namesOf(flags), name, "-") + "; all of them: -help"
}

// expected says what the flag package reads as a flag's value.
func expected(flags *flag.FlagSet, name string) string {
	f := flags.Lookup(name)
	if f == nil {
		return ""
	}
	got, ok := f.Value.(flag.Getter)
	if !ok {
		return "" // one of ours, which says it itself
	}
	switch got.Get().(type) {
	case time.Duration:
		return ": expected a duration such as 90s, 30m or 1h30m"
	case int:
		return ": expected a whole number"
	case float64:
		return ": expected a number"
	case bool:
		return ": expected true or false"
	}
	return ""
}

func namesOf(flags *flag.FlagSet) []string {
	var names []string
	flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

// goesWith are the things done instead of a run that a setting fits as well, where it
// does not fit all of them. A setting of the environment or of a file that does not fit
// is left alone: it is there for the runs.
var goesWith = map[string][]string{
	"baseline":        nil,
	"resume":          nil,
	"phase":           {"print-rbac", "print-job", "print-sonobuoy-plugin"},
	"require":         {"compare", "dry-run", "print-job", "print-sonobuoy-plugin"},
	"keep-on-failure": {"dry-run", "print-job", "print-sonobuoy-plugin"},
	"linger":          {"dry-run", "print-job"},
	"o":               {"list", "list-images", "compare", "version", "dry-run"},
}

// goesWith tells whether a setting fits what is done instead of a run.
func (s setting) goesWith(mode string) bool {
	fits, limited := goesWith[s.name]
	if s.name == "o" && slices.Contains(s.values, string(Markdown)) {
		fits = []string{"compare", "dry-run"}
	}
	if slices.Contains(prints, mode) && slices.Contains(notInside, s.name) {
		return false
	}
	return !limited || slices.Contains(fits, mode)
}

// rivals are settings of which a stronger source's puts the weaker source's out.
var rivals = map[string][]string{
	"in-cluster": {"kubeconfig", "context"},
	"kubeconfig": {"in-cluster"},
	"context":    {"in-cluster"},
	"v":          {"quiet"},
	"quiet":      {"v"},
	"o":          {"progress"},
	"progress":   {"o"},
}

// weaker sets what the environment and the file say and the command line does not, and
// returns it.
func (s Sources) weaker(o *Options, flags *flag.FlagSet, line map[string]bool, file string) (all []setting, err error) {
	passed, err := readExtra(s.Surroundings().Arguments)
	if err != nil {
		return nil, err
	}
	fromEnvironment, err := readEnvironment(s.Environment)
	if err != nil {
		return nil, err
	}
	if at := slices.IndexFunc(fromEnvironment, func(one setting) bool { return one.name == "config" }); at >= 0 {
		if file == "" {
			file = fromEnvironment[at].values[0]
		}
		fromEnvironment = slices.Delete(fromEnvironment, at, at+1)
	}
	var fromFile []setting
	if file != "" {
		read := s.ReadFile
		if read == nil {
			read = os.ReadFile
		}
		text, err := read(file)
		if err != nil {
			return nil, fmt.Errorf("-config: %w", err)
		}
		if fromFile, err = parseConfig(text); err != nil {
			return nil, fmt.Errorf("-config %s: %w", file, err)
		}
	}
	taken := map[string]bool{}
	outdo := func(name string) {
		taken[name] = true
		for _, rival := range rivals[name] {
			taken[rival] = true
		}
	}
	mode := ""
	for name := range line {
		outdo(name)
		if slices.Contains(insteadOfARun, name) {
			mode = name
		}
	}
	for _, source := range []struct {
		title    string
		settings []setting
	}{{hydrophone.ExtraVariable, passed}, {"the environment", fromEnvironment}, {file, fromFile}} {
		var set []string
		for _, one := range source.settings {
			if taken[one.name] || mode != "" && !one.goesWith(mode) {
				continue
			}
			for _, text := range one.values {
				if err := flags.Set(one.name, text); err != nil {
					return nil, fmt.Errorf("%s: %q: %w%s", one.at(file), text, err, expected(flags, one.name))
				}
			}
			set = append(set, one.name)
			all = append(all, one)
		}
		for _, name := range set {
			outdo(name)
		}
		if len(set) > 0 {
			slices.Sort(set)
			o.Settings = append(o.Settings, fmt.Sprintf("set by %s: %s", source.title, strings.Join(slices.Compact(set), ", ")))
		}
	}
	return all, nil
}
