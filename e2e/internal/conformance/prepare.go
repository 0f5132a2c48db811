package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"procns/e2e/internal/cluster"
	"procns/e2e/internal/options"
	"procns/e2e/internal/preflight"
	"procns/e2e/internal/progress"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
	"procns/fixtures"
)

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

// questions are what the cluster is asked before anything is created.
func (c *Run) questions() (cluster.Asked, error) {
	images, err := c.AllImages(c.everyWay(), fixtures.Read)
	if err != nil {
		return cluster.Asked{}, err
	}
	asked := cluster.Asked{Say: c.say, Plugins: &c.plugins, RunID: c.report.ID, NamespaceLabels: c.NamespaceLabels, Choice: c.Choice(), Needs: c.needs()}
	for _, image := range images {
		if !slices.Contains(asked.Images, image.Image) { // two documented ones may be one here
			asked.Images = append(asked.Images, image.Image)
		}
	}
	asked.Loaded = c.kind != nil && len(c.Archives) > 0
	return asked, nil
}

// preflight finds out whether the suite can run, and on what, and makes the runner.
func (c *Run) preflight(ctx context.Context, config *rest.Config, client kubernetes.Interface) (err error) {
	asked, err := c.questions()
	if err != nil {
		return err
	}
	survey, err := cluster.Look(ctx, client, config, asked)
	checks := survey.Checks
	defer func() { c.tell(checks) }()
	c.note(survey)
	if err != nil {
		return err
	}
	c.chooseScope()
	ask, err := c.goOn()
	if err != nil {
		return err
	}
	if err := c.exemptions.Check(c.Cases, c.report.Targets); err != nil {
		return options.Usagef("-exempt %s: %w", strings.Join(c.Exempt, ","), err)
	}
	go func() { c.cgroupModes <- cluster.CgroupModes(ctx, client, survey.Selection.Targets) }()
	placement := c.Placement(c.report.ID, survey.Selection.Tolerations)
	placement.Server = survey.Version
	if c.DryRun {
		would, err := c.estimate()
		if err != nil {
			return err
		}
		checks = append(checks, would)
		c.plan()
		return nil
	}
	opened, err := c.openSession(ctx, config, client, survey.Nodes)
	checks = append(checks, opened...)
	if err != nil {
		return err
	}
	room, inside, err := c.lookInside(ctx, placement)
	checks = append(checks, inside...)
	if err != nil {
		return err
	}
	off := ""
	if survey.Gate.ReadBack {
		if off, err = c.gateOff(ctx, placement); err != nil {
			return err
		}
	}
	if err := c.openStream(ask); err != nil {
		return fmt.Errorf("%s cannot be written: %w", report.StreamFile, err)
	}
	c.makeRunner(client, placement, survey.Version, off)
	c.runner.Targets, c.runner.Room = ask, room
	return nil
}

// openSession opens the run's namespaces, the witnesses' among them. It returns what an earlier run
// has left there.
func (c *Run) openSession(ctx context.Context, config *rest.Config, client kubernetes.Interface, nodes map[string]cluster.NodeState) (checks []preflight.Check, err error) {
	if err := c.openUpgrade(ctx, config, client); err != nil {
		return nil, err
	}
	if said := c.report.Upgrade; said != nil && c.Phase == options.After {
		checks = append(checks, preflight.Check{Name: "upgrade", State: preflight.OK, Said: fmt.Sprintf(
			"%d witnesses of run %s, left under Kubernetes %s", said.Witnesses, said.Run, said.Server)})
	}
	if c.session, err = cluster.Open(ctx, client, config, c.report.ID, &c.counts, c.NamespaceLabels); err != nil {
		return checks, err
	}
	c.session.Nodes, c.session.Say = nodes, c.say
	c.session.WatchNodes(c.folder.log.Printf)
	c.counts.Patient.Store(true)
	if from, name, ok := strings.Cut(c.PullSecret, "/"); ok {
		for _, s := range c.sessions() {
			if err := s.CopyPullSecret(ctx, from, name, options.PullSecretName); err != nil {
				return checks, err
			}
		}
	}
	return checks, nil
}

// lookInside finds out what the run's namespace admits, and how many pods each target's node takes.
func (c *Run) lookInside(ctx context.Context, placement suite.Placement) (room map[string]int, checks []preflight.Check, err error) {
	pods := ordinary(c.everyWay())
	samples, err := sampled(pods, placement, c.report.Targets)
	if err != nil {
		return nil, nil, err
	}
	checks = append(checks, c.session.LookInside(ctx, samples, pods, min(c.Pods, podsOfCase*len(c.Cases))*min(len(c.report.Targets), c.NodesAtOnce))...)
	wanted := min(c.Pods, podsOfCase*len(c.Cases))
	room, said := c.session.Room(ctx, c.report.Targets, wanted)
	return room, append(checks, said...), nil
}

