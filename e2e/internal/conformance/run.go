// Package conformance is one run of the suite, from the command line to the exit
// code.
package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"procns/e2e/internal/cluster"
	"procns/e2e/internal/exempt"
	"procns/e2e/internal/options"
	"procns/e2e/internal/preflight"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
	"procns/fixtures"
)

// Run is one run, from the cluster to the report.
type Run struct {
	options.Options
	Cases      []suite.Case
	exemptions exempt.List
	baseline   *report.Document // what -baseline named, if anything
	folder     *folder
	stderr     io.Writer

	kind    *cluster.Kind
	created bool // this run made the kind cluster
	session *cluster.Session
	counts  cluster.Counts
	runner  *suite.Runner
	upgrade upgrade
	// cgroupModes are asked for while there is other work.
	cgroupModes chan []string

	report  report.Run
	results *resultTable
	ran     chan struct{} // closed when the runner is done
}

// newRun prepares a run: its folder, its log. Nothing outside is touched.
func newRun(o options.Options, catalogue, selected []suite.Case, exemptions exempt.List, version string, stderr io.Writer) (*Run, error) {
	now := time.Now()
	id := now.UTC().Format("20060102-150405") + "-" + probe.RandomHex(2)
	folder, err := makeFolder(o.ReportDir, id)
	if err != nil {
		return nil, err
	}
	c := &Run{
		Options: o, Cases: selected, exemptions: exemptions, folder: folder, stderr: stderr,
		results: newResultTable(), ran: make(chan struct{}), cgroupModes: make(chan []string, 1),
		report: report.Run{
			ID: id, Started: now, Folder: folder.Path,
			Suite: report.Suite{
				Version: version, Go: runtime.Version(), CaseCount: len(catalogue), Selected: len(selected),
				CatalogueSHA256: report.CatalogueSHA256(selected),
			},
			Images: map[string]string{},
			Stats:  report.Stats{ReadySeconds: map[string]float64{}},
		},
	}
	images, err := o.AllImages(selected, fixtures.Read)
	if err != nil {
		return nil, err
	}
	for _, image := range images {
		if image.Image != image.Documented {
			c.report.Images[image.Documented] = image.Image
			c.report.ImagePullPolicy = string(corev1.PullIfNotPresent)
		}
	}
	if o.Mends != "" {
		c.report.Mends = append(c.report.Mends, o.Mends)
	}
	return c, nil
}

// Log is the run's log.
func (c *Run) Log() io.Writer { return c.folder.Log }

// Targets are where the cases are run, once Prepare has found them.
func (c *Run) Targets() []suite.Target { return c.report.Targets }

// say tells the user, and the log.
func (c *Run) say(format string, args ...any) {
	fmt.Fprintf(c.stderr, format+"\n", args...)
	c.folder.log.Printf(format, args...)
}

// step says how long a part of the set-up took.
func (c *Run) step(what string, do func() error) error {
	began := time.Now()
	c.folder.log.Printf("%s …", what)
	err := do()
	if err == nil {
		c.say("==> %s: %.1fs", what, time.Since(began).Seconds())
	}
	return err
}

func (c *Run) place() cluster.Place {
	return cluster.Place{Kubeconfig: c.Kubeconfig, Context: c.Context, InCluster: c.InCluster}
}

// Bound gives a run the time that it has as a whole.
func (c *Run) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("the run's time of %s is over (-timeout)", c.Timeout))
}

// Prepare reaches the cluster, finds the targets and makes the runner. Where that
// fails, the report says why.
func (c *Run) Prepare(ctx context.Context) error {
	err := c.prepare(ctx)
	if err == nil {
		return nil
	}
	c.folder.log.Printf("set-up: %v", err)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
		c.report.CannotTell = true // interrupted: nothing is wrong with the set-up
	}
	if errors.Is(err, targets.ErrNone) {
		c.report.CannotTell = true
	}
	c.report.Problem = oneLine(err)
	return err
}

func (c *Run) prepare(ctx context.Context) error {
	if c.Provision {
		if err := c.provisionCluster(ctx); err != nil {
			return err
		}
	}
	config, client, contextName, err := cluster.Connect(c.place(), float32(c.QPS), &c.counts)
	if err != nil {
		return err
	}
	c.report.Cluster.Context = contextName
	if err := c.step("preflight", func() error { return c.preflight(ctx, config, client) }); err != nil {
		return err
	}
	for i, mode := range <-c.cgroupModes {
		c.report.Targets[i].CgroupMode = mode
	}
	return nil
}

