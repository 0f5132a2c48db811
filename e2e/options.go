// Package e2e is procns's test binary: it makes or attaches to a cluster, runs
// the catalogue on every target, and reports.
package e2e

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/suite"
)

// options are the command line.
type options struct {
	kubeconfig, context string
	run                 string
	list                bool
	down                bool

	provision  bool // make a kind cluster: no kubeconfig was given
	engine     string
	nodeImage  string
	kindConfig string
	mends      string
	keep       bool
	archives   stringList
	images     imageMap

	reportDir string
	timeout   time.Duration
	parallel  int
	pods      int
	starting  int
	qps       float64
}

// usageError is a mistake on the command line: one line, exit code 3.
type usageError struct{ error }

// stringList collects a flag that may be given several times.
type stringList []string

func (l *stringList) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *stringList) Set(value string) error { *l = append(*l, value); return nil }

// imageMap collects -image name=reference.
type imageMap map[string]string

func (m *imageMap) String() string { return fmt.Sprint(map[string]string(*m)) }

// Set implements flag.Value.
func (m *imageMap) Set(value string) error {
	name, reference, ok := strings.Cut(value, "=")
	if !ok || reference == "" || !slices.Contains(documentedImages, name) {
		return fmt.Errorf("expected one of %v, then =, then a reference, such as nginx=registry.example/nginx@sha256:…", documentedImages)
	}
	if *m == nil {
		*m = imageMap{}
	}
	(*m)[name] = reference
	return nil
}

// documentedImages are the images that the manifests name.
var documentedImages = []string{"nginx", "busybox", "pause"}

// parseOptions reads the arguments without the program's name, and without the
// testing package's own flags.
func parseOptions(arguments []string, output io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("procns", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "judge the cluster of this kubeconfig `file`; without it and -context a kind cluster is made")
	flags.StringVar(&o.context, "context", "", "judge the cluster of this kubeconfig `context`")
	flags.StringVar(&o.run, "run", "", "run the cases whose ID matches this `pattern` only: an ID, or a pattern with * such as signals/*")
	flags.BoolVar(&o.list, "list", false, "list the cases, without a cluster")
	flags.BoolVar(&o.down, "down", false, "delete the kind cluster that an earlier run kept, and do nothing else")
	flags.StringVar(&o.engine, "engine", "podman", "container `engine` for the kind cluster: docker, podman or nerdctl")
	flags.StringVar(&o.nodeImage, "node-image", "", "node `image` for the kind cluster (default: kind's own)")
	flags.StringVar(&o.kindConfig, "kind-config", "kind-config.yaml", "kind's configuration `file`")
	flags.StringVar(&o.mends, "mends", "", "what the set-up did to the host, `said` in the report")
	flags.BoolVar(&o.keep, "keep", false, "keep the kind cluster, for the next run to use again")
	flags.Var(&o.archives, "load", "load this image `archive` into the kind cluster's nodes (repeatable)")
	flags.Var(&o.images, "image", "use another reference for an image of the manifests, `name=reference` (repeatable)")
	flags.StringVar(&o.reportDir, "report-dir", "_artifacts", "`folder` for the reports; each run makes a folder of its own in it")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "longest wait for a pod, or for what a case needs to see first")
	flags.IntVar(&o.parallel, "parallel", 16, "how many pods are acted on and observed at one time")
	flags.IntVar(&o.pods, "pods", 40, "how many pods each target runs at one time")
	flags.IntVar(&o.starting, "starting", 0, "how many pods start at one time (default 8 for each target, and four for each processor where the nodes are kind's)")
	flags.Float64Var(&o.qps, "qps", 100, "requests a second to the API server")
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(output, "usage: procns.test [flags]")
			flags.SetOutput(output)
			flags.PrintDefaults()
			return o, err
		}
		return o, usageError{err}
	}
	if flags.NArg() > 0 {
		return o, usageError{fmt.Errorf("unexpected argument %q: everything is said by flags, see -help", flags.Arg(0))}
	}
	if o.parallel < 1 || o.pods < 1 || o.qps <= 0 || o.timeout <= 0 {
		return o, usageError{errors.New("-parallel, -pods, -qps and -timeout must be above zero")}
	}
	o.provision = o.kubeconfig == "" && o.context == ""
	return o, nil
}

// selectCases returns the cases whose ID matches the pattern. None at all is an
// error that names the nearest.
func selectCases(all []suite.Case, pattern string) ([]suite.Case, error) {
	if pattern == "" {
		return all, nil
	}
	var selected []suite.Case
	for _, c := range all {
		matched, err := path.Match(pattern, c.ID)
		if err != nil {
			return nil, usageError{fmt.Errorf("-run %q: %w", pattern, err)}
		}
		if matched || c.ID == pattern || c.Area() == strings.TrimSuffix(pattern, "/") {
			selected = append(selected, c)
		}
	}
	if len(selected) == 0 {
		return nil, usageError{fmt.Errorf("-run %q matches no case; near: %s; all of them: -list", pattern, strings.Join(nearest(all, pattern), ", "))}
	}
	return selected, nil
}

// nearest returns the IDs that share most letter pairs with the pattern.
func nearest(all []suite.Case, pattern string) []string {
	score := func(id string) int {
		n := 0
		for i := range len(pattern) - 1 {
			if strings.Contains(id, pattern[i:i+2]) {
				n++
			}
		}
		return n
	}
	var ids []string
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	slices.SortStableFunc(ids, func(a, b string) int { return score(b) - score(a) })
	return ids[:min(3, len(ids))]
}
