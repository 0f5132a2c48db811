// Command simulated runs the suite against a cluster of simulated nodes on this machine, and says what it
// cost: memory, CPU and requests. scripts/simulated.sh calls it with the programs that it needs.
//
// It exits with 0 if the run found the faulty nodes and no others, with 1 if not, with 2 if it was
// interrupted, and with 3 if something could not be set up. Whatever happens, nothing goes on.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"procns/e2e/internal/cluster"
	"procns/e2e/internal/interrupt"
	"procns/e2e/internal/report"
	"procns/e2e/internal/simulated"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

type command struct {
	plane      simulated.ControlPlane
	fleet      simulated.Fleet
	suite      string
	recordings string
	reports    string
	hold       bool
	interrupt  int
	args       []string
}

func main() {
	runtime.LockOSThread() // programs end with the thread that started them: this one
	var c command
	flag.StringVar(&c.plane.Etcd, "etcd", "", "etcd's `file`")
	flag.StringVar(&c.plane.APIServer, "kube-apiserver", "", "the API server's `file`")
	flag.StringVar(&c.plane.Controllers, "kube-controller-manager", "", "the controllers' `file`")
	flag.StringVar(&c.plane.Scheduler, "kube-scheduler", "", "the scheduler's `file`")
	flag.StringVar(&c.plane.KWOK, "kwok", "", "KWOK's `file`")
	flag.StringVar(&c.plane.Folder, "folder", "", "a new `folder` for what the programs write")
	flag.IntVar(&c.fleet.Nodes, "nodes", 100, "how `many` nodes there are")
	flag.IntVar(&c.fleet.Faulty, "faulty", 2, "how `many` of them are faulty")
	flag.StringVar(&c.suite, "suite", "bin/procns.test", "the test binary's `file`")
	flag.StringVar(&c.recordings, "recordings", "e2e/cases/testdata/recorded", "`folder` of the recordings")
	flag.StringVar(&c.reports, "report-dir", "_artifacts/simulated", "`folder` for the reports")
	flag.BoolVar(&c.hold, "hold", false, "run nothing, say how to come in, and wait for an interrupt")
	flag.IntVar(&c.interrupt, "interrupt-at", 0, "interrupt the run when so `many` nodes have answered, and go on with it (-resume)")
	flag.Parse()
	c.args = flag.Args()
	ctx, stop := interrupt.Context(say, suite.ExitInconclusive)
	defer stop()
	code, err := c.run(ctx)
	if err != nil {
		say(err.Error())
	}
	os.Exit(code)
}

func say(text string) { fmt.Fprintln(os.Stderr, "simulated: "+text) }

// run returns the exit code, and what went wrong.
func (c *command) run(parent context.Context) (code int, err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	if err := c.fleet.Check(); err != nil {
		return suite.ExitUsage, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return suite.ExitUsage, err
	}
	defer func() { _ = listener.Close() }()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return suite.ExitUsage, errors.New("no TCP port")
	}
	if err := errors.Join(c.plane.Prepare(), os.MkdirAll(c.reports, 0o755)); err != nil {
		return suite.ExitUsage, err
	}
	programs := &simulated.Programs{Logs: c.plane.Folder, Ended: func(err error) { cancel(err) }}
	defer func() {
		for _, used := range programs.Stop() {
			say(used.String())
		}
		if used, err := simulated.UsedHere("the simulated kubelet"); err == nil {
			say(used.String())
		}
	}()
	began := time.Now()
	client, err := c.plane.Start(ctx, programs)
	if err == nil {
		err = c.serve(ctx, listener, client)
	}
	if err == nil {
		err = c.makeNodes(ctx, client, address.Port)
	}
	if err != nil {
		return setUpCode(parent), fmt.Errorf("the cluster cannot be set up: %w", cmp.Or(context.Cause(ctx), err))
	}
	say(fmt.Sprintf("%d nodes are Ready after %.0f s; faulty: %v", c.fleet.Nodes, time.Since(began).Seconds(), c.fleet.Faults()))
	if c.hold {
		say("KUBECONFIG=" + c.plane.Kubeconfig(simulated.Suite))
		<-ctx.Done()
		return suite.ExitConformant, nil
	}
	return c.judge(ctx, parent, client)
}

// setUpCode is the exit code of what was not set up.
func setUpCode(parent context.Context) int {
	if parent.Err() != nil {
		return suite.ExitInconclusive
	}
	return suite.ExitUsage
}

