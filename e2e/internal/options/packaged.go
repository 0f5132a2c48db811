package options

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"procns/e2e/internal/exempt"
	"procns/e2e/internal/hydrophone"
	"procns/e2e/internal/surroundings"
)

// Packaged is what is asked for where procns runs in the cluster that it judges, and what
// is printed for that.
type Packaged struct {
	// PrintJob and PrintSonobuoyPlugin print manifests, instead of a run.
	PrintJob, PrintSonobuoyPlugin bool
	// SuiteImage is the suite's own image in them; empty: as make image names it.
	SuiteImage string
	// ResultsClaim is the PersistentVolumeClaim that keeps the Job's reports; empty: they
	// go with its pod.
	ResultsClaim string
	// Linger is how long a run waits at its end for somebody who fetches its reports.
	Linger time.Duration
	// Archive is where the report folder is written to as an archive, instead of a run.
	Archive string
	// Flat: the reports go straight into ReportDir.
	Flat bool
	// Filter is which cases Hydrophone asks for, besides all that flags say.
	Filter hydrophone.Filter
	// Passed are the arguments that a printed manifest passes on, in one word each.
	Passed []string
}

// prints are the flags that print a manifest which runs the suite.
var prints = []string{"print-job", "print-sonobuoy-plugin"}

// prints tells whether one of them is given.
func (p Packaged) prints() bool { return p.PrintJob || p.PrintSonobuoyPlugin }

// Runs tells whether a run is asked for, and nothing else.
func (o Options) Runs() bool {
	return !o.List && !o.ListImages && !o.PrintRBAC && !o.Cleanup && !o.Down && !o.Version && o.PrintExempt == "" &&
		o.Render == "" && o.Completion == "" && len(o.Compare) == 0 && !o.prints() && o.Archive == ""
}

func (o *Options) definePackaged(flags *flag.FlagSet, named func(string) string) {
	flags.BoolVar(&o.PrintJob, named("print-job"), false, "print a Job that runs the suite in the cluster, with its namespace and the permissions that it needs, as a manifest, without a cluster")
	flags.BoolVar(&o.PrintSonobuoyPlugin, named("print-sonobuoy-plugin"), false, "print a plugin for Sonobuoy, as a manifest, without a cluster")
	flags.Var(value{text: func() string { return o.SuiteImage }, set: o.setSuiteImage}, named("suite-image"), "with -print-job and -print-sonobuoy-plugin: the `reference` of the suite's own image (default: localhost/procns/procns with the version as its tag, which is to be loaded into the nodes)")
	flags.StringVar(&o.ResultsClaim, named("results-claim"), "", "with -print-job: keep the reports in this PersistentVolumeClaim of the namespace procns, by its `name`")
	flags.DurationVar(&o.Linger, named("linger"), 0, "wait this `duration` at the end of the run for somebody who fetches the reports with -archive, or until they are fetched; with -print-job, the Job does (default: 0; a Job without -results-claim 10m)")
	flags.StringVar(&o.Archive, named("archive"), "", "write the report folder to this `file` as a .tar.gz, or to standard output (-), once the run that works in it has ended; the exit code is the run's")
}

func (o *Options) setSuiteImage(text string) error {
	if !reference.MatchString(text) {
		return fmt.Errorf("%q is no reference of an image such as registry.example/procns:v1", text)
	}
	o.SuiteImage = text
	return nil
}

// settle fills in what the environment tells of who runs the suite, where no setting says it.
func (o *Options) settle(around surroundings.Surroundings, given map[string]bool) (err error) {
	if folder := around.ReportFolder(); folder != "" && !given["report-dir"] {
		o.ReportDir, o.Flat = folder, true
	}
	if around.Waited() && around.InPod && o.Kubeconfig == "" && o.Context == "" {
		o.InCluster = true // nobody has a plugin make a kind cluster
	}
	if around.Hydrophone == "" {
		return nil
	}
	if around.DryRun && o.Runs() {
		o.DryRun, given["dry-run"] = true, true
	}
	if given["report-dir"] && o.Runs() {
		return fmt.Errorf("-report-dir: Hydrophone fetches the reports from %s: leave it out", around.Hydrophone)
	}
	if o.Filter, err = hydrophone.NewFilter(around.Focus, around.Skip); err == nil {
		o.Settings = append(o.Settings, "Hydrophone asks for the cases of "+o.Filter.String())
	}
	return err
}

