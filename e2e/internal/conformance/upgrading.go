package conformance

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"procns/e2e/cases"
	"procns/e2e/internal/cluster"
	"procns/e2e/internal/options"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/witness"
)

// upgrade is a run's part in an upgrade of the cluster.
type upgrade struct {
	phase   options.Phase
	session *cluster.Session // in the witnesses' namespace
	adopted map[suite.WitnessKey]suite.Adopted
	// done says that the witnesses are left and saved, or judged.
	done bool
	// kept says that somebody wants to look at them.
	kept bool
	// others is the run whose witnesses wait on a cluster that this run might disturb.
	others string
}

// witnessPrefix tells the evidence of witnesses from that of the catalogue's pods.
const witnessPrefix = "witness."

// sessions are those in whose namespaces the run makes pods, and would leave
// remains.
func (c *Run) sessions() []*cluster.Session {
	var all []*cluster.Session
	if c.session != nil {
		all = append(all, c.session)
	}
	if u := &c.upgrade; u.phase == options.Before && u.session != nil && !u.done {
		all = append(all, u.session)
	}
	return all
}

// keep leaves the witnesses where they are, and names their namespace, if there is one.
func (u *upgrade) keep() []string {
	if u.phase != options.After {
		return nil
	}
	u.kept = true
	return u.session.Leave()
}

// openUpgrade finds the witnesses, or makes room for them, before anything else is
// made: a run that could not do its part in an upgrade is not begun.
func (c *Run) openUpgrade(ctx context.Context, config *rest.Config, client kubernetes.Interface) (err error) {
	u := &c.upgrade
	u.phase = c.Phase
	defer func() {
		if u.session != nil {
			u.session.Say = c.say
		}
	}()
	switch c.Phase {
	case options.Before:
		u.session, err = cluster.ClaimWitnesses(ctx, client, config, c.report.ID, &c.counts, c.NamespaceLabels)
		return err
	case options.After:
		state, adopted, err := cluster.FindWitnesses(ctx, client, c.report.Cluster.UID)
		if err != nil {
			return err
		}
		u.adopted = adopted
		c.noteUpgrade(state)
		u.session, err = cluster.JoinWitnesses(ctx, client, config, state.RunID, &c.counts)
		return err
	}
	if c.kind != nil {
		u.others, err = cluster.WaitingWitnesses(ctx, client)
	}
	return err
}

func (c *Run) noteUpgrade(state witness.State) {
	c.report.Upgrade = &report.Upgrade{
		Phase: string(c.Phase), Run: state.RunID, Left: state.Left, Server: state.Server,
		Witnesses: len(state.Witnesses), Vanished: witness.Vanished(state, c.report.Targets),
	}
}

// witnessRunner is the run's own runner, at work in the witnesses' namespace.
func (c *Run) witnessRunner() *suite.Runner {
	runner := *c.runner
	runner.Cluster, runner.Cases, runner.Adopted, runner.Prefix = c.upgrade.session, cases.Upgrade(), c.upgrade.adopted, witnessPrefix
	c.upgrade.session.Nodes = c.session.Nodes
	runner.Absent, runner.OnLeftOut = nil, nil // what waits there is judged, or is inconclusive
	return &runner
}

// judgeWitnesses comes before all other cases: some of them disturb nodes.
func (c *Run) judgeWitnesses(ctx context.Context) []suite.Result {
	if c.Phase != options.After {
		return nil
	}
	results := c.witnessRunner().Run(ctx)
	c.upgrade.done = ctx.Err() == nil
	return results
}

// leaveWitnesses comes after all other cases, for the same reason.
func (c *Run) leaveWitnesses(ctx context.Context) {
	if c.Phase != options.Before || ctx.Err() != nil {
		return
	}
	state := witness.State{
		RunID: c.report.ID, Left: time.Now(), Suite: c.report.Suite.Version,
		Server: c.report.Cluster.ServerVersion, Cluster: c.report.Cluster.UID,
	}
	var failed []error
	for _, left := range c.witnessRunner().Leave(ctx) {
		if left.Err != nil {
			failed = append(failed, fmt.Errorf("%s on %s: %w", left.File, left.Target.Name(), left.Err))
		} else {
			state.Witnesses = append(state.Witnesses, left.Witness)
		}
	}
	if ctx.Err() != nil {
		return
	}
	if len(state.Witnesses) > 0 {
		if err := c.upgrade.session.SaveWitnesses(ctx, state); err != nil {
			failed = append(failed, err)
		} else {
			c.upgrade.done = true
			c.noteUpgrade(state)
		}
	}
	if len(failed) > 0 {
		c.report.CannotTell = true
		c.report.Problem = firstOf(c.report.Problem, fmt.Sprintf("%d of the witnesses could not be left: %s", len(failed), oneLine(failed[0])))
	}
}

// closeUpgrade deletes the witnesses when they have been judged, or when they are
// not complete. Otherwise they wait, and what for is said.
func (c *Run) closeUpgrade(ctx context.Context) error {
	u := &c.upgrade
	switch {
	case u.session == nil || u.kept:
		return nil
	case u.phase == options.Before && u.done:
		u.session.Leave()
		c.say("==> %d witnesses wait in namespace %s: upgrade the cluster, then run with -phase after", c.report.Upgrade.Witnesses, witness.Namespace)
		return nil
	case u.phase == options.After && !u.done:
		u.session.Leave()
		c.say("==> the witnesses have not been judged, and are kept: run with -phase after again")
		return nil
	}
	return u.session.Close(ctx)
}

// cleanUpWitnesses is what -cleanup does about witnesses that are no remains of a
// dead run, but wait.
func cleanUpWitnesses(ctx context.Context, client kubernetes.Interface, too bool, say func(string, ...any)) error {
	run, err := cluster.WaitingWitnesses(ctx, client)
	switch {
	case err != nil || run == "":
		return err
	case !too:
		say("procns: the witnesses of run %s in namespace %s wait for -phase after, and stay: -cleanup -witnesses deletes them", run, witness.Namespace)
		return nil
	}
	if err := cluster.DeleteWitnesses(ctx, client, say); err != nil {
		return err
	}
	say("procns: the witnesses of run %s are gone", run)
	return nil
}

// ordinary are the cases that make pods of their own.
func ordinary(all []suite.Case) []suite.Case {
	ofUpgrade := map[string]bool{}
	for _, one := range cases.Upgrade() {
		ofUpgrade[one.ID] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(one suite.Case) bool { return ofUpgrade[one.ID] })
}
