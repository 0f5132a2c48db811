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
	c.report.Mends = append(c.report.Mends, causes...)
	configFile := filepath.Join(c.folder.Path, "kind-config.yaml")
	if err := os.WriteFile(configFile, effective, 0o644); err != nil {
		return err
	}

	folder, err := filepath.Abs(c.ReportDir)
	if err != nil {
		return err
	}
	kept, err := cluster.NewKind(c.KindName, c.Engine, c.NodeImage, folder, c.stderr)
	if err != nil {
		return err
	}
	exists, err := kept.Exists()
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", c.Engine, err)
	}
	switch {
	case exists && c.NodeImage != "" && kept.Image() != c.NodeImage:
		return fmt.Errorf("the kept cluster %q runs %s, not %s: delete it first: %s", c.KindName, kept.Image(), c.NodeImage, kept.ByHand())
	case exists:
		c.say("==> using the kept kind cluster %q", c.KindName)
		c.kind = kept
		if _, err := kept.GenerateKubeconfig(); err != nil {
			return err
		}
	default:
		name := "procns-" + c.report.ID
		if c.Keep {
			name = c.KindName
		}
		if c.kind, err = cluster.NewKind(name, c.Engine, c.NodeImage, folder, c.stderr); err != nil {
			return err
		}
		c.created = true
		if err := c.step(fmt.Sprintf("kind cluster %s (%d nodes)", name, nodes), func() error {
			_, err := c.kind.CreateWithConfig(ctx, configFile)
			return err
		}); err != nil {
			return c.giveUpCluster(ctx, err)
		}
	}
	c.Kubeconfig, c.Context = c.kind.GetKubeconfig(), c.kind.GetKubectlContext()
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
	_, client, _, err := cluster.Connect(c.place(), float32(c.QPS), &cluster.Counts{})
	if err != nil {
		return err
	}
	return c.step("every node Ready", func() error {
		const bound = 3 * time.Minute // kubelet needs seconds once the CNI is in place
		waiting, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("not within %s", bound))
		defer cancel()
		return cluster.AwaitNodes(waiting, client, nodes)
	})
}

// deleteKept deletes the cluster that -keep kept, if there is one.
func deleteKept(o options.Options, stderr io.Writer) error {
	folder, err := filepath.Abs(o.ReportDir)
	if err != nil {
		return err
	}
	kept, err := cluster.NewKind(o.KindName, o.Engine, "", folder, stderr)
	if err != nil {
		return err
	}
	if err := kept.Destroy(context.Background()); err != nil {
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
		if exportErr := c.kind.ExportLogs(ctx, logs); exportErr == nil {
			err = fmt.Errorf("%w; the nodes' logs are in %s", err, logs)
		}
	}
	if removeErr := c.kind.Destroy(context.Background()); removeErr != nil {
		c.report.Leftovers = append(c.report.Leftovers, removeErr.Error())
	}
	c.kind = nil
	return err
}
