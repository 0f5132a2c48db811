package conformance

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"procns/e2e/cases"
	"procns/e2e/internal/build"
	"procns/e2e/internal/cluster"
	"procns/e2e/internal/exempt"
	"procns/e2e/internal/incluster"
	"procns/e2e/internal/interrupt"
	"procns/e2e/internal/options"
	"procns/e2e/internal/pace"
	"procns/e2e/internal/preflight"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/surroundings"
	"procns/fixtures"
)

// Begin reads the command line, without the testing package's own flags, and what the
// environment says of a run and of who runs the suite. Where there is nothing to run,
// because something else was asked for or something is wrong, it returns no run, and the
// exit code. Where a run makes a kind cluster, kindFlags, if there is one, prepares it, and
// returns the flags that name what it is made of.
func Begin(arguments []string, version string, stdout, stderr io.Writer, kindFlags ...func() ([]string, error)) (*Run, int) {
	sources := options.Sources{Arguments: arguments, Environment: os.Environ()}
	around := sources.Surroundings()
	o, err := sources.Parse(stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil, suite.ExitConformant
	}
	var run *Run
	code := suite.ExitUsage
	if err == nil {
		run, code, err = begin(o, arguments, around, version, stdout, stderr, kindFlags)
	}
	if err != nil {
		code = refuse(stderr, err)
		if o.Runs() { // somebody may wait for its results
			reportRefusal(around, version, err, stdout, stderr)
		}
		return nil, code
	}
	return run, code
}

// begin does what was asked for, or makes the run.
func begin(o options.Options, arguments []string, around surroundings.Surroundings, version string, stdout, stderr io.Writer, kindFlags []func() ([]string, error)) (*Run, int, error) {
	if len(o.Compare) > 0 {
		return nil, compareReports(o, stdout, stderr), nil
	}
	if o.Archive != "" {
		return writeArchive(o, around, stdout, stderr)
	}
	catalogue := cases.All()
	if o.Phase == options.After {
		catalogue = append(cases.Upgrade(), catalogue...)
	}
	selected, err := o.Select(catalogue, fixtures.Read)
	if err != nil {
		return nil, 0, err
	}
	if o.Phase == options.After {
		// Whatever is selected: they can be judged once, and never again.
		selected = append(cases.Upgrade(), ordinary(selected)...)
	}
	if err := o.CheckRequired(selected); err != nil {
		return nil, 0, err
	}
	exemptions, err := readExemptions(o.Exempt, catalogue)
	if err != nil {
		return nil, 0, err
	}
	baseline, err := readBaseline(o.Baseline)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case o.Completion != "":
		err = options.WriteCompletion(stdout, o.Completion)
	case o.PrintJob:
		err = incluster.WriteJob(stdout, manifestOfRun(o, version))
	case o.PrintSonobuoyPlugin:
		err = incluster.WriteSonobuoyPlugin(stdout, manifestOfRun(o, version))
	case o.Version:
		err = writeVersion(stdout, o.Form, version, selected)
	case o.List:
		err = options.WriteCases(stdout, selected, o.Form == options.JSON)
	case o.ListImages:
		var images []options.Image
		if images, err = o.AllImages(selected, fixtures.Read); err == nil {
			err = options.WriteImages(stdout, images, o.Form == options.JSON)
		}
	case o.PrintExempt != "":
		var text []byte
		if text, err = exempt.Builtin(o.PrintExempt); err == nil {
			_, err = stdout.Write(text)
		}
	case o.Render != "":
		err = renderReport(o.Render, stdout)
	case o.PrintRBAC:
		err = preflight.WriteRBAC(stdout, needsOf(o))
	case o.Down:
		err = deleteKept(o, stderr)
	case o.Cleanup:
		err = cleanUpAfterDead(o, stderr)
	case o.Provision && len(kindFlags) > 0:
		flags, err := kindFlags[0]()
		if err != nil {
			return nil, 0, err
		}
		run, code := Begin(append(flags, arguments...), version, stdout, stderr)
		return run, code, nil
	default:
		run, err := newRun(o, around, catalogue, selected, exemptions, version, stdout, stderr)
		if err != nil {
			return nil, 0, err
		}
		run.baseline = baseline
		return run, suite.ExitConformant, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return nil, suite.ExitConformant, nil
}

// writeVersion says which build this is, and which catalogue it has, or which part of
// it was selected.
func writeVersion(stdout io.Writer, form options.Form, version string, selected []suite.Case) error {
	info := build.Of(version, len(selected), report.CatalogueSHA256(selected))
	if form == options.JSON {
		return options.WriteJSON(stdout, info)
	}
	return info.Write(stdout)
}

// cleanUpAfterDead deletes what dead runs left on a cluster.
func cleanUpAfterDead(o options.Options, stderr io.Writer) error {
	say := func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }
	ctx, stop := interrupt.Context(func(said string) { say("\nprocns: %s", said) }, suite.ExitUsage)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("the time of %s is over (-timeout)", o.Timeout))
	defer cancel()
	var plugins cluster.Plugins
	config, client, _, err := cluster.Connect(cluster.Place{Kubeconfig: o.Kubeconfig, Context: o.Context, InCluster: o.InCluster, Plugins: &plugins}, float32(o.QPS), &cluster.Counts{})
	if err != nil {
		return err
	}
	if _, err := cluster.Reach(ctx, client, config, &plugins, say); err != nil {
		return err
	}
	if err := cluster.MayCleanUp(ctx, client); err != nil {
		return err
	}
	dead, living, err := cluster.FindDead(ctx, client, say, func(ctx context.Context) error {
		return pace.Pause(ctx, cluster.LookTwice) // how long a living run may be silent
	})
	if err != nil {
		return err
	}
	for _, d := range dead {
		say("==> deleting namespace %s of the dead run %s", d.Namespace, d.RunID)
	}
	left := cluster.DeleteStale(ctx, client, dead, say)
	if left == nil {
		say("procns: %d namespaces of dead runs are gone; %d runs live and keep theirs", len(dead), living)
	}
	return errors.Join(left, cleanUpWitnesses(ctx, client, o.Witnesses, say))
}

// readExemptions reads the files and the suite's own lists that -exempt names.
func readExemptions(names []string, catalogue []suite.Case) (exempt.List, error) {
	known := func(id string) bool {
		return slices.ContainsFunc(catalogue, func(c suite.Case) bool { return c.ID == id })
	}
	var all exempt.List
	for _, name := range names {
		read := os.ReadFile
		if exempt.IsBuiltin(name) {
			read = exempt.Builtin
		}
		text, err := read(name)
		if err != nil {
			return nil, options.Usagef("-exempt: %w", err)
		}
		list, err := exempt.Parse(text, known)
		var unknown exempt.UnknownCase
		if errors.As(err, &unknown) {
			err = fmt.Errorf("%w%s", err, options.NearCase(catalogue, unknown.ID))
		}
		if err != nil {
			return nil, options.Usagef("-exempt %s: %w", name, err)
		}
		all = append(all, list...)
	}
	return all, nil
}