// readExtra reads the settings that Hydrophone passes on as --extra-args: words of the form
// --name=value, with a space between two.
func readExtra(words string) ([]setting, error) {
	var o Options
	flags, _ := o.define()
	var all []setting
	for _, word := range strings.Fields(words) {
		name, text, ok := strings.Cut(strings.TrimLeft(word, "-"), "=")
		switch {
		case flags.Lookup(name) == nil:
			return nil, fmt.Errorf("%s: there is no flag -%s%s; all of them: -help", hydrophone.ExtraVariable, name, nearFlags(settable(flags), name, "-"))
		case name == "config":
			return nil, fmt.Errorf("%s: -config: the suite's image has no such file: name the settings themselves", hydrophone.ExtraVariable)
		case commandLineAlone(name):
			return nil, fmt.Errorf("%s: -%s is said on the command line alone", hydrophone.ExtraVariable, name)
		case !ok:
			return nil, fmt.Errorf("%s: expected --%s=value", hydrophone.ExtraVariable, name)
		}
		all = append(all, setting{name: name, values: []string{text}, variable: hydrophone.ExtraVariable})
	}
	return all, nil
}

// notInside are the flags that mean nothing in a pod of the cluster that is judged.
var notInside = []string{
	"kubeconfig", "context", "in-cluster", "report-dir", "engine", "node-image", "kind-config", "kind-name", "load", "machine", "keep", "host-changes", "baseline", "resume",
}

// checkPackaged says what is wrong with these flags.
func (o *Options) checkPackaged(given map[string]bool) error {
	for _, name := range []string{"suite-image", "results-claim"} {
		if given[name] && !o.prints() {
			return fmt.Errorf("-%s goes with -print-job", name)
		}
	}
	switch {
	case given["archive"] && o.Archive == "":
		return errors.New("-archive is empty: name a file, or - for standard output")
	case o.Linger < 0:
		return errors.New("-linger must not be below zero")
	case o.PrintSonobuoyPlugin && (given["linger"] || given["results-claim"]):
		return errors.New("-linger and -results-claim go with -print-job: Sonobuoy fetches the reports itself")
	case given["results-claim"] && len(validation.IsDNS1123Subdomain(o.ResultsClaim)) > 0:
		return fmt.Errorf("-results-claim %q: %s", o.ResultsClaim, strings.Join(validation.IsDNS1123Subdomain(o.ResultsClaim), "; "))
	}
	if !o.prints() {
		return nil
	}
	for _, name := range notInside {
		if given[name] {
			return fmt.Errorf("-%s means nothing to a run in the cluster that it judges: leave it out", name)
		}
	}
	for _, name := range o.Exempt {
		if !exempt.IsBuiltin(name) {
			return fmt.Errorf("-exempt %s: the suite's image has no such file: expected one of its own lists, builtin:…", name)
		}
	}
	return nil
}

// notPassed are the flags of the printing itself. What the file of -config says is passed
// on, setting by setting: the suite's image has no such file.
var notPassed = []string{"print-job", "print-sonobuoy-plugin", "suite-image", "results-claim", "linger", "config"}

// passedOn are the arguments that a printed manifest passes on, each in one word: what the
// environment and the file say first, so that the command line follows it.
func passedOn(weaker []setting, arguments []string, flags *flag.FlagSet) []string {
	var passed []string
	pass := func(name, behind string) {
		if !slices.Contains(notPassed, name) {
			passed = append(passed, "-"+name+behind)
		}
	}
	for _, one := range weaker {
		for _, text := range one.values {
			pass(one.name, "="+text)
		}
	}
	for i := 0; i < len(arguments); i++ {
		name, text, hasText := strings.Cut(strings.TrimLeft(arguments[i], "-"), "=")
		f := flags.Lookup(name)
		if f == nil {
			continue // no flag: refused before, or told by another
		}
		if boolean, ok := f.Value.(interface{ IsBoolFlag() bool }); !hasText && (!ok || !boolean.IsBoolFlag()) && i+1 < len(arguments) {
			i++
			text, hasText = arguments[i], true
		}
		if hasText {
			text = "=" + text
		}
		pass(name, text)
	}
	return passed
}