// note keeps what the survey found for the report.
func (c *Run) note(survey cluster.Survey) {
	about := &c.report.Cluster
	about.ServerVersion, about.Platform, about.UID = survey.Server.Version, survey.Server.Platform, survey.Server.UID
	if about.Provisioned == "" {
		about.Provisioned = "existing"
	}
	c.report.Targets = survey.Selection.Targets
	for i := range c.report.Targets {
		c.report.Targets[i].Made = c.kind != nil
	}
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

// sampled are the pods of the cases, one of each manifest, as they are placed on the
// first target.
func sampled(cases []suite.Case, placement suite.Placement, on []suite.Target) (map[string]suite.Manifest, error) {
	if len(on) > 0 {
		placement.Target = on[0]
	}
	samples := map[string]suite.Manifest{}
	for _, one := range cases {
		for _, file := range one.Manifests() {
			if _, known := samples[file]; known {
				continue
			}
			manifest, err := manifestOf(file)
			if err != nil {
				return nil, err
			}
			samples[file] = manifest.Place(placement)
		}
	}
	return samples, nil
}

func manifestOf(file string) (suite.Manifest, error) {
	raw, err := fixtures.Read(file)
	if err != nil {
		return suite.Manifest{}, err
	}
	return suite.DecodeManifest(file, raw)
}

// plan has every result say that it would have been made.
func (c *Run) plan() {
	for _, target := range c.report.Targets {
		for _, one := range c.CasesOn(target) {
			r := suite.Result{Case: one, Target: target, Outcome: suite.Planned}
			c.report.Results = append(c.report.Results, r)
			c.results.put(r)
		}
	}
	close(c.ran)
}

func (c *Run) makeRunner(client kubernetes.Interface, placement suite.Placement, version suite.Version, off string) {
	asked := c.everyWay()
	var own suite.Nodes
	if c.kind != nil {
		machines := map[string]cluster.Machine{}
		for node, command := range c.Machines {
			machines[node] = command
		}
		own = cluster.OwnNodes{Kind: c.kind, Client: client, Machines: machines}
	}
	var latecomers func(context.Context) []suite.Target
	if c.report.Sweep != nil {
		latecomers = c.latecomers
	}
	var stopped func() string
	if c.FailFast {
		stopped = c.stopped.why
	}
	c.runner = &suite.Runner{
		Cluster: c.session, Nodes: own, Cases: ordinary(c.Cases), Targets: c.report.Targets, Fixtures: fixtures.Read,
		Placement: placement, Scope: c.report.Sweep, Facts: &suite.Facts{}, Spent: &suite.Spent{},
		Timeout: c.CaseTimeout, Parallel: c.Parallel, Starting: c.startingAtOnce(), AtOnce: c.Pods, NodesAtOnce: c.NodesAtOnce, KeepFailed: c.KeepOnFailure,
		Evidence: c.folder, Log: c.folder.log.Printf,
		OnResult: func(r suite.Result) {
			c.folder.log.Printf("%s: %s: %s %s", r.Target.Name(), r.Case.ID, r.Outcome, r.Reason)
			if c.stream.add(r, c.runner.Facts.Known) {
				c.dropEvidence(r)
			}
			one := []suite.Result{r}
			_ = c.exemptions.Apply(one) // what is not needed is said of all results together
			c.view.Tell(progress.Ended(one[0], c.Require.Decides(one[0].Case.Level)))
			c.stopped.note(one[0], c.Require)
			c.results.put(one[0])
			c.waiting.ended(one[0], c.Require)
		},
		Absent: c.session.Absent, OnLeftOut: c.leaveOut, Latecomers: latecomers,
		OnStart:   func(one suite.Case, on suite.Target) { c.view.Tell(progress.Began(one, on)) },
		Stopped:   stopped,
		OnReady:   c.noteReady,
		OnChanges: func(manifest string, changes suite.Changes) { c.changes.Add(manifest, changes, asked) },
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

func (c *Run) startingAtOnce() int {
	return StartingAtOnce(c.Options, c.kind != nil, len(c.report.Targets))
}

// StartingAtOnce is how many pods of a run start at one time. own says that the cluster is the suite's:
// its nodes share this machine's processors.
func StartingAtOnce(o options.Options, own bool, targets int) int {
	if o.Starting > 0 {
		return o.Starting
	}
	if own {
		return 4 * runtime.NumCPU()
	}
	const each, most = 8, 64
	return min(each*targets, most)
}

// gateOff creates the documented pod, on servers whose feature gate may be off,
// to see what becomes of the field.
func (c *Run) gateOff(ctx context.Context, placement suite.Placement) (string, error) {
	documented, err := manifestOf(documentedManifest)
	if err != nil {
		return "", err
	}
	stored, err := c.session.Create(ctx, documented.Place(placement))
	if err != nil {
		return suite.GateOff(placement.Server, "", err)
	}
	return suite.GateOff(placement.Server, suite.StateOf(stored).Sharing, nil)
}

// noteReady keeps the time that the documented pod took, the first on each target.
func (c *Run) noteReady(target suite.Target, manifest string, took time.Duration) {
	if manifest != documentedManifest {
		return
	}
	c.ready.Lock()
	defer c.ready.Unlock()
	known, ok := c.report.Stats.ReadySeconds[target.Name()]
	if !ok || took.Seconds() < known {
		c.report.Stats.ReadySeconds[target.Name()] = took.Seconds()
	}
}

func (c *Run) needs() preflight.Needs { return needsOf(c.Options) }

func needsOf(o options.Options) preflight.Needs {
	return preflight.Needs{RuntimeClasses: len(o.RuntimeClasses) > 0, SecretFrom: o.PullSecret, Upgrade: o.Phase != ""}
}
