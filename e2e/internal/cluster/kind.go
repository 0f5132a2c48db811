package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	kind "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	kindlog "sigs.k8s.io/kind/pkg/log"
)

// Kind makes and deletes one kind cluster with kind's library, without a kind
// binary.
//
// The cluster has a network of its own, named like it, so that deleting the
// cluster leaves nothing on the host; and a kubeconfig of its own, never the
// user's.
type Kind struct {
	name       string
	engine     string // docker, podman or nerdctl
	image      string
	kubeconfig string
	log        *stepLog
	provider   *kind.Provider

	mu sync.Mutex // serialises removal
}

// NewKind prepares a provider. folder receives the kubeconfig; progress is
// written to out.
func NewKind(name, engine, nodeImage, folder string, out io.Writer) (*Kind, error) {
	k := &Kind{name: name, engine: engine, image: nodeImage, kubeconfig: filepath.Join(folder, name+".kubeconfig"), log: &stepLog{out: out}}
	var with kind.ProviderOption
	switch engine {
	case "docker":
		with = kind.ProviderWithDocker()
	case "podman":
		with = kind.ProviderWithPodman()
	case "nerdctl":
		with = kind.ProviderWithNerdctl("nerdctl")
	default:
		return nil, fmt.Errorf("the engine is %q: use docker, podman or nerdctl", engine)
	}
	if _, err := exec.LookPath(engine); err != nil {
		return nil, fmt.Errorf("%s is not installed: install it, or name another engine with -engine", engine)
	}
	// kind reads the network's name from the environment only. nerdctl shares
	// docker's variable.
	variable := map[string]string{"podman": "KIND_EXPERIMENTAL_PODMAN_NETWORK"}[engine]
	if variable == "" {
		variable = "KIND_EXPERIMENTAL_DOCKER_NETWORK"
	}
	if err := os.Setenv(variable, name); err != nil {
		return nil, err
	}
	k.provider = kind.NewProvider(with, kind.ProviderWithLogger(k.log))
	return k, nil
}

// Exists tells whether a cluster of this name is there already.
func (k *Kind) Exists() (bool, error) {
	names, err := k.provider.List()
	return slices.Contains(names, k.name), err
}

// Runs returns an error that names the first node of an existing cluster in which
// no command can be run, because its container was stopped or hangs.
func (k *Kind) Runs(ctx context.Context) error {
	all, err := k.provider.ListNodes(k.name)
	if err != nil {
		return err
	}
	const bound = 20 * time.Second // for the engine to start one process on a busy machine
	for _, node := range all {
		trying, cancel := context.WithTimeout(ctx, bound)
		err := node.CommandContext(trying, "true").Run()
		cancel()
		if err != nil {
			return fmt.Errorf("node %s does not run", node)
		}
	}
	return nil
}

