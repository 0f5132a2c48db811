package suite

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Runner runs every case on every target.
type Runner struct {
	Cluster  Cluster
	Nodes    Nodes // nil on clusters that are not the suite's own
	Cases    []Case
	Targets  []Target
	Fixtures func(file string) ([]byte, error)
	Placement
	// Scope says which cases are asked on which target; nil: all on each.
	Scope *Scope
	// Timeout bounds each wait of a stage: for the pod, for a precondition.
	Timeout time.Duration
	// Parallel bounds how many stages act and observe at one time, Starting how
	// many pods start at one time, and AtOnce how many each target has at one
	// time: a node takes 110, unless told otherwise.
	Parallel int
	Starting int
	AtOnce   int
	// NodesAtOnce bounds on how many nodes there is work at one time; 0: the constant of that
	// name. The others wait for their turn.
	NodesAtOnce int
	// Absent says why nothing can be run on a node, that has waited for its turn, any more: it is
	// gone, or not Ready; "" where it is there. nil: all of them are. OnLeftOut is told of each target
	// that has no result for it; nil: nobody is.
	Absent    func(node string) string
	OnLeftOut func(target Target, why string)
	// Latecomers are targets that have come since the run began, or since it was last asked: it is asked
	// when all others are done, at most latecomerRounds times. nil: nobody comes.
	Latecomers func(context.Context) []Target
	// Room is how many pods of the run a node can take, by its name, where that is known.
	Room     map[string]int
	Evidence EvidenceSink
	Log      func(format string, args ...any)
	// Stopped says why no pod is to be started any more, or "" as long as there is no
	// reason. Pods that run by then come to their end; cases that one is missing of have no
	// result. nil: nothing stops the run.
	Stopped func() string
	// OnStart is told that a pod of a case is about to be created, or looked at: twice for
	// a case that has a control; nil: nobody is.
	OnStart func(Case, Target)
	// OnResult is called once for each result, as soon as it is known. What its case
	// took is known when all are done.
	OnResult func(Result)
	// OnReady is told how long each pod took from its creation until it was ready.
	OnReady func(target Target, manifest string, took time.Duration)
	// OnChanges is told what the cluster made of a manifest's pod; nil: nobody.
	OnChanges func(manifest string, changes Changes)
	// Skip returns the proved reason why a case does not apply to the cluster, or "".
	Skip func(Case) string
	// KeepFailed keeps the pods of cases that did not pass, to be looked at.
	KeepFailed bool
	// Adopted are the pods that the runner takes instead of making its own; nil: it
	// makes all of them.
	Adopted map[WitnessKey]Adopted
	// Prefix begins the names of the folders of evidence.
	Prefix string
	// Spent counts the execs; nil: nobody does.
	Spent *Spent
	// Facts collects what the pods show of their targets; nil: nothing does.
	Facts *Facts

	roomPace roomPace // zero: the usual one
}

// EvidenceSink keeps what was seen. Its errors are its own to report.
type EvidenceSink interface {
	// Save keeps a document under folder and returns nothing: evidence that
	// cannot be written must not change a verdict. It is compressed where its name
	// ends in .gz.
	Save(folder, name string, document any)
}

// Run runs all cases on all targets and returns one result for each pair, in
// the order of the targets and the cases.
func (r *Runner) Run(ctx context.Context) []Result {
	began := time.Now()
	all := r.runOn(ctx, r.Targets)
	for range latecomerRounds {
		late := r.latecomers(ctx)
		if len(late) == 0 {
			break
		}
		r.Targets = append(slices.Clone(r.Targets), late...)
		all = append(all, r.runOn(ctx, late)...)
	}
	r.keepNodeLogs(ctx, began.Unix(), all)
	return all
}

// latecomerRounds is how often a run looks for targets that have come meanwhile: a cluster that grows for ever
// does not keep it from its end.
const latecomerRounds = 3

// latecomers are the targets that have come, unless the run has to end.
func (r *Runner) latecomers(ctx context.Context) []Target {
	if r.Latecomers == nil || ctx.Err() != nil || r.stopped() != nil {
		return nil
	}
	return r.Latecomers(ctx)
}

