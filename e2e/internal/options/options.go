// Package options is the command line: what can be asked for, and what is wrong
// with what was. It touches nothing but the files it is told to write to.
package options

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
	"procns/fixtures"
)

// Options are the command line.
type Options struct {
	Kubeconfig, Context string
	InCluster           bool

	// Profile is what the run is of; empty: Full.
	Profile        Profile
	Run, Skip      []string
	Levels         []suite.Level
	Nodes          string
	RuntimeClasses []string
	Tolerate       targets.Tolerate
	Exempt         []string
	// Require says which levels decide the exit code; empty: Core and Extended.
	Require suite.Requirement

	Images               map[string]string
	Registry, PullSecret string
	// NamespaceLabels, PodLabels and PodAnnotations are what policies demand, besides
	// the opt-outs that everything has.
	NamespaceLabels, PodLabels, PodAnnotations map[string]string

	// What is done instead of a run; at most one of them.
	List, ListImages, PrintRBAC, DryRun, Cleanup, Down bool
	// Version: say which build of the suite this is.
	Version bool
	// PrintExempt names one of the suite's own lists of exemptions.
	PrintExempt string
	// Compare names two reports, the earlier one first: nothing else is done then.
	Compare []string
	// Render names a report of which the page is written.
	Render string
	// Form is that of what is printed: the report of a run, Version, a list, a comparison.
	Form Form
	// Witnesses: Cleanup takes those of an upgrade as well.
	Witnesses bool
	// Completion names the shell whose completion is printed.
	Completion Shell

	// Baseline is an earlier report.json, which the run is compared with.
	Baseline string
	// Phase is where in an upgrade of the cluster the run is; empty: in none.
	Phase Phase

	// Verbose shows each case, Quiet nothing but the verdict.
	Verbose, Quiet bool
	// Progress is how a run shows what it does.
	Progress Progress
	config   string // the file of settings
	// Settings says which settings came from elsewhere than the command line, one line
	// for each place.
	Settings []string

	ReportDir            string
	Resume               string // the folder of an earlier run
	KeepOnFailure        bool
	FailFast             bool
	Timeout, CaseTimeout time.Duration
	Parallel, Pods       int
	NodesAtOnce          int
	Starting             int // 0: as the cluster lets us guess
	QPS                  float64

	// Provision means that a kind cluster is made: none was named.
	Provision   bool
	Engine      string
	NodeImage   string
	KindConfig  string
	KindName    string
	HostChanges string
	Keep        bool
	Archives    []string
	// Machines are the nodes that are no containers of kind's, each with the command that
	// reaches it.
	Machines map[string][]string

	Packaged
}

// Form is how something is printed.
type Form string

// The forms of reports, lists and comparisons; a list has no Markdown.
const (
	Text     Form = "text"
	JSON     Form = "json"
	Markdown Form = "markdown"
)

// Phase is where in an upgrade of the cluster a run is.
type Phase string

const (
	// Before the upgrade: the run leaves witnesses.
	Before Phase = "before"
	// After the upgrade: the run judges them.
	After Phase = "after"
)

// UsageError is a mistake on the command line: one line, exit code 3.
type UsageError struct{ error }

// Unwrap returns what is wrong.
func (e UsageError) Unwrap() error { return e.error }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// value is a flag whose text is checked when it is set.
type value struct {
	text func() string
	set  func(string) error
	many bool // it may be given several times
}

// String implements flag.Value.
func (v value) String() string {
	if v.text == nil {
		return "" // the flag package asks a zero value for the default
	}
	return v.text()
}

// Set implements flag.Value.
func (v value) Set(text string) error { return v.set(text) }

// list collects a flag that may be given several times, and whose text may list
// several values behind commas.
func list[T any](into *[]T, one func(string) (T, error)) value {
	return value{
		many: true,
		text: func() string { return "" },
		set: func(text string) error {
			for part := range strings.SplitSeq(text, ",") {
				parsed, err := one(strings.TrimSpace(part))
				if err != nil {
					return err
				}
				*into = append(*into, parsed)
			}
			return nil
		},
	}
}

func nonEmpty(text string) (string, error) {
	if text == "" {
		return "", errors.New("an empty name")
	}
	return text, nil
}

var levels = []suite.Level{suite.Core, suite.Extended, suite.Informational}

func parseLevel(text string) (suite.Level, error) {
	for _, level := range levels {
		if strings.EqualFold(text, string(level)) {
			return level, nil
		}
	}
	return "", fmt.Errorf("%q is none of core, extended and informational", text)
}

// Group is a set of flags that belong together.
type Group struct {
	Title string
	// About is said before the flags in the page on them.
	About string
	Names []string
	flags *flag.FlagSet
}