// preflight finds out whether the suite can run, and on what.
func (c *Run) preflight(ctx context.Context, config *rest.Config, client kubernetes.Interface) (err error) {
	needs := c.needs()
	images, err := c.AllImages(c.Cases, fixtures.Read)
	if err != nil {
		return err
	}
	asked := cluster.Asked{RunID: c.report.ID, Choice: c.Choice(), Needs: needs}
	for _, image := range images {
		if !slices.Contains(asked.Images, image.Image) { // two documented ones may be one here
			asked.Images = append(asked.Images, image.Image)
		}
	}
	asked.Loaded = c.kind != nil && len(c.Archives) > 0
	survey, err := cluster.Look(ctx, client, config.Host, asked)
	checks := survey.Checks
	defer func() { c.tell(checks) }()
	c.note(survey)
	if err != nil {
		return err
	}
	if err := c.exemptions.Check(c.Cases, c.report.Targets); err != nil {
		return options.Usagef("-exempt %s: %w", c.Exempt, err)
	}
	go func() { c.cgroupModes <- cluster.CgroupModes(ctx, client, survey.Selection.Targets) }()
	placement := c.Placement(c.report.ID, survey.Selection.Tolerations)
	if c.DryRun {
		c.plan()
		return nil
	}
	if err := c.openUpgrade(ctx, config, client); err != nil {
		return err
	}
	if said := c.report.Upgrade; said != nil && c.Phase == options.After {
		checks = append(checks, preflight.Check{Name: "upgrade", State: preflight.OK, Said: fmt.Sprintf(
			"%d witnesses of run %s, left under Kubernetes %s", said.Witnesses, said.Run, said.Server)})
	}
	if c.session, err = cluster.Open(ctx, client, config, c.report.ID, &c.counts); err != nil {
		return err
	}
	c.session.Nodes = survey.Nodes
	c.counts.Patient.Store(true)
	if from, name, ok := strings.Cut(c.PullSecret, "/"); ok {
		for _, s := range c.sessions() {
			if err := s.CopyPullSecret(ctx, from, name, options.PullSecretName); err != nil {
				return err
			}
		}
	}
	samples, err := sampled(placement)
	if err != nil {
		return err
	}
	checks = append(checks, c.session.LookInside(ctx, samples, min(c.Pods, podsOfCase*len(c.Cases))*len(c.report.Targets))...)
	off := ""
	if survey.Gate.ReadBack {
		if off, err = c.gateOff(ctx, survey.Version, samples[documentedManifest]); err != nil {
			return err
		}
	}
	c.makeRunner(client, placement, survey.Version, off)
	return nil
}

// podsOfCase is the fixture, the control and a neighbour.
const podsOfCase = 3

// note keeps what the survey found for the report.
func (c *Run) note(survey cluster.Survey) {
	about := &c.report.Cluster
	about.ServerVersion, about.Platform, about.UID = survey.Server.Version, survey.Server.Platform, survey.Server.UID
	if about.Provisioned == "" {
		about.Provisioned = "existing"
	}
	c.report.Targets = survey.Selection.Targets
	for _, l := range survey.Selection.LeftOut {
		c.report.LeftOut = append(c.report.LeftOut, report.LeftOut{Node: l.Node, Reason: l.Reason})
	}
}

// tell keeps and prints the preflight's table.
func (c *Run) tell(checks []preflight.Check) {
	for _, check := range checks {
		c.report.Preflight = append(c.report.Preflight, report.Check{Name: check.Name, State: string(check.State), Said: check.Said})
	}
	var table bytes.Buffer
	if err := preflight.WriteTable(&table, checks); err == nil && table.Len() > 0 {
		c.say("%s", strings.TrimRight(table.String(), "\n"))
	}
}

// sampled are pods that the run's namespace has to admit: the documented one, and
// one that no level of Pod Security but privileged admits.
func sampled(placement suite.Placement) (map[string]suite.Manifest, error) {
	samples := map[string]suite.Manifest{}
	for _, file := range []string{documentedManifest, "lookout-host-pid.yaml"} {
		raw, err := fixtures.Read(file)
		if err != nil {
			return nil, err
		}
		manifest, err := suite.DecodeManifest(file, raw)
		if err != nil {
			return nil, err
		}
		samples[file] = manifest.Place(placement)
	}
	return samples, nil
}

