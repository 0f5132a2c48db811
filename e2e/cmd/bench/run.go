package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"procns/e2e/cases"
	"procns/e2e/internal/bench"
	"procns/e2e/internal/cluster"
	"procns/e2e/internal/interrupt"
	"procns/e2e/internal/report"
	"procns/e2e/internal/simulated"
	"procns/e2e/internal/suite"
)

// campaign is the measuring of all subjects.
type campaign struct {
	on       bench.Cluster
	programs bench.Programs
	rounds   int
	targets  []int
	only     *regexp.Regexp
	folder   string // of logs, reports and raw figures
	file     string // of the raw figures

	client    kubernetes.Interface
	nodes     int
	processes bench.Processes
	raw       bench.Raw
}

// run measures, and returns the exit code.
func run(arguments []string) int {
	runtime.LockOSThread() // programs end with the thread that started them: this one
	c, err := readCampaign(arguments)
	if err != nil {
		fail(err.Error())
	}
	ctx, stop := interrupt.Context(say, suite.ExitInconclusive)
	defer stop()
	if err := c.prepare(ctx); err != nil {
		fail(err.Error())
	}
	failed, err := c.measureAll(ctx)
	switch {
	case ctx.Err() != nil:
		say(fmt.Sprintf("interrupted; what was measured is in %s: -raw goes on with it", c.file))
		return suite.ExitInconclusive
	case err != nil:
		fail(err.Error())
	case failed > 0:
		say(fmt.Sprintf("%d runs did not end with 0: their figures are in no median", failed))
	}
	return suite.ExitConformant
}

func readCampaign(arguments []string) (*campaign, error) {
	c := &campaign{}
	flags := flag.NewFlagSet("bench run", flag.ExitOnError)
	flags.StringVar(&c.on.Name, "cluster", "", "kind `name` of the cluster")
	flags.StringVar(&c.on.Kubeconfig, "kubeconfig", "", "its kubeconfig `file`")
	flags.StringVar(&c.on.KindConfig, "kind-config", "kind-config.yaml", "the `file` that it was made from")
	flags.StringVar(&c.programs.Suite, "suite", "bin/procns.test", "the test binary's `file`")
	flags.StringVar(&c.programs.ByHand, "by-hand", "scripts/by-hand.sh", "the `file` of the kubectl script")
	flags.StringVar(&c.programs.Framework, "framework", "bin/walkthrough", "the `file` of the walkthrough with e2e-framework")
	flags.IntVar(&c.rounds, "rounds", 3, "how `often` each is measured")
	targets := flags.String("targets", "1,2", "on how many targets, as a `list` of numbers")
	only := flags.String("only", "", "measure what matches this regular `expression`, such as ^suite-core or by-hand")
	flags.StringVar(&c.folder, "report-dir", "_artifacts/bench", "`folder` of logs and reports")
	flags.StringVar(&c.file, "raw", "", "`file` of the raw figures; what it has is not measured again (default: raw.json in -report-dir)")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	c.on.KindFlags = flags.Args()
	if c.on.Name == "" || c.on.Kubeconfig == "" {
		return nil, errors.New("name the cluster, with -cluster and -kubeconfig")
	}
	for number := range strings.SplitSeq(*targets, ",") {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-targets %s: expected numbers, such as 1,2", *targets)
		}
		c.targets = append(c.targets, n)
	}
	if *only != "" {
		var err error
		if c.only, err = regexp.Compile(*only); err != nil {
			return nil, fmt.Errorf("-only: %w", err)
		}
	}
	if c.file == "" {
		c.file = filepath.Join(c.folder, "raw.json")
	}
	self, err := os.Executable()
	c.programs.Bench = self
	return c, err
}

// prepare reaches the cluster, and reads what was measured earlier.
func (c *campaign) prepare(ctx context.Context) error {
	if err := os.MkdirAll(c.folder, 0o755); err != nil {
		return err
	}
	var err error
	if _, c.client, _, err = cluster.Connect(cluster.Place{Kubeconfig: c.on.Kubeconfig}, 100, &cluster.Counts{}); err != nil {
		return err
	}
	list, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	c.nodes = len(list.Items)
	c.processes = bench.Processes{Root: "/proc"}
	for _, node := range list.Items {
		c.processes.Nodes = append(c.processes.Nodes, node.Name)
		if _, control := node.Labels["node-role.kubernetes.io/control-plane"]; !control {
			c.on.Workers = append(c.on.Workers, node.Name)
		}
	}
	if c.raw, err = bench.ReadRaw(c.file); errors.Is(err, os.ErrNotExist) {
		c.raw, err = bench.Raw{Schema: bench.Schema}, nil
	}
	if err != nil {
		return err
	}
	c.raw.Machine = c.machine(list.Items)
	for _, s := range bench.Plan(c.targets, c.only) { // before the first of them has taken its time
		if _, err := c.on.Command(s, c.programs, cases.All(), c.folder); err != nil {
			return err
		}
	}
	return nil
}

