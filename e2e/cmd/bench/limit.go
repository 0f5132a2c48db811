package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"procns/e2e/cases"
	"procns/e2e/internal/bench"
	"procns/e2e/internal/cluster"
	"procns/e2e/internal/conformance"
	"procns/e2e/internal/interrupt"
	"procns/e2e/internal/options"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// limit makes the pods that a run of the suite with these flags would make, on a kind cluster of its own,
// and nothing else. It returns the exit code.
func limit(flags []string) int {
	o, err := options.Sources{Arguments: flags}.Parse(os.Stdout)
	if err != nil {
		fail(err.Error())
	}
	selected, err := o.Select(cases.All(), fixtures.Read)
	if err != nil {
		fail(err.Error())
	}
	ctx, stop := interrupt.Context(say, suite.ExitInconclusive)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("not within %s", o.Timeout))
	defer cancel()
	if err := makePods(ctx, o, selected); err != nil {
		say(err.Error())
		return suite.ExitInconclusive
	}
	return suite.ExitConformant
}

// makePods makes the pods of the cases on the targets that there are, and leaves nothing.
func makePods(ctx context.Context, o options.Options, selected []suite.Case) (err error) {
	counts := &cluster.Counts{}
	var plugins cluster.Plugins
	config, client, _, err := cluster.Connect(cluster.Place{Kubeconfig: o.Kubeconfig, Context: o.Context, Plugins: &plugins}, float32(o.QPS), counts)
	if err != nil {
		return err
	}
	id := time.Now().UTC().Format("20060102-150405") + "-" + probe.RandomHex(2)
	log := func(format string, args ...any) { say(fmt.Sprintf(format, args...)) }
	survey, err := cluster.Look(ctx, client, config, cluster.Asked{RunID: id, Choice: o.Choice(), Plugins: &plugins, Say: log})
	if err != nil {
		return err
	}
	targets := survey.Selection.Targets
	for i, mode := range cluster.CgroupModes(ctx, client, targets) {
		targets[i].CgroupMode, targets[i].Made = mode, true
	}
	placement := o.Placement(id, survey.Selection.Tolerations)
	placement.Server = survey.Version
	pods, err := bench.Place(&suite.Runner{
		Cases: selected, Targets: targets, Fixtures: fixtures.Read, Placement: placement,
		Nodes: cluster.OwnNodes{}, AtOnce: o.Pods, // the plan alone is asked for
		Skip: func(c suite.Case) string { return c.Applies(survey.Version) },
	})
	if err != nil {
		return err
	}
	session, err := cluster.Open(ctx, client, config, id, counts, nil)
	defer func() {
		const bound = 4 * time.Minute // as long as a run has to clean up
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
		defer cancel()
		if left := session.Close(closing); left != nil && err == nil {
			err = left
		}
	}()
	if err != nil {
		return err
	}
	session.Say = log
	counts.Patient.Store(true)
	began := time.Now()
	made, err := bench.Maker{
		Client: session, Starting: conformance.StartingAtOnce(o, true, len(targets)), AtOnce: o.Pods, Timeout: o.CaseTimeout,
	}.Make(ctx, pods)
	fmt.Printf("%d pods on %d targets, all settled and their deletion asked for after %.1f s; %d requests\n",
		made, len(targets), time.Since(began).Seconds(), counts.Requests.Load())
	return err
}