// Image is the node image that an existing cluster's nodes were made from.
func (k *Kind) Image() string {
	nodes, err := k.provider.ListNodes(k.name)
	if err != nil || len(nodes) == 0 {
		return ""
	}
	out, err := exec.Command(k.engine, "inspect", "--format", "{{.Config.Image}}", nodes[0].String()).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// Create makes the cluster from a kind configuration, and writes its kubeconfig. It
// does not wait for the nodes: AwaitNodes does. When ctx ends meanwhile, the half-made
// cluster is deleted before it returns.
func (k *Kind) Create(ctx context.Context, configFile string) error {
	created := make(chan error, 1)
	go func() {
		created <- k.provider.Create(k.name,
			kind.CreateWithConfigFile(configFile), kind.CreateWithNodeImage(k.image),
			kind.CreateWithKubeconfigPath(k.kubeconfig), kind.CreateWithRetain(true),
			kind.CreateWithDisplayUsage(false), kind.CreateWithDisplaySalutation(false))
	}()
	select {
	case err := <-created:
		if err != nil {
			return fmt.Errorf("kind create: %w", k.explain(err))
		}
		return nil
	case <-ctx.Done():
		// kind's library cannot be cancelled: taking its containers away ends it.
		_ = k.Destroy()
		<-created
		return errors.Join(context.Cause(ctx), k.Destroy())
	}
}

// explain adds what the failed command printed, which kind keeps apart.
func (k *Kind) explain(err error) error {
	var run interface{ PrettyCommand() string }
	if errors.As(err, &run) {
		return fmt.Errorf("%w (%s)", err, run.PrettyCommand())
	}
	return err
}

// LoadImageArchive loads an image archive into every node.
func (k *Kind) LoadImageArchive(ctx context.Context, archive string) error {
	nodes, err := k.provider.ListInternalNodes(k.name)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	failures := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, node := range nodes {
		wg.Go(func() {
			if err := nodeutils.LoadImageArchive(node, bytes.NewReader(content)); err != nil {
				failures[i] = fmt.Errorf("loading %s into node %s: %w", filepath.Base(archive), node, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(append(failures, ctx.Err())...)
}

// node finds one of the cluster's nodes by its name.
func (k *Kind) node(name string) (nodes.Node, error) {
	all, err := k.provider.ListNodes(k.name)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if n.String() == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("kind knows no node %s", name)
}

// Destroy deletes the cluster and all that was made for it: containers, volumes,
// network, kubeconfig. Deleting what is not there is no error.
func (k *Kind) Destroy() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	// Killed nodes need no shutdown, for which the engine would grant each ten
	// seconds. A failure shows in Delete.
	if nodes, err := k.provider.ListNodes(k.name); err == nil && len(nodes) > 0 {
		kill := []string{"kill"}
		for _, node := range nodes {
			kill = append(kill, node.String())
		}
		_ = exec.Command(k.engine, kill...).Run()
	}
	failed := k.provider.Delete(k.name, k.kubeconfig)
	// A volume is made before the node that would own it: an interrupt between the
	// two leaves it behind, labelled with the node's name.
	if k.engine == "podman" {
		for _, suffix := range nodeSuffixes {
			failed = errors.Join(failed, k.removeListed("volume", "label="+k.name+"-"+suffix))
		}
	}
	failed = errors.Join(failed, k.removeListed("network", "name=^"+k.name+"$"))
	if err := os.Remove(k.kubeconfig); err != nil && !os.IsNotExist(err) {
		failed = errors.Join(failed, err)
	}
	_ = os.Remove(k.kubeconfig + ".lock") // kind's own; there only after an interrupt
	if failed != nil {
		return fmt.Errorf("cluster %s is left: %w; delete it by hand: %s", k.name, failed, k.ByHand())
	}
	return nil
}

func (k *Kind) removeListed(what, filter string) error {
	out, err := exec.Command(k.engine, what, "ls", "--quiet", "--filter", filter).Output()
	if err != nil {
		return nil // the engine has no such object or filter
	}
	names := strings.Fields(string(out))
	if len(names) == 0 {
		return nil
	}
	if out, err := exec.Command(k.engine, append([]string{what, "rm"}, names...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s rm: %s", k.engine, what, strings.TrimSpace(string(out)))
	}
	return nil
}

// ByHand is the command that deletes the cluster without us.
func (k *Kind) ByHand() string {
	command := fmt.Sprintf("%[1]s ps -aq --filter label=io.x-k8s.kind.cluster=%[2]s | xargs -r %[1]s rm -f -v; %[1]s network rm %[2]s", k.engine, k.name)
	if k.engine == "podman" {
		command += fmt.Sprintf("; for node in %[2]s; do podman volume ls -q --filter label=%[1]s-$node; done | xargs -r podman volume rm",
			k.name, strings.Join(nodeSuffixes, " "))
	}
	return command
}

// Kubeconfig is the file of the cluster's kubeconfig.
func (k *Kind) Kubeconfig() string { return k.kubeconfig }

// WriteKubeconfig writes the cluster's kubeconfig anew.
func (k *Kind) WriteKubeconfig() error {
	return k.provider.ExportKubeConfig(k.name, k.kubeconfig, false)
}

// Context is the name of the kubeconfig's context.
func (k *Kind) Context() string { return "kind-" + k.name }

// ExportLogs collects the nodes' logs into a folder.
func (k *Kind) ExportLogs(folder string) error { return k.provider.CollectLogs(k.name, folder) }

// quiet begins the lines of kind that tell a user nothing: steps are said when
// they are done, and the network has another name on purpose.
var quiet = []string{"•", "Deleted nodes", "WARNING: Overriding", "WARNING: Here be dragons", "enabling experimental"}

// nodeSuffixes are how kind names the nodes of kind-config.yaml, after the cluster.
var nodeSuffixes = []string{"control-plane", "worker", "worker2"}

// stepLog prints kind's progress, one line a step.
type stepLog struct {
	out io.Writer
	mu  sync.Mutex
}

func (l *stepLog) line(message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	message = strings.TrimSpace(message)
	if message == "" || slices.ContainsFunc(quiet, func(prefix string) bool { return strings.HasPrefix(message, prefix) }) {
		return
	}
	message = strings.Map(func(r rune) rune {
		if r > 0x2fff || r == 0xfe0f {
			return -1 // no pictures in logs
		}
		return r
	}, message)
	fmt.Fprintf(l.out, "    kind: %s\n", strings.TrimSpace(message))
}

func (l *stepLog) Warn(message string)          { l.line(message) }
func (l *stepLog) Warnf(f string, args ...any)  { l.line(fmt.Sprintf(f, args...)) }
func (l *stepLog) Error(message string)         { l.line(message) }
func (l *stepLog) Errorf(f string, args ...any) { l.line(fmt.Sprintf(f, args...)) }

// V implements kind's logger: level 0 is meant for users.
func (l *stepLog) V(level kindlog.Level) kindlog.InfoLogger {
	if level > 0 {
		return kindlog.NoopInfoLogger{}
	}
	return l
}

func (l *stepLog) Info(message string)         { l.line(message) }
func (l *stepLog) Infof(f string, args ...any) { l.line(fmt.Sprintf(f, args...)) }
func (l *stepLog) Enabled() bool               { return true }