// serve has the kubelet answer until ctx ends.
func (c *command) serve(ctx context.Context, on net.Listener, client kubernetes.Interface) error {
	recordings, err := simulated.Load(os.DirFS(c.recordings), fixtures.Files)
	if err != nil {
		return err
	}
	pods := simulated.NewPods()
	go pods.Watch(ctx, client)
	server := &http.Server{Handler: &simulated.Kubelet{Pods: pods, Recordings: recordings, Faults: c.fleet.Faults()}, ReadHeaderTimeout: time.Minute}
	certificate, key := c.plane.KubeletCertificate()
	go func() { _ = server.ServeTLS(on, certificate, key) }() // it ends with the listener
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

// makeNodes makes the nodes, lets the suite's user do all, and waits until the nodes are Ready.
func (c *command) makeNodes(ctx context.Context, client kubernetes.Interface, port int) error {
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: simulated.Suite},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: simulated.Suite}},
	}
	if _, err := client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return err
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	const atOnce = 8
	numbers := make(chan int)
	errs := make(chan error, atOnce)
	var makers sync.WaitGroup
	for range atOnce {
		makers.Go(func() {
			for i := range numbers {
				node := c.fleet.Node(i, int32(port), version.GitVersion)
				if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
					errs <- err
					cancel()
					return
				}
			}
		})
	}
	for i := range c.fleet.Nodes {
		select {
		case numbers <- i:
		case <-ctx.Done():
		}
	}
	close(numbers)
	makers.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return cluster.AwaitNodes(ctx, client, c.fleet.Nodes)
	}
}

// judge runs the suite, and says what it cost and whether it found what it had to.
func (c *command) judge(ctx, parent context.Context, client kubernetes.Interface) (int, error) {
	into := []string{"-report-dir", c.reports}
	if c.interrupt > 0 {
		if err := c.interrupted(ctx); err != nil {
			return setUpCode(parent), err
		}
		begun, err := c.only(report.StreamFile)
		if err != nil {
			return suite.ExitUsage, err
		}
		into = []string{"-resume", begun}
	}
	if err := c.suiteRun(ctx, into...); err != nil {
		return suite.ExitUsage, err
	}
	if err := c.tellRequests(); err != nil {
		return suite.ExitUsage, err
	}
	if parent.Err() != nil {
		return suite.ExitInconclusive, nil
	}
	if ctx.Err() != nil {
		return suite.ExitUsage, context.Cause(ctx)
	}
	folder, err := c.only("report.json")
	if err != nil {
		return suite.ExitUsage, err
	}
	d, err := report.ReadFile(filepath.Join(folder, "report.json"))
	if err != nil {
		return suite.ExitUsage, err
	}
	wrong := simulated.Unfound(d, c.fleet.Faults())
	left, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: suite.RunLabel})
	if err != nil {
		return suite.ExitUsage, err
	}
	for _, namespace := range left.Items {
		wrong = append(wrong, "namespace "+namespace.Name+" is left")
	}
	for _, line := range wrong {
		say(line)
	}
	if len(wrong) > 0 {
		return suite.ExitNonConformant, fmt.Errorf("the run did not find what it had to, or left something: %s", folder)
	}
	say("every faulty node was found, and no other one; nothing is left: " + folder)
	return suite.ExitConformant, nil
}

// interrupted runs the suite until enough nodes have answered, and interrupts it.
func (c *command) interrupted(ctx context.Context) error {
	enough, interrupt := context.WithCancel(ctx)
	defer interrupt()
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if simulated.AwaitAnswers(enough, filepath.Join(c.reports, "*", report.StreamFile), c.interrupt) == nil {
			say(fmt.Sprintf("%d nodes have answered: interrupting the run", c.interrupt))
			interrupt()
		}
	})
	err := c.suiteRun(enough, "-report-dir", c.reports)
	interrupt()
	waiting.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// suiteRun runs the suite once, and says what that cost.
func (c *command) suiteRun(ctx context.Context, into ...string) error {
	args := slices.Concat([]string{"-kubeconfig", c.plane.Kubeconfig(simulated.Suite)}, into, c.args)
	began := time.Now()
	code, used, err := simulated.Run(ctx, "procns", os.Stdout, os.Stderr, c.suite, args...)
	if err != nil {
		return err
	}
	say(fmt.Sprintf("the run took %.0f s and ended with exit code %d; %s", time.Since(began).Seconds(), code, used))
	if code == suite.ExitUsage {
		return errors.New("the suite could not be set up, or did not clean up")
	}
	return nil
}

// only is the folder below that of the reports that has a file of this name.
func (c *command) only(name string) (string, error) {
	found, err := filepath.Glob(filepath.Join(c.reports, "*", name))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("there are %d files %s in folders of %s", len(found), name, c.reports)
	}
	return filepath.Dir(found[0]), nil
}

// tellRequests says how many requests the suite sent.
func (c *command) tellRequests() error {
	log, err := os.Open(c.plane.AuditLog())
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	requests, err := simulated.ReadRequests(log, simulated.Suite)
	if err != nil {
		return err
	}
	say(fmt.Sprintf("%d requests, %.1f a node: %s", requests.Sum(), float64(requests.Sum())/float64(c.fleet.Nodes), requests))
	return nil
}
