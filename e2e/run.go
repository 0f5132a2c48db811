package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"procns/e2e/cases"
	"procns/e2e/internal/cluster"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// suiteVersion is set at link time (-ldflags "-X procns/e2e.suiteVersion=…").
var suiteVersion = "devel"

// keptCluster is the name of a cluster that -keep keeps.
const keptCluster = "procns"

// conformance is one run, from the cluster to the report.
type conformance struct {
	options
	cases  []suite.Case
	folder string
	log    *log.Logger
	logTo  *os.File

	kind    *cluster.Kind
	created bool // this run made the kind cluster
	session *cluster.Session
	counts  cluster.Counts
	runner  *suite.Runner

	report  report.Run
	results *resultTable
	ran     chan struct{} // closed when the runner is done
}

// newConformance prepares a run: its folder, its log. Nothing outside is touched.
func newConformance(o options, selected []suite.Case, all int) (*conformance, error) {
	now := time.Now()
	id := now.UTC().Format("20060102-150405") + "-" + probe.RandomHex(2)
	folder := filepath.Join(o.reportDir, id)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, usageError{fmt.Errorf("the report folder cannot be written: %w: name another with -report-dir", err)}
	}
	logTo, err := os.Create(filepath.Join(folder, "e2e.log"))
	if err != nil {
		return nil, usageError{fmt.Errorf("the report folder cannot be written: %w: name another with -report-dir", err)}
	}
	c := &conformance{
		options: o, cases: selected, folder: folder, logTo: logTo,
		log:     log.New(logTo, "", log.LstdFlags|log.Lmicroseconds),
		results: newResultTable(), ran: make(chan struct{}),
		report: report.Run{
			ID: id, Started: now, Folder: folder,
			Suite: report.Suite{
				Version: suiteVersion, Go: runtime.Version(), CaseCount: all, Selected: len(selected),
				CatalogueSHA256: report.CatalogueSHA256(selected),
			},
			Images: map[string]string{},
			Stats:  report.Stats{ReadySeconds: map[string]float64{}},
		},
	}
	for name, reference := range o.images {
		c.report.Images[name] = reference
		c.report.ImagePullPolicy = string(corev1.PullIfNotPresent)
	}
	if o.mends != "" {
		c.report.Mends = append(c.report.Mends, o.mends)
	}
	return c, nil
}

// say tells the user, and the log.
func (c *conformance) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	c.log.Printf(format, args...)
}

// step says how long a part of the set-up took.
func (c *conformance) step(what string, do func() error) error {
	began := time.Now()
	c.log.Printf("%s …", what)
	err := do()
	if err == nil {
		c.say("==> %s: %.1fs", what, time.Since(began).Seconds())
	}
	return err
}

// prepare reaches the cluster, finds the targets and starts the runner.
func (c *conformance) prepare(ctx context.Context) error {
	if c.provision {
		if err := c.provisionCluster(ctx); err != nil {
			return err
		}
	}
	config, client, contextName, err := cluster.Connect(c.kubeconfig, c.context, float32(c.qps), &c.counts)
	if err != nil {
		return fmt.Errorf("%w: check -kubeconfig and -context", err)
	}
	c.report.Cluster.Context = contextName
	return c.step("preflight", func() error { return c.preflight(ctx, config, client) })
}