// plan has every result say that it would have been made.
func (c *Run) plan() {
	for _, target := range c.report.Targets {
		for _, one := range c.Cases {
			r := suite.Result{Case: one, Target: target, Outcome: suite.Planned}
			c.report.Results = append(c.report.Results, r)
			c.results.put(r)
		}
	}
	close(c.ran)
}

func (c *Run) makeRunner(client kubernetes.Interface, placement suite.Placement, version suite.Version, off string) {
	var own suite.Nodes
	if c.kind != nil {
		own = cluster.OwnNodes{Kind: c.kind, Client: client}
	}
	c.runner = &suite.Runner{
		Cluster: c.session, Nodes: own, Cases: ordinary(c.Cases), Targets: c.report.Targets, Fixtures: fixtures.Read,
		Placement: placement,
		Timeout:   c.CaseTimeout, Parallel: c.Parallel, Starting: c.startingAtOnce(), AtOnce: c.Pods, KeepFailed: c.KeepOnFailure,
		Evidence: c.folder, Log: c.folder.log.Printf,
		OnResult: func(r suite.Result) {
			c.folder.log.Printf("%s: %s: %s %s", r.Target.Name(), r.Case.ID, r.Outcome, r.Reason)
			one := []suite.Result{r}
			_ = c.exemptions.Apply(one) // what is not needed is said of all results together
			c.results.put(one[0])
		},
		OnReady: c.noteReady,
		Skip: func(one suite.Case) string {
			if off != "" {
				return off
			}
			if c.upgrade.others != "" && one.Act != nil && one.Act.Disrupts {
				return "the witnesses of run " + c.upgrade.others + " wait on this cluster for -phase after: their nodes are not disturbed"
			}
			return one.Applies(version)
		},
	}
}

// startingAtOnce is how many pods start at one time. The nodes of a cluster of
// the suite's own share this machine's processors.
func (c *Run) startingAtOnce() int {
	if c.Starting > 0 {
		return c.Starting
	}
	if c.kind != nil {
		return 4 * runtime.NumCPU()
	}
	const each = 8
	return each * len(c.report.Targets)
}

// gateOff creates the documented pod, on servers whose feature gate may be off,
// to see what becomes of the field.
func (c *Run) gateOff(ctx context.Context, version suite.Version, documented suite.Manifest) (string, error) {
	stored, err := c.session.Create(ctx, documented)
	if err != nil {
		return suite.GateOff(version, "", err)
	}
	return suite.GateOff(version, suite.StateOf(stored).Sharing, nil)
}

// documentedManifest is the one whose time to Ready is T.
const documentedManifest = "share-process-namespace.yaml"

var readyLock sync.Mutex

// noteReady keeps the time that the documented pod took, the first on each target.
func (c *Run) noteReady(target suite.Target, manifest string, took time.Duration) {
	if manifest != documentedManifest {
		return
	}
	readyLock.Lock()
	defer readyLock.Unlock()
	known, ok := c.report.Stats.ReadySeconds[target.Name()]
	if !ok || took.Seconds() < known {
		c.report.Stats.ReadySeconds[target.Name()] = took.Seconds()
	}
}

// Start runs the catalogue in the background; Take hands its results over.
func (c *Run) Start(ctx context.Context) {
	if c.runner == nil {
		return // only planned
	}
	go func() {
		defer close(c.ran)
		began := time.Now()
		c.report.Results = append(c.judgeWitnesses(ctx), c.runner.Run(ctx)...)
		c.leaveWitnesses(ctx)
		c.report.Stats.CatalogueSeconds = time.Since(began).Seconds()
	}()
}

// Take waits for one case's result on a target. There is none when the run ended
// first.
func (c *Run) Take(target suite.Target, id string) (suite.Result, bool) {
	return c.results.take(target.Name(), id, c.ran)
}

// Wait waits until everything ran, and says how many results there are.
func (c *Run) Wait() int {
	<-c.ran
	return len(c.report.Results)
}