// runOn runs the cases on some targets, and returns the results in the order of these and of the cases.
func (r *Runner) runOn(ctx context.Context, targets []Target) []Result {
	results := make([][]Result, len(targets))
	limits := r.limits(targets)
	for _, target := range targets {
		limits.turns[target.Node].quiet.Add(1)
	}
	r.eachInWindow(targets,
		func(i int) { results[i] = r.runTarget(ctx, targets[i], limits) },
		func(node string) { r.discardTogether(ctx, node, limits) },
	)
	r.discardOn(ctx, limits.finished.take())
	var all []Result
	for _, some := range results {
		all = append(all, slices.DeleteFunc(some, func(r Result) bool { return r.notRun })...)
	}
	return all
}

// limits are what all targets have in common: places to act in, and to start a
// pod in, and the turns on their nodes.
type limits struct {
	acting, starting chan struct{}
	turns            map[string]*turn    // by the node's name
	casesOn          func(Target) []Case // that are asked there
	together         map[string]bool     // the nodes whose pods are deleted together
	finished         *finishedNodes      // of these, those whose pods are still there
}

func (r *Runner) limits(targets []Target) limits {
	turns := map[string]*turn{}
	for _, target := range targets {
		turns[target.Node] = &turn{work: newCongestion(r.Parallel, r.Starting)}
	}
	return limits{acting: make(chan struct{}, max(1, r.Parallel)), starting: make(chan struct{}, max(1, r.Starting)), turns: turns, casesOn: r.Scope.CasesOn(r.Cases), together: r.together(targets), finished: &finishedNodes{}}
}

func (r *Runner) runTarget(ctx context.Context, target Target, limits limits) []Result {
	onTarget, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	plan := r.plan(target, limits, &health{giveUp: giveUp})
	stages, skipped := plan.stages, plan.skipped
	cases := limits.casesOn(target)
	for _, c := range cases {
		if _, ok := skipped[c.ID]; !ok {
			for _, s := range stagesOf(c, stages) {
				s.undecided.Add(1)
			}
		}
	}
	turn := limits.turns[target.Node]
	var retired sync.WaitGroup
	r.start(ctx, onTarget, plan.order, turn, &retired)

	results := make([]Result, len(cases))
	var wg, quiet sync.WaitGroup
	for i, c := range cases {
		if reason, ok := skipped[c.ID]; ok {
			results[i] = Result{Case: c, Target: target, Outcome: Skipped, Reason: reason}
			r.OnResult(results[i])
			continue
		}
		concludes := &wg
		if !c.disrupts() {
			concludes = &quiet
		}
		concludes.Go(func() {
			results[i] = r.conclude(ctx, c, target, stages)
			for _, s := range stagesOf(c, stages) {
				s.concluded(results[i])
			}
			if !results[i].notRun {
				r.OnResult(results[i])
			}
		})
	}
	quiet.Wait()
	turn.quiet.Done()
	wg.Wait()
	for _, s := range stages {
		<-s.done // a neighbour may outlast the cases
	}
	plan.shareTime(results)
	if limits.together[target.Node] {
		retired.Wait() // nobody looks at its pods any more
	}
	return results
}

// start runs the stages: in the catalogue's order, as many at once as the node is
// to take, but for those that disrupt the node. These wait for the others, also of the
// node's other targets; then one disruption comes after the other, each with all its pods.
//
// onTarget ends when the target is lost, and ctx with the run.
// retired has those that do not disrupt it, until nobody looks for them any more.
func (r *Runner) start(ctx, onTarget context.Context, stages []*stage, turn *turn, retired *sync.WaitGroup) {
	var quiet []*stage
	disruptive := map[string][]*stage{} // by the act's name
	for _, s := range queued(stages) {
		if s.key.act.disrupts() {
			disruptive[s.key.act.Name] = append(disruptive[s.key.act.Name], s)
		} else {
			quiet = append(quiet, s)
		}
	}
	retired.Add(len(quiet))
	go func() {
		for _, s := range quiet {
			s.places.take()
			go func() {
				s.run(onTarget)
				s.runFollowers(onTarget)
				s.places.leave()
				s.retire(ctx)
				s.retireFollowers(ctx)
				retired.Done()
			}()
		}
	}()
	go func() {
		for _, s := range quiet {
			<-s.done
			for _, f := range s.followers {
				<-f.done
			}
		}
		if len(disruptive) > 0 {
			turn.quiet.Wait()
			turn.mu.Lock()
			defer turn.mu.Unlock()
		}
		for _, act := range slices.Sorted(maps.Keys(disruptive)) {
			together := newDisruption(disruptive[act])
			for _, s := range together.stages {
				go s.run(onTarget)
			}
			for _, s := range together.stages {
				<-s.done
				s.retire(ctx)
			}
		}
	}()
}
