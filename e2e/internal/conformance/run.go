// Package conformance is one run of the suite, from the command line to the exit
// code.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/cluster"
	"procns/e2e/internal/exempt"
	"procns/e2e/internal/options"
	"procns/e2e/internal/preflight"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/progress"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/surroundings"
	"procns/fixtures"
)

// Run is one run, from the cluster to the report.
type Run struct {
	options.Options
	Cases      []suite.Case
	exemptions exempt.List
	baseline   *report.Document // what -baseline named, if anything
	folder     *folder
	view       *progress.View
	// stdout and stderr are for what is said once the view is closed.
	stdout, stderr io.Writer
	stopped        stopped
	around         surroundings.Surroundings
	waiting        waiting // who waits for the run

	kind    *cluster.Kind
	created bool // this run made the kind cluster
	session *cluster.Session
	counts  cluster.Counts
	plugins cluster.Plugins
	runner  *suite.Runner
	upgrade upgrade
	changes suite.Tally // what the cluster does to pods
	// cgroupModes are asked for while there is other work.
	cgroupModes chan []string

	report  report.Run
	ready   sync.Mutex // guards the report's ReadySeconds, while pods start
	results *resultTable
	leftOut leftOut
	dropped dropped
	stream  *stream  // nil where results are only planned
	resumed *resumed // nil where no earlier run is gone on with
	asking  asking
	ran     chan struct{} // closed when the runner is done
}

// newRun prepares a run: its folder, its log. Nothing outside is touched.
func newRun(o options.Options, around surroundings.Surroundings, catalogue, selected []suite.Case, exemptions exempt.List, version string, stdout, stderr io.Writer) (*Run, error) {
	now := time.Now()
	id := now.UTC().Format("20060102-150405") + "-" + probe.RandomHex(2)
	earlier, err := readResumed(o.Resume)
	if err != nil {
		return nil, err
	}
	var folder *folder
	if earlier != nil {
		folder, err = reopenFolder(o.Resume)
	} else {
		folder, err = makeFolder(o.ReportDir, id, o.Flat)
	}
	if err != nil {
		return nil, err
	}
	c := &Run{
		Options: o, Cases: selected, resumed: earlier, exemptions: exemptions, folder: folder, around: around, view: newView(o, stdout, stderr, os.Getenv), stdout: stdout, stderr: stderr,
		results: newResultTable(), ran: make(chan struct{}), cgroupModes: make(chan []string, 1),
		report: report.Run{
			ID: id, Started: now, Folder: folder.Path,
			Suite: report.Suite{
				Version: version, Go: runtime.Version(), CaseCount: len(catalogue), Selected: len(selected),
				SelectedByLevel: suite.CountLevels(selected), CatalogueSHA256: report.CatalogueSHA256(selected),
			},
			Require: o.Require,
			Images:  map[string]string{},
			Stats:   report.Stats{ReadySeconds: map[string]float64{}},
		},
	}
	images, err := o.AllImages(c.everyWay(), fixtures.Read)
	if err != nil {
		folder.Discard()
		return nil, err
	}
	for _, image := range images {
		c.report.Images[image.Documented] = image.Image
		c.report.ImagePullPolicy = string(corev1.PullIfNotPresent)
	}
	if o.HostChanges != "" {
		c.report.HostChanges = append(c.report.HostChanges, o.HostChanges)
	}
	if err := c.listen(); err != nil {
		folder.Discard()
		return nil, err
	}
	c.view.Open()
	c.plugins.Show(c.view)
	c.view.Tell(progress.Event{Kind: progress.RunBegan, Schema: progress.Schema, Run: id, Version: version, Folder: folder.Path})
	for _, text := range o.Settings {
		c.say("==> %s", text)
	}
	c.tellThoseWhoWait()
	return c, nil
}

// Log is the run's log.
func (c *Run) Log() io.Writer { return c.folder.Log }

func (c *Run) place() cluster.Place {
	return cluster.Place{Kubeconfig: c.Kubeconfig, Context: c.Context, InCluster: c.InCluster, Plugins: &c.plugins}
}

// Bound gives a run the time that it has as a whole.
func (c *Run) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("the run's time of %s is over (-timeout)", c.Timeout))
}

// podsOfCase is the fixture, the control and a neighbour.
const podsOfCase = 3

// documentedManifest is the one whose time to Ready is T.
const documentedManifest = "share-process-namespace.yaml"

