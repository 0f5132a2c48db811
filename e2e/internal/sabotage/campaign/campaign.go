package campaign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"procns/e2e/internal/cluster"
	"procns/e2e/internal/report"
	"procns/e2e/internal/sabotage/matrix"
	"procns/e2e/internal/sabotage/mutants"
	"procns/e2e/internal/sabotage/wrapper"
	"procns/e2e/internal/suite"
)

// Campaign is one run of the suite against each of some mutants, on one kind cluster.
type Campaign struct {
	Cluster, Engine, NodeImage string
	// Suite is the test binary, and Runtime the program that goes into the nodes.
	Suite, Runtime string
	// Images are name=reference, and Archives those that hold them.
	Images, Archives []string
	// Folder receives everything: a folder of reports for each mutant.
	Folder string
	// Mutants are those that are tried, in this order.
	Mutants []mutants.Mutant
	// Cases are the whole catalogue.
	Cases []suite.Case
	// Only are patterns of the cases to be run, as for -run; empty: all that a mutant may concern.
	Only []string
	// Whole runs every case under every mutant that is not confined to some.
	Whole bool
	// AtOnce is how many mutants are tried at one time.
	AtOnce int
	// Timeout bounds each run of the suite.
	Timeout time.Duration
	Out     io.Writer

	mu         sync.Mutex
	config     *rest.Config
	client     kubernetes.Interface
	kubeconfig string
	nodes      suite.Nodes
	programs   string // the folder that the nodes mount
	admission  admission
}

// say prints one line.
func (c *Campaign) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.Out, "==> "+format+"\n", args...)
}

// Run makes the cluster, breaks it, runs the suite, and returns what was found. The cluster
// is left.
func (c *Campaign) Run(ctx context.Context) (matrix.Matrix, error) {
	for _, part := range []func(context.Context) error{c.prepare, c.together, c.alone} {
		if err := part(ctx); err != nil {
			return matrix.New(), err
		}
	}
	return c.Found()
}

// Found is what the reports in the folder say of the mutants.
func (c *Campaign) Found() (matrix.Matrix, error) {
	found := matrix.New()
	for _, m := range c.Mutants {
		runs, err := c.Reports(m.Name)
		if err != nil {
			return found, err
		}
		for _, r := range runs {
			found.Add(m.Name, r.Document)
		}
	}
	return found, nil
}

