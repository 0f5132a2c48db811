package conformance

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"procns/e2e/internal/cluster"
	"procns/e2e/internal/options"
)

// provisionCluster makes the kind cluster, or uses the one kept by an earlier run.
func (c *Run) provisionCluster(ctx context.Context) error {
	host, err := cluster.DetectHost("/")
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(c.KindConfig)
	if err != nil {
		return fmt.Errorf("%w: name kind's configuration with -kind-config, or a cluster with -kubeconfig", err)
	}
	effective, nodes, causes, err := host.Configure(raw)
	if err != nil {
		return err
	}
	c.report.HostChanges = append(c.report.HostChanges, causes...)
	configFile := filepath.Join(c.folder.Path, "kind-config.yaml")
	if err := os.WriteFile(configFile, effective, 0o644); err != nil {
		return err
	}

	folder, err := kindFolder(c.Options)
	if err != nil {
		return err
	}
	kept, err := cluster.NewKind(c.KindName, c.Engine, c.NodeImage, folder, &lines{view: c.view})
	if err != nil {
		return err
	}
	exists, err := kept.Exists()
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", c.Engine, err)
	}
	if exists {
		exists, err = c.useKept(ctx, kept, nodes)
		if err != nil {
			return err
		}
	}
	if !exists {
		name := "procns-" + c.report.ID
		if c.Keep {
			name = c.KindName
		}
		if c.kind, err = cluster.NewKind(name, c.Engine, c.NodeImage, folder, &lines{view: c.view}); err != nil {
			return err
		}
		c.created = true
		if scarce := cluster.ScarceInstances("/", nodes); scarce != "" {
			c.say("==> %s", scarce)
		}
		if err := c.step(fmt.Sprintf("kind cluster %s (%d nodes)", name, nodes), func() error {
			return c.kind.Create(ctx, configFile)
		}); err != nil {
			return c.giveUpCluster(ctx, err)
		}
	}
	c.Kubeconfig, c.Context = c.kind.Kubeconfig(), c.kind.Context()
	c.report.Cluster.Provisioned = "kind, node image " + c.NodeImage
	if err := c.step("workload images loaded into the nodes", func() error {
		for _, archive := range c.Archives {
			if err := c.kind.LoadImageArchive(ctx, archive); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	const bound = 3 * time.Minute // kubelet needs seconds once the CNI is in place
	return c.step("every node Ready", func() error { return c.awaitNodes(ctx, c.place(), nodes, bound) })
}

// kindFolder is where the cluster's kubeconfig is: not among what a CI system publishes.
func kindFolder(o options.Options) (string, error) {
	if o.Flat {
		return filepath.Abs("_artifacts")
	}
	return filepath.Abs(o.ReportDir)
}

// useKept uses the cluster kept by an earlier run, if it can be used. A cluster
// that no longer works is deleted, and false returned: its nodes do not start
// again with the machine, and a run that was killed leaves half-made ones.
func (c *Run) useKept(ctx context.Context, kept *cluster.Kind, nodes int) (bool, error) {
	works := func() error {
		if err := kept.Runs(ctx); err != nil {
			return err
		}
		if err := kept.WriteKubeconfig(); err != nil {
			return err
		}
		const bound = time.Minute // its nodes were Ready long ago; one just restarted needs 40 s
		return c.awaitNodes(ctx, cluster.Place{Kubeconfig: kept.Kubeconfig(), Context: kept.Context()}, nodes, bound)
	}
	broken := works()
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case broken != nil:
		c.say("==> the kept kind cluster %q no longer works (%s): it is deleted, and a new one made", c.KindName, oneLine(broken))
		return false, kept.Destroy()
	case c.NodeImage != "" && kept.Image() != c.NodeImage:
		return false, fmt.Errorf("the kept cluster %q runs %s, not %s: delete it first: %s", c.KindName, kept.Image(), c.NodeImage, kept.ByHand())
	}
	c.say("==> using the kept kind cluster %q", c.KindName)
	c.kind = kept
	return true, nil
}

func (c *Run) awaitNodes(ctx context.Context, place cluster.Place, count int, bound time.Duration) error {
	_, client, _, err := cluster.Connect(place, float32(c.QPS), &cluster.Counts{})
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("not within %s", bound))
	defer cancel()
	return cluster.AwaitNodes(waiting, client, count)
}

// deleteKept deletes the cluster that -keep kept, if there is one.
func deleteKept(o options.Options, stderr io.Writer) error {
	folder, err := kindFolder(o)
	if err != nil {
		return err
	}
	kept, err := cluster.NewKind(o.KindName, o.Engine, "", folder, stderr)
	if err != nil {
		return err
	}
	if err := kept.Destroy(); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "procns: the kind cluster %q is gone\n", o.KindName)
	return nil
}

// giveUpCluster removes a half-made cluster, which nobody asked to keep. What its
// nodes logged stays with the evidence, unless the user is in a hurry.
func (c *Run) giveUpCluster(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		logs := filepath.Join(c.folder.Path, "nodes")
		if exportErr := c.kind.ExportLogs(logs); exportErr == nil {
			err = fmt.Errorf("%w; the nodes' logs are in %s", err, logs)
		}
	}
	if removeErr := c.kind.Destroy(); removeErr != nil {
		c.report.Leftovers = append(c.report.Leftovers, removeErr.Error())
	}
	c.kind = nil
	return err
}