// refuse says in one line why the suite does not run.
func refuse(err error) int {
	fmt.Fprintf(os.Stderr, "procns: %s\n", oneLine(err))
	return suite.ExitUsage
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// preflight finds out whether the suite can run, and on what.
func (c *conformance) preflight(ctx context.Context, config *rest.Config, client kubernetes.Interface) error {
	const answer = 10 * time.Second // for the server's first answer
	asking, cancel := context.WithTimeoutCause(ctx, answer, fmt.Errorf("no answer within %s", answer))
	defer cancel()
	server, err := cluster.Identify(asking, client)
	if err != nil {
		return fmt.Errorf("the API server %s cannot be reached: %w: check -kubeconfig and -context, and that the server runs", config.Host, err)
	}
	c.report.Cluster.ServerVersion, c.report.Cluster.Platform, c.report.Cluster.UID = server.Version, server.Platform, server.UID
	if c.report.Cluster.Provisioned == "" {
		c.report.Cluster.Provisioned = "existing"
	}
	version, err := suite.ParseVersion(server.Version)
	if err != nil {
		return err
	}
	gate := suite.GateOf(version)
	if gate.Refused != "" {
		return errors.New(gate.Refused)
	}
	targets, leftOut, err := cluster.Targets(ctx, client)
	if err != nil {
		return err
	}
	for _, l := range leftOut {
		c.report.LeftOut = append(c.report.LeftOut, report.LeftOut{Node: l.Node, Reason: l.Reason})
	}
	c.report.Targets = targets
	if c.session, err = cluster.Open(ctx, client, config, c.report.ID, &c.counts); err != nil {
		return err
	}
	var own suite.Nodes
	if c.kind != nil {
		own = cluster.OwnNodes{Kind: c.kind, Client: client}
	}
	off := ""
	if gate.ReadBack {
		if off, err = c.gateOff(ctx, version); err != nil {
			return err
		}
	}
	c.runner = &suite.Runner{
		Cluster: c.session, Nodes: own, Cases: c.cases, Targets: targets, Fixtures: fixtures.Read,
		Placement: suite.Placement{RunID: c.report.ID, Images: c.images},
		Timeout:   c.timeout, Parallel: c.parallel, Starting: c.startingAtOnce(len(targets)), AtOnce: c.pods,
		Evidence: evidence{c.folder, c.log}, Log: c.log.Printf,
		OnResult: func(r suite.Result) {
			c.log.Printf("%s: %s: %s %s", r.Target.Name(), r.Case.ID, r.Outcome, r.Reason)
			c.results.put(r)
		},
		OnReady: c.noteReady,
		Skip: func(one suite.Case) string {
			if off != "" {
				return off
			}
			return one.Applies(version)
		},
	}
	return nil
}

// startingAtOnce is how many pods start at one time. The nodes of a cluster of
// the suite's own share this machine's processors.
func (c *conformance) startingAtOnce(targets int) int {
	if c.starting > 0 {
		return c.starting
	}
	if c.kind != nil {
		return 4 * runtime.NumCPU()
	}
	const each = 8
	return each * targets
}

// gateOff creates the documented pod, on servers whose feature gate may be off,
// to see what becomes of the field.
func (c *conformance) gateOff(ctx context.Context, version suite.Version) (string, error) {
	raw, err := fixtures.Read("share-process-namespace.yaml")
	if err != nil {
		return "", err
	}
	manifest, err := suite.DecodeManifest("share-process-namespace.yaml", raw)
	if err != nil {
		return "", err
	}
	placed := manifest.Place(suite.Placement{RunID: c.report.ID, Images: c.images})
	stored, err := c.session.Create(ctx, placed)
	if err != nil {
		return suite.GateOff(version, "", err)
	}
	return suite.GateOff(version, suite.StateOf(stored).Sharing, nil)
}

// documentedManifest is the one whose time to Ready is T.
const documentedManifest = "share-process-namespace.yaml"

var readyLock sync.Mutex

// noteReady keeps the time that the documented pod took, the first on each target.
func (c *conformance) noteReady(target suite.Target, manifest string, took time.Duration) {
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

// start runs the catalogue in the background; results arrive in the table.
func (c *conformance) start(ctx context.Context) {
	go func() {
		defer close(c.ran)
		began := time.Now()
		c.report.Results = c.runner.Run(ctx)
		c.report.Stats.CatalogueSeconds = time.Since(began).Seconds()
	}()
}

// cleanUp removes what the run made. What it cannot remove is said, and counted.
func (c *conformance) cleanUp() {
	const bound = 2 * time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	left := func(err error) {
		if err != nil {
			c.say("procns: CLEAN-UP FAILED: %v", err)
			c.report.Leftovers = append(c.report.Leftovers, err.Error())
		}
	}
	removeCluster := c.kind != nil && !c.keep && (c.created || !c.report.Interrupted)
	if !removeCluster {
		// With the cluster, the namespace goes too.
		left(c.session.Close(ctx))
	}
	if removeCluster {
		left(c.step("kind cluster deleted", func() error { return c.kind.Destroy(ctx) }))
	} else if c.kind != nil {
		c.say("==> the kind cluster is kept: export KUBECONFIG=%s", c.kind.GetKubeconfig())
	}
}

// byHand says what to delete when there is no time to.
func (c *conformance) byHand() string {
	var lines []string
	if c.kind != nil && c.created {
		lines = append(lines, c.kind.ByHand())
	} else if c.session != nil {
		lines = append(lines, "kubectl delete namespace "+c.session.Namespace)
	}
	return strings.Join(lines, "\n")
}

// listCases prints the catalogue.
func listCases(output io.Writer) {
	for _, c := range cases.All() {
		fmt.Fprintf(output, "%-40s %-13s %s\n", c.ID, c.Level, c.Claim)
	}
}

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
