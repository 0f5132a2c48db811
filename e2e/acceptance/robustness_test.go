//go:build acceptance

package acceptance

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/suite"
)

// disturbance is something that happens to a cluster while the suite runs.
type disturbance struct {
	name string
	// disturb does it, to the cluster on which the run is.
	disturb func(*testing.T, *cluster, *run)
	// mend takes it back.
	mend func(*cluster) error
}

var disturbances = []disturbance{
	{"api-server", stopAPIServer, (*cluster).ready},
	{"node", stopNode, startNode},
	{"exec", cutConnections, nothing},
	{"shim", stopShims, continueShims},
	{"deleted", deletePods, nothing},
	{"drained", drain, uncordon},
}

// TestRobustness disturbs runs, and demands of each that it ends in time, that it calls nothing
// non-conformant, and that it leaves nothing behind.
func TestRobustness(t *testing.T) {
	for _, each := range disturbances {
		try(t, each.name, func(t *testing.T) {
			shared.use(t, threeNodes)
			runDisturbed(t, shared, each)
		})
	}
	try(t, "kept", func(t *testing.T) {
		shared.use(t, threeNodes)
		tryKept(t, shared)
	})
}

// runDisturbed disturbs a run once it has some results. LIMIT is the time in which it has to end.
func runDisturbed(t *testing.T, c *cluster, d disturbance) {
	r := c.start(t, "-nodes", "all", "-run", setting("CASES", "visibility,signals,filesystem,lifecycle,walkthrough,reaping"))
	r.awaitResults(20)
	mend := sync.OnceFunc(func() { assert.NoError(t, d.mend(c), "expected: the disturbance can be taken back") })
	t.Cleanup(mend)
	d.disturb(t, c, r)
	code := r.await(limit(t, 15*time.Minute))
	took := time.Since(r.began)
	mend()
	results := r.results()
	conformant, nonConformant := count(results, suite.Conformant, ""), count(results, suite.NonConformant, "")
	t.Logf("ended after %.0f s with exit code %d: %d conformant, %d non-conformant, %d inconclusive", took.Seconds(), code,
		conformant, nonConformant, count(results, suite.Inconclusive, ""))
	assert.Zero(t, nonConformant, "non-conformant results (see %s)", r.file)
	assert.Contains(t, []int{suite.ExitConformant, suite.ExitInconclusive}, code, "the exit code, expected to be one of these (see %s)", r.file)
	assert.Positive(t, conformant, "conformant results (see %s)", r.file)
	c.expectNothingLeftSoon(t)
	r.explain(results)
}

func nothing(*cluster) error { return nil }

// stopAPIServer stops the API server; kubelet starts it again.
func stopAPIServer(t *testing.T, c *cluster, _ *run) {
	_, err := c.onNode(nil, "control-plane", "sh", "-c", `crictl stop "$(crictl ps --quiet --name kube-apiserver)"`)
	require.NoError(t, err)
}

// stopNode stops a worker's container. What was to run there is inconclusive.
func stopNode(t *testing.T, c *cluster, _ *run) {
	_, err := output(nil, c.engine, "stop", "--time", "0", c.name+"-worker2")
	require.NoError(t, err)
}

func startNode(c *cluster) error {
	_, err := output(nil, c.engine, "start", c.name+"-worker2")
	return errors.Join(err, c.ready())
}

// cutConnections cuts every connection to a worker's kubelet, ten times. Between two cuts new ones are made.
func cutConnections(t *testing.T, c *cluster, r *run) {
	for range 10 {
		_, err := c.onNode(nil, "worker", "ss", "--kill", "--tcp", "sport = :10250")
		require.NoError(t, err)
		if r.endsWithin(2 * time.Second) {
			return
		}
	}
}

const shims = "containerd-shim-runc-v2"

// stopShims stops a worker's shims ten times, each time for twice as long as containerd waits for a shim to
// tell its state. In between, what waited is done.
func stopShims(t *testing.T, c *cluster, r *run) {
	for range 10 {
		_, err := c.onNode(nil, "worker", "pkill", "-STOP", "-f", shims)
		require.NoError(t, err)
		ended := r.endsWithin(4 * time.Second)
		require.NoError(t, continueShims(c))
		if ended || r.endsWithin(2*time.Second) {
			return
		}
	}
}

func continueShims(c *cluster) error {
	_, err := c.onNode(nil, "worker", "pkill", "-CONT", "-f", shims)
	return err
}

// deletePods deletes all pods of the run that are there, every five seconds, three times, each time once
// others have come.
func deletePods(t *testing.T, c *cluster, r *run) {
	namespace := c.mustKubectl(t, "get", "namespaces", "--selector", suite.RunLabel, "--output", "jsonpath={.items[0].metadata.name}")
	require.NotEmpty(t, namespace)
	for range 3 {
		c.mustKubectl(t, "--namespace", namespace, "delete", "pods", "--all", "--wait=false")
		living := 0
		err := pace.Until(running, time.Minute, func() (bool, error) {
			pods, err := c.kubectl(nil, "--namespace", namespace, "get", "pods", "--output", "json")
			if err != nil {
				return false, err
			}
			living, err = countLiving(pods)
			return living > 0 || r.ended(), err
		})
		require.NoError(t, err)
		t.Logf("all pods were deleted; then there were %d others", living)
		if r.endsWithin(5 * time.Second) {
			return
		}
	}
}

// drain drains a worker of the run's pods. That not all of them go in a minute is no failure.
func drain(t *testing.T, c *cluster, _ *run) {
	if _, err := c.kubectl(nil, "drain", c.name+"-worker2", "--pod-selector", suite.RunLabel, "--force", "--delete-emptydir-data",
		"--ignore-daemonsets", "--timeout", "60s"); err != nil {
		t.Logf("the drain: %v", err)
	}
}

func uncordon(c *cluster) error {
	_, err := c.kubectl(nil, "uncordon", c.name+"-worker2")
	return err
}

// tryKept kills all nodes, as a restart of the machine does: the next run makes the kept cluster anew, and
// is conformant.
func tryKept(t *testing.T, c *cluster) {
	c.spoil()
	for _, node := range []string{"control-plane", "worker", "worker2"} {
		_, err := output(nil, c.engine, "kill", fmt.Sprintf("%s-%s", c.name, node))
		require.NoError(t, err)
	}
	r := c.keep(t, "kept", "")
	code := r.await(limit(t, runTime))
	replaced := linesHolding(r.output(), "no longer works")
	r.show(replaced)
	assert.NotEmpty(t, replaced, "expected: the run says that the cluster was made anew, for it no longer works (see %s)", r.file)
	r.expectCode(suite.ExitConformant, code, "the run is conformant")
}
