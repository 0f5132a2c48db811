package bench

import (
	"fmt"
	"slices"
	"strings"

	"procns/e2e/internal/suite"
)

// Cluster is the kind cluster that is measured on, and what the programs need to know of it.
type Cluster struct {
	Name, Kubeconfig string
	// Workers are the names of the nodes that are targets, in the order in which they are taken.
	Workers []string
	// KindFlags are what scripts/on-kind.sh prints: engine, node image, images, archives.
	KindFlags []string
	// KindConfig is the file that the cluster was made from.
	KindConfig string
}

// Programs are the files of what is run.
type Programs struct{ Bench, Suite, ByHand, Framework string }

// Command is one program with its arguments and what its environment has besides.
type Command struct {
	Path        string
	Arguments   []string
	Environment []string
}

// Command is how a subject is run. The suite gets reports as the folder of its reports. The error says
// that the cluster has too few workers, or that nobody knows the subject.
func (c Cluster) Command(s Subject, p Programs, catalogue []suite.Case, reports string) (Command, error) {
	if s.Targets > len(c.Workers) {
		return Command{}, fmt.Errorf("%s needs %d workers, and the cluster %s has %d: make it with WORKERS=%d", s, s.Targets, c.Name, len(c.Workers), s.Targets)
	}
	images := pick(c.KindFlags, "-image")
	on := []string{"-nodes", "kubernetes.io/hostname in (" + strings.Join(c.Workers[:s.Targets], ",") + ")"}
	switch s.What {
	case Limit:
		return Command{Path: p.Bench, Arguments: slices.Concat([]string{"limit", "-kubeconfig", c.Kubeconfig}, images, on, s.Selection(catalogue))}, nil
	case Suite:
		// The images are in the nodes already: the archives are left out.
		kind := slices.Concat(pick(c.KindFlags, "-engine", "-node-image"), images, []string{"-keep", "-kind-name", c.Name, "-kind-config", c.KindConfig})
		return Command{Path: p.Suite, Arguments: slices.Concat(kind, []string{"-report-dir", reports, "-quiet"}, on, s.Selection(catalogue))}, nil
	case ByHand:
		return Command{Path: p.ByHand, Environment: c.environment()}, nil
	case Framework:
		return Command{Path: p.Framework, Environment: c.environment()}, nil
	}
	return Command{}, fmt.Errorf("nobody knows how to run %s", s)
}

// environment is what the programs that are not ours read.
func (c Cluster) environment() []string {
	all := []string{"KUBECONFIG=" + c.Kubeconfig, "NODE=" + c.Workers[0]}
	variables := map[string][]string{"nginx": {"NGINX_IMAGE"}, "busybox": {"BUSYBOX_IMAGE", "BUSYBOX_1_28_IMAGE"}, "pause": {"PAUSE_IMAGE"}}
	for _, image := range pick(c.KindFlags, "-image") {
		name, reference, ok := strings.Cut(image, "=")
		if !ok {
			continue // the flag itself
		}
		for _, variable := range variables[name] {
			all = append(all, variable+"="+reference)
		}
	}
	return all
}

// pick are the flags of these names, with their values.
func pick(flags []string, names ...string) []string {
	var some []string
	for i := 0; i+1 < len(flags); i += 2 {
		if slices.Contains(names, flags[i]) {
			some = append(some, flags[i], flags[i+1])
		}
	}
	return some
}
