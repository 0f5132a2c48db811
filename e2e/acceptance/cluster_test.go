//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"procns/e2e/internal/gotest"
	"procns/e2e/internal/pace"
	"procns/e2e/internal/suite"
)

const (
	binary = "bin/procns.test"
	// threeNodes is the configuration of the cluster that most tests use.
	threeNodes = "kind-config.yaml"
	// commandTime bounds a command that is waited for, and readyTime the time in which nodes are Ready again.
	commandTime = 10 * time.Minute
	readyTime   = 10 * time.Minute
	// runTime is the time of a run where LIMIT does not say otherwise.
	runTime = 30 * time.Minute
)

// cluster is a kind cluster of these tests' own.
type cluster struct {
	name string
	// folder is where reports go. There is none before prepare.
	folder string
	// engine is the container engine, and images the values of -image for the cluster's images.
	engine string
	images []string
	// config is what the cluster was made from; empty: there is none that a test can use.
	config     string
	kubeconfig string
	exists     bool // or a part of it does
	runs       int
}

// prepare builds the suite, chooses the engine and makes the images, as make e2e does it.
func (c *cluster) prepare(t *testing.T) {
	t.Helper()
	notInterrupted(t)
	if c.engine != "" {
		return
	}
	folder, err := filepath.Abs(filepath.Join("_artifacts", "checks-"+time.Now().Format("20060102-150405")))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	c.folder = folder
	building := start(t, c.newFolder(t, "build"), nil, "make", "--no-print-directory", "build")
	require.Zero(t, building.await(runTime), "the exit code of make build (see %s)", building.file)
	flags, err := gotest.KindFlags(running, os.Stderr)
	require.NoError(t, err)
	engines := valuesOf(flags, "engine")
	require.Len(t, engines, 1, "expected one engine in the flags that the scripts give: %q", flags)
	c.images = valuesOf(flags, "image")
	require.NotEmpty(t, c.images, "expected images in the flags that the scripts give: %q", flags)
	// Scripts take both for the choice that was made.
	require.NoError(t, os.Setenv("ENGINE", engines[0]))
	require.NoError(t, os.Setenv("KIND_EXPERIMENTAL_PROVIDER", engines[0]))
	c.engine = engines[0]
}

// use makes the cluster from a configuration of kind's, in place of one that was made from another.
func (c *cluster) use(t *testing.T, config string) {
	t.Helper()
	c.prepare(t)
	if c.config == config {
		return
	}
	require.NoError(t, c.delete())
	t.Logf("making the cluster %s from %s", c.name, config)
	making := c.keep(t, "making", "-kind-config "+config)
	if code := making.await(runTime); code != 0 {
		t.Fatalf("expected: the cluster is made, exit code 0; observed: exit code %d: %s (all of it: %s)", code, lastLine(making.output()), making.file)
	}
	c.config = config
}

// keep starts scripts/e2e.sh, which is make e2e, for a cluster that stays. One case shows that it works.
func (c *cluster) keep(t *testing.T, name, flags string) *run {
	t.Helper()
	c.config, c.exists = "", true
	c.kubeconfig = filepath.Join(c.made(), c.name+".kubeconfig")
	arguments := fmt.Sprintf("-kind-name %s -report-dir %s -run pid1/is-the-sandbox %s", c.name, c.made(), flags)
	return start(t, c.newFolder(t, name), []string{"KEEP=1", "ARGS=" + arguments}, "scripts/e2e.sh")
}

// made is the folder of what belongs to the cluster itself.
func (c *cluster) made() string { return filepath.Join(c.folder, "made") }

// newFolder makes a folder for a run's reports.
func (c *cluster) newFolder(t *testing.T, name string) string {
	t.Helper()
	c.runs++
	folder := filepath.Join(c.folder, fmt.Sprintf("%s-%d", name, c.runs))
	require.NoError(t, os.MkdirAll(folder, 0o755))
	return folder
}

// spoil has the next test make the cluster anew.
func (c *cluster) spoil() { c.config = "" }

// delete deletes the cluster, also where the tests were interrupted.
func (c *cluster) delete() error {
	if !c.exists {
		return nil
	}
	c.spoil()
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	if _, err := outputOf(ctx, nil, binary, append(c.down(), "-report-dir", c.made())...); err != nil {
		return fmt.Errorf("%w; the cluster is left, delete it by hand: %s", err, c.byHand())
	}
	c.exists = false
	return nil
}

func (c *cluster) down() []string {
	return []string{"-down", "-engine", c.engine, "-kind-name", c.name}
}

func (c *cluster) byHand() string {
	if !c.exists {
		return "nothing"
	}
	return binary + " " + strings.Join(c.down(), " ")
}