// Start runs the catalogue in the background; Take hands its results over.
func (c *Run) Start(ctx context.Context) {
	if c.runner == nil {
		return // only planned
	}
	c.waiting.begin(c.report.Sweep.On(c.report.Targets, len(c.Cases), c.askedEverywhere()), c.report.Targets)
	go func() {
		defer close(c.ran)
		began := time.Now()
		c.view.Tell(progress.Plan(c.Cases, c.report.Targets, c.report.Sweep))
		c.tellResumed()
		c.report.Results = c.withResumed(append(c.judgeWitnesses(ctx), c.runner.Run(ctx)...))
		c.keepFacts()
		c.noteSpent()
		c.dropped.forget(c.report.Results)
		c.leaveWitnesses(ctx)
		c.report.Stats.CatalogueSeconds = time.Since(began).Seconds()
	}()
}

// Take waits for one case's result on a target. There is none when the run ended
// first.
func (c *Run) Take(target suite.Target, id string) (suite.Result, bool) {
	return c.results.take(target.Name(), id, c.ran)
}

// Wait waits until everything ran. It says how many results there are, and whether
// one of them decides the exit code: what is skipped, planned or Informational does not.
func (c *Run) Wait() (results int, decided bool) {
	<-c.ran
	deciding := suite.Sum(c.report.Results).Deciding(c.Require)
	return len(c.report.Results), deciding.Conformant+deciding.NonConformant+deciding.Inconclusive > 0
}

// Finish concludes what the results say as a whole, and removes what the run
// made. What it cannot remove is said, and counted.
func (c *Run) Finish(ctx context.Context) {
	if c.report.Interrupted = ctx.Err() != nil; c.report.Interrupted {
		c.report.InterruptedBy = oneLine(context.Cause(ctx))
	}
	c.noteLeftOut()
	if err := c.exemptions.Apply(c.report.Results); err != nil && !c.report.Interrupted {
		c.report.Problem = firstOf(c.report.Problem, oneLine(err))
	}
	c.report.Notes = append(c.report.Notes, c.session.Relabelled()...)
	if by := c.stopped.why(); c.FailFast && by != "" {
		c.report.Notes = append(c.report.Notes, "-fail-fast: no pod was started any more after "+by)
	}
	c.view.Tell(progress.Event{Kind: progress.StepBegan, Step: "clean-up"})
	c.cleanUp()
	c.view.Tell(progress.Event{Kind: progress.StepEnded, Step: "clean-up"})
	if lacking := preflight.Unlisted(c.counts.Uses(), c.needs()); c.kind == nil && len(lacking) > 0 {
		c.say("procns: a defect of the suite, please report it: -print-rbac does not list %v", lacking)
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// cleanUpBound is how long a run cleans up: a busy server takes more than a minute for a
// namespace.
const cleanUpBound = 4 * time.Minute

func (c *Run) cleanUp() {
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpBound)
	defer cancel()
	left := c.noteLeft
	removeCluster := c.kind != nil && !c.Keep && (c.created || !c.report.Interrupted)
	// Who interrupts a run wants it gone.
	judged := suite.Sum(c.report.Results).Judged() // whatever -require says: a pod that is kept is there to be looked at
	keep := c.KeepOnFailure && !c.report.Interrupted && c.session != nil && judged.NonConformant+judged.Inconclusive > 0
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
		left(c.step("kind cluster deleted", c.kind.Destroy))
	} else if c.kind != nil {
		c.say("==> the kind cluster is kept: export KUBECONFIG=%s", c.kind.Kubeconfig())
	}
}

// noteLeft says and counts what the clean-up could not remove. What is deleted and
// waits for the cluster is said as loudly, and is no fault of the run's.
func (c *Run) noteLeft(err error) {
	var namespaces cluster.Leftovers
	switch {
	case err == nil:
	case errors.As(err, &namespaces):
		for _, l := range namespaces {
			if l.Pending {
				c.say("procns: LEFT: %v; it is deleted, and goes once the cluster lets it", l)
				c.report.Pending = append(c.report.Pending, oneLine(l))
				continue
			}
			said := fmt.Sprintf("%s; delete it by hand: %s delete namespace %s", oneLine(l), c.kubectl(), l.Namespace)
			c.say("procns: CLEAN-UP FAILED: %s", said)
			c.report.Leftovers = append(c.report.Leftovers, said)
		}
	default:
		c.say("procns: CLEAN-UP FAILED: %v", err)
		c.report.Leftovers = append(c.report.Leftovers, oneLine(err))
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