// prepare makes the cluster, and puts the mutants into it. All that the list has are installed:
// which are tried makes no difference.
func (c *Campaign) prepare(ctx context.Context) error {
	for _, part := range []func() error{c.writePrograms, func() error { return c.makeCluster(ctx) }, c.connect} {
		if err := part(); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := install(ctx, c.client, c.nodes, c.Cluster+"-control-plane", mutants.All()); err != nil {
		return err
	}
	c.say("%d mutants installed: %.1fs", len(mutants.All()), time.Since(began).Seconds())
	return nil
}

// writePrograms makes the folder that the nodes mount, and kind's configuration, which names it.
func (c *Campaign) writePrograms() error {
	// The same in each campaign: a cluster that was kept has it mounted.
	folder, err := filepath.Abs(filepath.Join(filepath.Dir(c.Runtime), "sabotage-programs"))
	if err != nil {
		return err
	}
	if err := MakeFolder(folder, c.Runtime, mutants.All()); err != nil {
		return err
	}
	config, err := KindConfig(folder, mutants.All())
	if err != nil {
		return err
	}
	c.programs = folder
	return os.WriteFile(c.kindConfig(), config, 0o644)
}

// makeCluster makes it by a run of one case, which must be conformant.
func (c *Campaign) makeCluster(ctx context.Context) error {
	folder := filepath.Join(c.Folder, "cluster")
	arguments := append(c.ownCluster(folder), "-run", "version/field-is-kept")
	for _, archive := range c.Archives {
		arguments = append(arguments, "-load", archive)
	}
	code, err := c.suite(ctx, folder, arguments)
	if err == nil && code != suite.ExitConformant {
		err = fmt.Errorf("the cluster could not be made, or is not sound before anything is broken (exit code %d): see %s", code, output(folder))
	}
	return err
}

// connect finds the way to the cluster, which the gateways take as well.
func (c *Campaign) connect() error {
	kind, err := cluster.NewKind(c.Cluster, c.Engine, c.NodeImage, c.Folder, c.Out)
	if err != nil {
		return err
	}
	if err := kind.WriteKubeconfig(); err != nil {
		return err
	}
	config, client, _, err := cluster.Connect(cluster.Place{Kubeconfig: kind.Kubeconfig()}, 50, &cluster.Counts{})
	if err != nil {
		return err
	}
	c.config, c.nodes = config, cluster.OwnNodes{Kind: kind, Client: client}
	c.client, c.kubeconfig = client, kind.Kubeconfig()
	return nil
}

func (c *Campaign) kindConfig() string { return filepath.Join(c.Folder, "kind-config.yaml") }

// together tries the mutants that do not get into each other's way, some at one time: first those under
// which the API server asks no webhook.
func (c *Campaign) together(ctx context.Context) error {
	for _, webhooks := range []bool{false, true} {
		places := make(chan struct{}, max(1, c.AtOnce))
		failures := make([]error, len(c.Mutants))
		var wg sync.WaitGroup
		for i, m := range c.Mutants {
			if m.Alone() || (m.Admission != nil) != webhooks {
				continue
			}
			places <- struct{}{}
			wg.Go(func() {
				defer func() { <-places }()
				failures[i] = c.try(ctx, m, c.selection(m))
			})
		}
		wg.Wait()
		if err := errors.Join(failures...); err != nil {
			return err
		}
	}
	return nil
}

// alone tries what is a policy for all pods, restarts or breaks the node, or waits for an upgrade, one
// after the other; what breaks the node comes last.
func (c *Campaign) alone(ctx context.Context) error {
	for _, m := range c.Mutants {
		if m.Policy != nil {
			if err := c.try(ctx, m, c.selection(m)); err != nil {
				return err
			}
		}
	}
	for _, m := range c.Mutants {
		if len(m.Disruptions) > 0 {
			if err := c.try(ctx, m, c.among(m.Disruptions)); err != nil {
				return err
			}
		}
	}
	for _, m := range c.Mutants {
		if m.Between == "" {
			continue
		}
		// Cases are selected, or all would be: one that is soon done.
		if err := c.try(ctx, m, []string{"version/field-is-kept"}, "-phase", "before"); err != nil {
			return err
		}
		if err := c.onWorker(ctx, m, m.Between); err != nil {
			return err
		}
		if err := c.try(ctx, m, c.selection(m), "-phase", "after"); err != nil {
			return err
		}
	}
	for _, m := range c.Mutants {
		if m.Node == "" {
			continue
		}
		if err := c.onWorker(ctx, m, m.Node); err != nil {
			return err
		}
		if err := c.try(ctx, m, c.selection(m)); err != nil {
			return err
		}
	}
	return nil
}

// onWorker runs a mutant's script on the worker, as root.
func (c *Campaign) onWorker(ctx context.Context, m mutants.Mutant, script string) error {
	result, err := c.nodes.Run(ctx, c.Cluster+"-worker", "env", "AWAKE="+wrapper.AwakeFile(m.Name), "sh", "-ec", script)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("the mutant %s cannot be made: %s", m.Name, result)
	}
	return err
}

// selection are the patterns of the cases that are run under a mutant.
func (c *Campaign) selection(m mutants.Mutant) []string { return c.among(c.concerned(m)) }

// among are the cases, of those that patterns name, that are to be run: where only some are, with
// all that share a pod with one of them, so that one recording serves them all.
func (c *Campaign) among(patterns []string) []string {
	if len(c.Only) == 0 {
		return patterns
	}
	stage := func(one suite.Case) string { return suite.StageName(one.Fixture, one.Act, one.Submit) }
	stages := map[string]bool{}
	for _, one := range c.Cases {
		if named(one, c.Only) && named(one, patterns) {
			stages[stage(one)] = true
		}
	}
	var ids []string
	for _, one := range c.Cases {
		if stages[stage(one)] && named(one, patterns) {
			ids = append(ids, one.ID)
		}
	}
	return ids
}