// note adds a line about a test to what the workflow's page shows.
func (c *cluster) note(t *testing.T, took time.Duration) {
	t.Helper()
	if c.folder == "" {
		return
	}
	file, err := os.OpenFile(filepath.Join(c.folder, "acceptance.md"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if !assert.NoError(t, err) {
		return
	}
	result := "passed"
	if t.Failed() {
		result = "FAILED"
	}
	_, err = fmt.Fprintf(file, "- %s: %s (%.0f s)\n", t.Name(), result, took.Seconds())
	assert.NoError(t, errors.Join(err, file.Close()))
}

// output runs a program and returns what it wrote to standard output. What it wrote to standard error is
// in the error.
func output(input io.Reader, name string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(running, commandTime)
	defer cancel()
	return outputOf(ctx, input, name, arguments...)
}

func outputOf(ctx context.Context, input io.Reader, name string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, name, arguments...)
	var out, said bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = input, &out, &said
	command.WaitDelay = 10 * time.Second
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", strings.Join(command.Args, " "), err, strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}

// inNode is a command of the engine that runs another one in a node, which is named without the cluster's
// name. On the control plane that is where the cluster's administrator is.
func (c *cluster) inNode(input io.Reader, node string, command ...string) []string {
	arguments := []string{"exec"}
	if input != nil {
		arguments = append(arguments, "--interactive")
	}
	if node == "control-plane" {
		arguments = append(arguments, "--env", "KUBECONFIG=/etc/kubernetes/admin.conf")
	}
	return append(append(arguments, c.name+"-"+node), command...)
}

// onNode runs a command in a node.
func (c *cluster) onNode(input io.Reader, node string, command ...string) (string, error) {
	return output(input, c.engine, c.inNode(input, node, command...)...)
}

func (c *cluster) kubectl(input io.Reader, arguments ...string) (string, error) {
	return c.onNode(input, "control-plane", append([]string{"kubectl"}, arguments...)...)
}

// mustKubectl is kubectl where a test cannot go on without it.
func (c *cluster) mustKubectl(t *testing.T, arguments ...string) string {
	t.Helper()
	out, err := c.kubectl(nil, arguments...)
	require.NoError(t, err)
	return strings.TrimSpace(out)
}

// apply creates the objects of a manifest, or changes them.
func (c *cluster) apply(t *testing.T, manifest string) {
	t.Helper()
	_, err := c.kubectl(strings.NewReader(manifest), "apply", "-f", "-")
	require.NoError(t, err)
}

// unapply deletes the objects of a manifest.
func (c *cluster) unapply(t *testing.T, manifest string) {
	t.Helper()
	_, err := c.kubectl(strings.NewReader(manifest), "delete", "--ignore-not-found", "-f", "-")
	assert.NoError(t, err)
}

// ready waits until the API server answers and every node is Ready.
func (c *cluster) ready() error {
	var last error
	err := pace.Until(running, readyTime, func() (bool, error) {
		_, last = c.kubectl(nil, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=180s")
		return last == nil, nil
	})
	return errors.Join(err, last)
}

// expectNothingLeftSoon is expectNothingLeft where the cluster has only just been mended: what it could not
// delete before may take it a moment.
func (c *cluster) expectNothingLeftSoon(t *testing.T) {
	t.Helper()
	const soon = 15 * time.Second
	assert.NoError(t, pace.Until(running, soon, func() (bool, error) { return len(c.left(t)) == 0, nil }))
	c.expectNothingLeft(t)
}

// expectNothingLeft holds the cluster to having nothing of a run on it any more.
func (c *cluster) expectNothingLeft(t *testing.T) {
	t.Helper()
	assert.Empty(t, c.left(t), "expected: no namespace of a run is left on the cluster; observed: these")
}

// left are the namespaces of runs.
func (c *cluster) left(t *testing.T) []string {
	t.Helper()
	return strings.Fields(c.mustKubectl(t, "get", "namespaces", "--selector", suite.RunLabel, "--output", "name"))
}

// token is a token of a service account.
func (c *cluster) token(t *testing.T, namespace, account, duration string) string {
	t.Helper()
	token := c.mustKubectl(t, "--namespace", namespace, "create", "token", account, "--duration", duration)
	require.NotEmpty(t, token)
	return token
}

// variant writes the cluster's kubeconfig with a change, and returns the file.
func (c *cluster) variant(t *testing.T, name string, change func(*api.Config) *api.Config) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(c.kubeconfig)
	require.NoError(t, err)
	file := filepath.Join(c.folder, name+".kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(*change(config), file))
	return file
}

// printRBAC is what -print-rbac prints.
func printRBAC(t *testing.T) string {
	t.Helper()
	manifest, err := output(nil, binary, "-print-rbac")
	require.NoError(t, err)
	return manifest
}

// suiteImage makes the suite's own image, loads it into the workers, and returns its reference.
func (c *cluster) suiteImage(t *testing.T, folder string) string {
	t.Helper()
	const name, version = "localhost/procns/check", "1"
	making := start(t, c.newFolder(t, "image"), []string{"IMAGE=" + name, "VERSION=" + version, "PLATFORMS=linux/" + runtime.GOARCH}, "scripts/image.sh", folder)
	require.Zero(t, making.await(runTime), "the exit code of scripts/image.sh (see %s)", making.file)
	for _, node := range []string{"worker", "worker2"} {
		archive, err := os.Open(filepath.Join(folder, "image.tar"))
		require.NoError(t, err)
		_, err = c.onNode(archive, node, "ctr", "-n", "k8s.io", "images", "import", "-")
		_ = archive.Close()
		require.NoError(t, err)
	}
	return name + ":" + version
}

// refusesPlainPods tells whether Pod Security refuses a pod that asks for nothing, and what kubectl said.
func (c *cluster) refusesPlainPods() (bool, string) {
	out, err := c.kubectl(nil, "run", "probe", "--image=busybox", "--dry-run=server")
	if err != nil {
		return restricts(err.Error()), err.Error()
	}
	return false, out
}