func (c *campaign) machine(nodes []corev1.Node) bench.Machine {
	m := bench.ThisMachine("/")
	m.Go = runtime.Version()
	if flags := c.on.KindFlags; len(flags) > 1 && flags[0] == "-engine" {
		m.Engine = flags[1]
	}
	if len(nodes) > 0 {
		info := nodes[0].Status.NodeInfo
		m.Kubernetes, m.Runtime = info.KubeletVersion, info.ContainerRuntimeVersion
	}
	m.Suite = c.raw.Machine.Suite // as an earlier report said
	return m
}

// measureAll measures round by round. It returns how many runs did not end well.
func (c *campaign) measureAll(ctx context.Context) (failed int, err error) {
	plan := bench.Plan(c.targets, c.only)
	for round := 1; round <= c.rounds; round++ {
		for i, s := range plan {
			if c.raw.Has(s, round) {
				continue
			}
			sample, err := c.measure(ctx, s, round)
			if ctx.Err() != nil {
				return failed, context.Cause(ctx)
			}
			if err != nil {
				return failed, fmt.Errorf("%s: %w", s, err)
			}
			c.raw.Samples = append(c.raw.Samples, sample)
			if err := c.raw.Write(c.file); err != nil {
				return failed, err
			}
			if sample.ExitCode != 0 {
				failed++
			}
			say(fmt.Sprintf("round %d, %d of %d: %s: exit code %d, %.0f s, %d pods, %d execs", round, i+1, len(plan), s,
				sample.ExitCode, sample.Seconds, sample.Pods, sample.Requests[bench.Execs]))
		}
	}
	return failed, nil
}

// measure runs a subject once.
func (c *campaign) measure(ctx context.Context, s bench.Subject, round int) (bench.Sample, error) {
	name := fmt.Sprintf("%s-%d-%s", s, round, time.Now().UTC().Format("150405"))
	reports := filepath.Join(c.folder, name)
	command, err := c.on.Command(s, c.programs, cases.All(), reports)
	if err != nil {
		return bench.Sample{}, err
	}
	const recovery = 3 * time.Minute // of a node that the run before has restarted
	ready, cancel := context.WithTimeoutCause(ctx, recovery, fmt.Errorf("not within %s", recovery))
	defer cancel()
	if err := cluster.AwaitNodes(ready, c.client, c.nodes); err != nil {
		return bench.Sample{}, err
	}
	log, err := os.Create(filepath.Join(c.folder, name+".log"))
	if err != nil {
		return bench.Sample{}, err
	}
	defer func() { _ = log.Close() }()

	watching, end := context.WithCancel(ctx)
	defer end()
	pods, err := bench.CountPods(watching, c.client)
	if err != nil {
		return bench.Sample{}, err
	}
	before, err := c.look(ctx)
	if err != nil {
		return bench.Sample{}, err
	}
	usage := c.processes.Watch(watching)
	sample := bench.Sample{Subject: s, Round: round, Began: time.Now().UTC()}
	line := slices.Concat(command.Environment, []string{command.Path}, command.Arguments)
	code, used, err := simulated.Run(ctx, s.String(), log, log, "env", line...)
	if err != nil {
		return bench.Sample{}, err
	}
	sample.Seconds = time.Since(sample.Began).Seconds()
	sample.ExitCode, sample.Client = code, bench.Process{CPUSeconds: used.CPU.Seconds(), PeakBytes: used.Peak}
	after, err := c.look(ctx)
	if err != nil {
		return bench.Sample{}, err
	}
	sample.Nodes = usage.Seconds()
	sample.Pods, sample.Containers = pods.Made()
	sample.Requests = bench.Since(before.requests, after.requests)
	if before.network && after.network {
		sample.Bytes = &bench.Bytes{Received: after.bytes.Received - before.bytes.Received, Sent: after.bytes.Sent - before.bytes.Sent}
	}
	if busy := after.busy - before.busy; busy > 0 {
		sample.MachineCPU = &busy
	}
	return c.withOwn(sample, reports)
}

// counters are what only grows.
type counters struct {
	requests map[string]int
	bytes    bench.Bytes
	network  bool
	busy     float64
}

func (c *campaign) look(ctx context.Context) (counters, error) {
	var now counters
	metrics, err := c.client.CoreV1().RESTClient().Get().AbsPath("/metrics").Stream(ctx)
	if err != nil {
		return now, err
	}
	defer func() { _ = metrics.Close() }()
	if now.requests, err = bench.ReadRequests(metrics); err != nil {
		return now, err
	}
	now.bytes, now.network = c.processes.Traffic()
	now.busy, _ = c.processes.Busy() // on another system: not measured
	return now, nil
}

// withOwn adds what the suite says of its run.
func (c *campaign) withOwn(sample bench.Sample, reports string) (bench.Sample, error) {
	if sample.What != bench.Suite {
		return sample, nil
	}
	files, err := filepath.Glob(filepath.Join(reports, "*", "report.json"))
	if err != nil || len(files) != 1 {
		return sample, fmt.Errorf("%d reports in %s (%w)", len(files), reports, err)
	}
	d, err := report.ReadFile(files[0])
	if err != nil {
		return sample, err
	}
	sample.Own = &bench.Own{
		Pods: d.Stats.Pods, Execs: d.Stats.Execs, Requests: d.Stats.APIRequests, CasesSeconds: d.Stats.CatalogueSeconds, Verdict: string(d.Verdict.Outcome),
	}
	c.raw.Machine.Suite = d.Suite.Version
	return sample, nil
}