// Finish concludes what the results say as a whole, and removes what the run
// made. What it cannot remove is said, and counted.
func (c *Run) Finish(ctx context.Context) {
	if c.report.Interrupted = ctx.Err() != nil; c.report.Interrupted {
		c.report.InterruptedBy = oneLine(context.Cause(ctx))
	}
	if err := c.exemptions.Apply(c.report.Results); err != nil && !c.report.Interrupted {
		c.report.Problem = firstOf(c.report.Problem, oneLine(err))
	}
	c.cleanUp()
	if lacking := preflight.Unlisted(c.counts.Uses(), c.needs()); c.kind == nil && len(lacking) > 0 {
		c.say("procns: a defect of the suite, please report it: -print-rbac does not list %v", lacking)
	}
}

func (c *Run) needs() preflight.Needs { return needsOf(c.Options) }

func needsOf(o options.Options) preflight.Needs {
	return preflight.Needs{RuntimeClasses: len(o.RuntimeClasses) > 0, SecretFrom: o.PullSecret, Upgrade: o.Phase != ""}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (c *Run) cleanUp() {
	const bound = 4 * time.Minute // a busy server takes more than one for a namespace
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	left := func(err error) {
		if err != nil {
			c.say("procns: CLEAN-UP FAILED: %v", err)
			c.report.Leftovers = append(c.report.Leftovers, oneLine(err))
		}
	}
	removeCluster := c.kind != nil && !c.Keep && (c.created || !c.report.Interrupted)
	// Who interrupts a run wants it gone.
	keep := c.KeepOnFailure && !c.report.Interrupted && c.session != nil && len(c.report.Results) > 0 && c.report.Verdict().ExitCode != suite.ExitConformant
	switch {
	case removeCluster: // with it, the namespace goes too
	case keep:
		c.report.Kept = c.kubectl() + " delete namespace " + strings.Join(append(c.session.Leave(), c.upgrade.keep()...), " ")
		c.say("==> the pods of cases that did not pass are kept; when done: %s", c.report.Kept)
	default:
		left(c.session.Close(ctx))
	}
	left(c.closeUpgrade(ctx))
	if removeCluster {
		left(c.step("kind cluster deleted", func() error { return c.kind.Destroy(ctx) }))
	} else if c.kind != nil {
		c.say("==> the kind cluster is kept: export KUBECONFIG=%s", c.kind.GetKubeconfig())
	}
}

// ByHand says what to delete when there is no time to.
func (c *Run) ByHand() string {
	var lines []string
	if c.kind != nil && c.created {
		lines = append(lines, c.kind.ByHand())
	} else {
		for _, s := range c.sessions() {
			lines = append(lines, c.kubectl()+" delete namespace "+s.Namespace)
		}
	}
	return strings.Join(lines, "\n")
}

// refuse says in one line why the suite does not run.
func refuse(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "procns: %s\n", oneLine(err))
	return suite.ExitUsage
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// resultTable hands results over as they arrive.
type resultTable struct {
	mu      sync.Mutex
	arrived map[[2]string]chan suite.Result
}

func newResultTable() *resultTable { return &resultTable{arrived: map[[2]string]chan suite.Result{}} }

func (t *resultTable) place(target, id string) chan suite.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := [2]string{target, id}
	if t.arrived[key] == nil {
		t.arrived[key] = make(chan suite.Result, 1)
	}
	return t.arrived[key]
}

func (t *resultTable) put(r suite.Result) { t.place(r.Target.Name(), r.Case.ID) <- r }

// take waits for one result; without it when the run ended first.
func (t *resultTable) take(target, id string, ended <-chan struct{}) (suite.Result, bool) {
	place := t.place(target, id)
	select {
	case r := <-place:
		return r, true
	case <-ended:
	}
	select {
	case r := <-place: // it came with the end
		return r, true
	default:
		return suite.Result{}, false
	}
}

var _ suite.EvidenceSink = (*folder)(nil)

// readExemptions reads the file of -exempt, if there is one.
func readExemptions(file string, catalogue []suite.Case) (exempt.List, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, options.Usagef("-exempt: %w", err)
	}
	list, err := exempt.Parse(text, func(id string) bool {
		for _, c := range catalogue {
			if c.ID == id {
				return true
			}
		}
		return false
	})
	if err != nil {
		return nil, options.Usagef("-exempt %s: %w", file, err)
	}
	return list, nil
}
