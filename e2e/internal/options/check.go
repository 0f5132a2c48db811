package options

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"procns/e2e/internal/targets"
)

// mostQPS is more than any API server answers.
const mostQPS = 1_000_000

// forOwnCluster are flags of the kind cluster that procns makes which on a cluster of the user's would be
// asked for in vain.
var forOwnCluster = []string{"load", "node-image"}

// namesCluster tells whether the run is of a cluster of the user's.
func (o *Options) namesCluster() bool { return o.Kubeconfig != "" || o.Context != "" || o.InCluster }

// checkCluster says which flags of the command line mean nothing on the cluster that it names: what the
// environment and the file say is there for other runs.
func (o *Options) checkCluster(line map[string]bool) error {
	if !o.namesCluster() {
		return nil
	}
	for _, name := range forOwnCluster {
		if line[name] {
			return fmt.Errorf("-%s is for the kind cluster that procns makes: on a cluster of yours it does nothing", name)
		}
	}
	return nil
}

// check says what is wrong with flags that are each well-formed.
func (o *Options) check(given map[string]bool) error {
	var modes []string
	if err := o.checkPackaged(given); err != nil {
		return err
	}
	for _, mode := range insteadOfARun {
		if given[mode] {
			modes = append(modes, "-"+mode)
		}
	}
	needsCluster := !o.namesCluster() && !o.prints()
	switch {
	case len(modes) > 1:
		return fmt.Errorf("%s: choose one of them", strings.Join(modes, " and "))
	case given["o"] && len(modes) > 0 && !slices.ContainsFunc(goesWith["o"], func(mode string) bool { return modes[0] == "-"+mode }):
		return fmt.Errorf("-o is the form of a run's report, of -version, -list, -list-images and -compare, not of %s", modes[0])
	case o.Form == Markdown && len(modes) > 0 && len(o.Compare) == 0 && !o.DryRun:
		return fmt.Errorf("-o markdown is no form of %s: expected text or json", modes[0])
	case o.Progress == Events && (o.Form == JSON || o.Form == Markdown):
		return fmt.Errorf("-progress json and -o %s both want standard output: choose one of them (report.json and summary.md are written anyway)", o.Form)
	case o.Quiet && o.Verbose:
		return errors.New("-quiet and -v: choose one of them")
	case len(o.Compare) != 0 && len(o.Compare) != 2:
		return errors.New("-compare names two reports: -compare earlier.json later.json")
	case (o.Baseline != "" || o.Phase != "" && !o.PrintRBAC && !o.prints()) && len(modes) > 0:
		return fmt.Errorf("-baseline and -phase go with a run, not with %s", modes[0])
	case o.Require != "" && len(modes) > 0 && len(o.Compare) == 0 && !o.DryRun && !o.prints():
		return fmt.Errorf("-require goes with a run or with -compare, not with %s", modes[0])
	case o.Witnesses && !o.Cleanup:
		return errors.New("-witnesses says what -cleanup deletes: give both")
	case o.Phase != "" && needsCluster && !o.Keep && !o.PrintRBAC:
		return errors.New("-phase needs a cluster that outlives the run: add -keep, or name a cluster of yours")
	case o.InCluster && (o.Kubeconfig != "" || o.Context != ""):
		return errors.New("-in-cluster names the cluster: leave out -kubeconfig and -context")
	case (o.DryRun || o.Cleanup) && needsCluster:
		return fmt.Errorf("%s needs a cluster: name one with -kubeconfig, -context or -in-cluster", modes[0])
	case o.KeepOnFailure && needsCluster && !o.Keep:
		return errors.New("-keep-on-failure keeps nothing on a cluster that is deleted: add -keep, or name a cluster of yours")
	case len(o.Machines) > 0 && !needsCluster:
		return errors.New("-machine is for a node of the kind cluster that procns makes: on a cluster of yours it enters no node")
	case o.Starting < 0:
		return errors.New("-starting must not be below zero")
	case o.Profile == Sweep && o.Phase != "":
		return errors.New("-profile sweep and -phase: choose one of them: witnesses are left by a run of full or core")
	case o.Resume != "" && len(modes) > 0 && !o.prints():
		return fmt.Errorf("-resume goes with a run, not with %s", modes[0])
	case o.Resume != "" && given["report-dir"]:
		return errors.New("-resume names the folder for the reports: leave out -report-dir")
	case o.Resume != "" && o.Phase != "":
		return errors.New("-resume and -phase: choose one of them")
	case o.Resume != "" && needsCluster && !o.Keep:
		return errors.New("-resume needs the cluster of the run that was interrupted: name it, or add -keep")
	case o.NodesAtOnce < 1:
		return errors.New("-nodes-at-once must be above zero")
	case o.QPS > mostQPS:
		return fmt.Errorf("-qps must not be above %d", mostQPS)
	case o.Parallel < 1, o.Pods < 1, !(float32(o.QPS) > 0), o.Timeout <= 0, o.CaseTimeout <= 0:
		return errors.New("-parallel, -pods, -qps, -timeout and -case-timeout must be above zero")
	}
	for name, text := range map[string]string{"kind-config": o.KindConfig, "kubeconfig": o.Kubeconfig, "context": o.Context, "print-exempt": o.PrintExempt, "baseline": o.Baseline, "render": o.Render, "resume": o.Resume, "report-dir": o.ReportDir} {
		if given[name] && text == "" {
			return fmt.Errorf("-%s is empty: a variable that is not set?", name)
		}
	}
	if problems := validation.IsDNS1123Label(o.KindName); len(problems) > 0 {
		return fmt.Errorf("-kind-name %q: %s", o.KindName, strings.Join(problems, "; "))
	}
	if engines := []string{"docker", "podman", "nerdctl"}; !slices.Contains(engines, o.Engine) {
		return fmt.Errorf("-engine %s: expected one of %s", o.Engine, strings.Join(engines, ", "))
	}
	if err := targets.CheckNodes(o.Nodes); err != nil {
		return fmt.Errorf("-nodes: %w", err)
	}
	return nil
}