// named tells whether one of the patterns, which are those of -run, names a case.
func named(c suite.Case, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		fits, err := path.Match(pattern, c.ID)
		return err == nil && fits || c.Area() == pattern
	})
}

// concerned are the patterns of the cases that a mutant may concern.
func (c *Campaign) concerned(m mutants.Mutant) []string {
	if len(m.Run) > 0 && (m.Confined != "" || !c.Whole) {
		return m.Run
	}
	var areas []string
	for _, one := range c.Cases {
		if area := one.Area(); area != "disruption" && area != "upgrade" && !slices.Contains(areas, area) {
			areas = append(areas, area)
		}
	}
	return areas
}

// caseTimeout is how long a case waits for what it needs to see first. Under many mutants that never
// comes; a sound node has it within a minute, also when two mutants are tried at one time.
const caseTimeout = 3 * time.Minute

// try runs the suite against one mutant.
func (c *Campaign) try(ctx context.Context, m mutants.Mutant, run []string, flags ...string) error {
	if len(run) == 0 {
		return nil // none of the cases that are asked for
	}
	began := time.Now()
	code, err := c.runUnder(ctx, m, run, flags)
	if err == nil && code == suite.ExitUsage {
		err = fmt.Errorf("the suite could not be run under the mutant %s: see %s", m.Name, output(filepath.Join(c.Folder, m.Name)))
	}
	if err == nil {
		c.say("%s: exit code %d, %.0fs", strings.Join(append([]string{m.Name}, flags...), " "), code, time.Since(began).Seconds())
	}
	return err
}

// runUnder sees to the webhook, the policy or the gateway that the mutant needs meanwhile.
func (c *Campaign) runUnder(ctx context.Context, m mutants.Mutant, run, flags []string) (code int, err error) {
	folder := filepath.Join(c.Folder, m.Name)
	takeBack, err := c.admit(ctx, m)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, takeBack(context.WithoutCancel(ctx))) }()
	var arguments []string
	switch {
	case m.Gateway != nil:
		kubeconfig, stop, err := c.serve(m, folder)
		if err != nil {
			return 0, err
		}
		defer stop()
		arguments = c.otherCluster(kubeconfig, folder)
	case m.Foreign != "":
		arguments = c.otherCluster(c.kubeconfig, folder)
	default:
		arguments = c.ownCluster(folder)
	}
	if m.HasClass() {
		arguments = append(arguments, "-runtime-classes", m.Name)
	}
	arguments = append(arguments, flags...)
	starting := max(2, 4*runtime.NumCPU()/max(1, c.AtOnce))
	arguments = append(arguments, "-run", strings.Join(run, ","), "-timeout", c.Timeout.String(), "-case-timeout", caseTimeout.String(), "-starting", fmt.Sprint(starting))
	return c.suite(ctx, folder, arguments)
}

// otherCluster are the arguments by which the suite takes the campaign's cluster for another's.
func (c *Campaign) otherCluster(kubeconfig, folder string) []string {
	return append([]string{"-kubeconfig", kubeconfig, "-report-dir", folder}, c.images()...)
}

// ownCluster are the arguments by which the suite uses, or makes, the campaign's cluster.
func (c *Campaign) ownCluster(folder string) []string {
	return append([]string{
		"-keep", "-kind-name", c.Cluster, "-engine", c.Engine, "-node-image", c.NodeImage, "-kind-config", c.kindConfig(), "-report-dir", folder,
	}, c.images()...)
}

func (c *Campaign) images() []string {
	var arguments []string
	for _, image := range c.Images {
		arguments = append(arguments, "-image", image)
	}
	return arguments
}

// Report is what one run of the suite found, and its folder.
type Report struct {
	Folder   string
	Document report.Document
}

// Reports are those of the runs under a mutant, in the order in which they were made.
func (c *Campaign) Reports(mutant string) ([]Report, error) {
	files, err := filepath.Glob(filepath.Join(c.Folder, mutant, "*", "report.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files) // a run's folder begins with its time
	var all []Report
	for _, name := range files {
		d, err := report.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, Report{filepath.Dir(name), d})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no report of a run under the mutant %s in %s", mutant, c.Folder)
	}
	return all, nil
}