// define declares every flag, in groups. What the options have then is what the flags say is their default.
func (o *Options) define() (*flag.FlagSet, []Group) {
	o.Profile, o.Form, o.Progress = Full, Text, Auto
	flags := flag.NewFlagSet("procns.test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var groups []Group
	group := func(title, about string) {
		groups = append(groups, Group{Title: title, About: about, flags: flags})
	}
	named := func(name string) string {
		last := &groups[len(groups)-1]
		last.Names = append(last.Names, name)
		return name
	}

	group("Which cluster", "Without any of these, procns makes a kind cluster.")
	flags.StringVar(&o.Kubeconfig, named("kubeconfig"), "", "kubeconfig `file` of the cluster to test, or a list of files as in $KUBECONFIG")
	flags.StringVar(&o.Context, named("context"), "", "`context` of the kubeconfig to use")
	flags.BoolVar(&o.InCluster, named("in-cluster"), false, "test the cluster that procns runs in, with its pod's ServiceAccount")

	group("Which cases", "")
	flags.Var(value{text: func() string { return string(o.Profile) }, set: o.setProfile}, named("profile"), "`what` the run is of: full (the whole catalogue), core (its Core cases), or sweep (all Core cases on one node of each kind, and on every node those that are read off two small pods); -level, -run and -skip select within it")
	flags.Var(list(&o.Run, nonEmpty), named("run"), "run only the cases that match this `pattern`: an ID, an area, or a pattern with * such as signals/* (repeatable, or behind commas)")
	flags.Var(list(&o.Skip, nonEmpty), named("skip"), "leave out the cases that match this `pattern`, as for -run, or "+HostPID+": those of which a pod asks for the node's PID namespace (repeatable, or behind commas)")
	flags.Var(list(&o.Levels, parseLevel), named("level"), "run only the cases of this `level`: core, extended or informational (repeatable, or behind commas)")
	flags.Var(list(&o.Exempt, nonEmpty), named("exempt"), "results that are known not to pass, in this YAML `file`, or in one of the suite's own lists, builtin:gvisor or builtin:kata: they do not count, but one that passes is an error (repeatable, or behind commas)")

	flags.Var(value{text: func() string { return "" }, set: o.setRequire}, named("require"), "which `level` decides the exit code: core (Core alone) or extended (Core and Extended); the verdict of each level is told all the same (default: extended)")

	group("Which targets", "A target is a node with one of its runtimes. Every case is run on every target.")
	flags.StringVar(&o.Nodes, named("nodes"), "", "`which` nodes: sample (one for each OS image, kernel, runtime, architecture and kubelet), all, or a label selector (default: sample; all with -profile sweep, and on a cluster that procns makes)")
	flags.Var(list(&o.RuntimeClasses, nonEmpty), named("runtime-classes"), "`names` of RuntimeClasses, each a target of its own on each node; default stands for the node's own runtime (default: that alone)")
	flags.Var(value{many: true, text: func() string { return "" }, set: o.setTolerate}, named("tolerate"), "run on nodes with this `taint` as well: key:Effect, key=value:Effect, or all, which leaves out those that mark a node as unwell or cordoned (repeatable)")

	group("Images", "The manifests name nginx, busybox and pause, which are used by digest unless another image is asked for. `-list-images` prints what a run would pull.")
	flags.Var(value{many: true, text: func() string { return "" }, set: o.setImage}, named("image"), "use another image, `name=reference`, such as nginx=registry.example/nginx@sha256:…, or by digest alone, nginx=@sha256:…; busybox stands for every tag of it that busybox:1.28 does not name (repeatable)")
	flags.Var(value{text: func() string { return o.Registry }, set: o.setRegistry}, named("registry"), "take the images from this registry, with an optional path, as `prefix`: mirror.example/lib makes docker.io/library/busybox mirror.example/lib/busybox; tags and digests stay")
	flags.Var(value{text: func() string { return o.PullSecret }, set: o.setPullSecret}, named("pull-secret"), "pull with this existing Secret, `NAMESPACE/NAME`: it is copied into the run's namespace")

	group("Policies", "What a policy demands of namespaces and pods, or takes as an exemption. The well-known opt-outs of meshes and autoscalers are set anyway.")
	flags.Var(pairs(&o.NamespaceLabels, validation.IsValidLabelValue), named("namespace-label"), "give the run's namespaces this label, `key=value` (repeatable)")
	flags.Var(pairs(&o.PodLabels, validation.IsValidLabelValue), named("pod-label"), "give every pod this label, `key=value` (repeatable)")
	flags.Var(pairs(&o.PodAnnotations, anyValue), named("pod-annotation"), "give every pod this annotation, `key=value` (repeatable)")

	group("Upgrades", "Does it still behave? [UPGRADES.md](UPGRADES.md) tells how to ask.")
	flags.StringVar(&o.Baseline, named("baseline"), "", "compare the run with this earlier `report.json`: what conformed there and does not any more is exit code 1, what cannot be told is 2")
	flags.Var(value{text: func() string { return "" }, set: o.setPhase}, named("phase"), "`phase` of an upgrade that the run is in: before (it leaves witnesses, pods that live through the upgrade) or after (it judges them, and deletes them)")

	group("Instead of a run", "At most one of these.")
	flags.BoolVar(&o.Version, named("version"), false, "say which build this is: version, commit, Go, and the SHA-256 of the catalogue, without a cluster; so does the argument version")
	flags.BoolVar(&o.List, named("list"), false, "list the cases that -run and -level select, without a cluster")
	flags.BoolVar(&o.ListImages, named("list-images"), false, "list every image that these cases use, after -image and -registry, without a cluster")
	flags.Var(value{text: func() string { return "" }, set: o.setCompare}, named("compare"), "compare two reports, `earlier.json later.json`, without a cluster; the exit code is that of -baseline")
	flags.StringVar(&o.Render, named("render"), "", "print the page, report.html, of this `report.json`, without a cluster; with the process tables of the evidence beside it, where the report holds none")
	flags.StringVar(&o.PrintExempt, named("print-exempt"), "", "print one of the suite's own lists for -exempt, `builtin:list` such as builtin:gvisor, to be kept and edited as a file")
	flags.BoolVar(&o.PrintRBAC, named("print-rbac"), false, "print the permissions that a run needs, as a manifest, without a cluster")
	flags.BoolVar(&o.DryRun, named("dry-run"), false, "check the cluster and report every case as planned; nothing is created, and the exit code is 2 at best")
	flags.BoolVar(&o.Cleanup, named("cleanup"), false, "delete the namespaces that dead runs left on the cluster: those that show no sign of life for a minute")
	flags.BoolVar(&o.Witnesses, named("witnesses"), false, "with -cleanup: delete the witnesses of -phase before as well, which otherwise wait for -phase after")
	flags.BoolVar(&o.Down, named("down"), false, "delete the kind cluster that -keep kept")
	flags.Var(value{text: func() string { return "" }, set: o.setCompletion}, named("completion"), "print what completes these flags in a `shell`: bash, zsh or fish")

	group("What is printed", "Progress goes to standard error, what is found to standard output. [PROGRESS.md](PROGRESS.md) shows both.")
	flags.BoolVar(&o.Verbose, named("v"), false, "print a line for each result as it is known, and in the end the table of all results and all that was recorded, as in e2e.log")
	flags.BoolVar(&o.Quiet, named("quiet"), false, "print nothing but the verdict, in one line, and what could not be removed")
	flags.Var(value{text: func() string { return string(o.Form) }, set: o.setForm}, named("o"), "the `form` of what a run finds, of -version, a list or a comparison, on standard output: text, json, or (a run, a comparison) markdown")
	flags.Var(value{text: func() string { return string(o.Progress) }, set: o.setProgress}, named("progress"), "`how` a run shows what it does: auto (a view on a terminal, lines elsewhere), lines, or json (for programs: a JSON object a line on standard output, instead of the text)")

	group("Where the cluster is", "For a run in the cluster that it tests: [IN_CLUSTER.md](IN_CLUSTER.md). What is printed passes on the other flags that are given, and what the environment and the file of `-config` say of a run.")
	o.definePackaged(flags, named)

	group("The run", "")
	flags.Var(value{text: func() string { return "" }, set: o.setConfig}, named("config"), "settings from this YAML `file`, by the names of these flags")
	flags.StringVar(&o.ReportDir, named("report-dir"), "_artifacts", "`folder` for the reports; each run makes a folder of its own in it (where nothing names a folder, and $ARTIFACTS or $SONOBUOY_RESULTS_DIR is set, the reports go there, without one)")
	flags.StringVar(&o.Resume, named("resume"), "", "go on with the run that was interrupted and has left its results.jsonl in this `folder`: nodes that have answered are not asked again, and the reports are written there; give the same -profile, -run, -skip and -level")
	flags.BoolVar(&o.KeepOnFailure, named("keep-on-failure"), false, "keep the pods of cases that did not pass, and their namespace, until -cleanup")
	flags.BoolVar(&o.FailFast, named("fail-fast"), false, "start no pod any more after the first result that keeps the exit code from being 0: those that run come to their end, and what has no result then is not run")
	flags.DurationVar(&o.Timeout, named("timeout"), time.Hour, "longest `duration` of the whole run; what is not judged by then is inconclusive")
	flags.DurationVar(&o.CaseTimeout, named("case-timeout"), 5*time.Minute, "longest `duration` that a case waits for its pod, and for what it needs to see first")
	flags.IntVar(&o.Parallel, named("parallel"), 16, "how `many` pods are acted on and observed at one time")
	flags.IntVar(&o.Pods, named("pods"), 40, "how `many` pods each target runs at one time, at most: fewer where its node has no room")
	flags.IntVar(&o.Starting, named("starting"), 0, "how `many` pods start at one time (default: 8 for each target, and 64 at most; four for each processor where the nodes are kind's)")
	flags.IntVar(&o.NodesAtOnce, named("nodes-at-once"), suite.NodesAtOnce, "on how `many` nodes there is work at one time: the others wait for their turn")
	flags.Float64Var(&o.QPS, named("qps"), 100, "requests a second to the API server, at most this `rate`")

	group("The kind cluster", "For a run without a cluster of yours; `make e2e` sets them.")
	flags.StringVar(&o.Engine, named("engine"), "podman", "container `engine`: docker, podman or nerdctl")
	flags.StringVar(&o.NodeImage, named("node-image"), "", "node `image` (default: kind's own)")
	flags.StringVar(&o.KindConfig, named("kind-config"), "kind-config.yaml", "kind's configuration `file`")
	flags.StringVar(&o.KindName, named("kind-name"), "procns", "`name` of the cluster that -keep keeps, and that a run uses if it is there")
	flags.Var(value{many: true, text: func() string { return "" }, set: func(text string) error {
		o.Archives = append(o.Archives, text)
		return nil
	}}, named("load"), "load this image `archive` into the nodes (repeatable)")
	flags.Var(value{text: func() string { return "" }, set: o.setMachine}, named("machine"), "reach this node by a command, `node=command` such as vm=\"ssh root@vm\": a machine that has joined the cluster and is no container of kind's. The command gets one more argument, a line for a shell there (repeatable)")
	flags.BoolVar(&o.Keep, named("keep"), false, "keep the cluster, for the next run to use again")
	flags.StringVar(&o.HostChanges, named("host-changes"), "", "what the set-up did to the host, as a `text` for the report")
	return flags, groups
}

func (o *Options) setTolerate(text string) error {
	if text == "all" {
		o.Tolerate.All = true
		return nil
	}
	toleration, err := targets.ParseToleration(text)
	if err == nil {
		o.Tolerate.List = append(o.Tolerate.List, toleration)
	}
	return err
}

func (o *Options) setMachine(text string) error {
	node, command, ok := strings.Cut(text, "=")
	words := strings.Fields(command)
	if !ok || len(words) == 0 {
		return errors.New("expected node=command")
	}
	if problems := validation.IsDNS1123Subdomain(node); len(problems) > 0 {
		return fmt.Errorf("the node %q: %s", node, strings.Join(problems, "; "))
	}
	if _, given := o.Machines[node]; given {
		return fmt.Errorf("the node %q has two commands", node)
	}
	if o.Machines == nil {
		o.Machines = map[string][]string{}
	}
	o.Machines[node] = words
	return nil
}

func (o *Options) setRequire(text string) error {
	for _, require := range suite.Requirements {
		if strings.EqualFold(text, string(require)) {
			o.Require = require
			return nil
		}
	}
	if strings.EqualFold(text, string(suite.Informational)) {
		return errors.New("informational cases have no verdict: expected core or extended")
	}
	return errors.New("expected core or extended")
}

func (o *Options) setForm(text string) error {
	return oneOf(text, &o.Form, Text, JSON, Markdown)
}

func (o *Options) setPhase(text string) error {
	return oneOf(text, &o.Phase, Before, After)
}

func (o *Options) setCompare(text string) error {
	if text == "" {
		return errors.New("an empty name")
	}
	o.Compare = append(o.Compare, text)
	return nil
}

// Choice is what is asked for in targets.
func (o Options) Choice() targets.Choice {
	return targets.Choice{Nodes: o.Nodes, RuntimeClasses: o.RuntimeClasses, Tolerate: o.Tolerate}
}

// Placement is how the pods of a run are made.
func (o Options) Placement(runID string, tolerations map[string][]corev1.Toleration) suite.Placement {
	p := suite.Placement{RunID: runID, Images: o.Images, Registry: o.Registry, Pinned: fixtures.Pinned(), Tolerations: tolerations}
	if o.PullSecret != "" {
		p.PullSecret = PullSecretName
	}
	return o.marked(p)
}

// PullSecretName is the name of the copied Secret in the run's namespace.
const PullSecretName = "procns-pull-secret"
