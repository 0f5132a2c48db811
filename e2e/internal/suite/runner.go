package suite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/probe"
)

// Cluster is what the runner needs of a cluster. Names are those of placed
// manifests.
type Cluster interface {
	// Create creates a manifest's objects and returns the pod as stored.
	Create(ctx context.Context, m Manifest) (*corev1.Pod, error)
	// Await watches a pod until done, and returns its last state. Its error says
	// what the pod is waiting for; it ends early on states that do not pass, such as an
	// image that cannot be pulled and, unless containers of the pod may end meanwhile, a
	// container that ends as soon as it is started.
	Await(ctx context.Context, pod string, what string, mayEnd bool, done func(*corev1.Pod) bool) (*corev1.Pod, error)
	// Broken says why a pod that has started does not stay up, by its watched state: a
	// container that ends again and again; nil where nothing says so.
	Broken(pod string) error
	// AwaitOne watches all pods of the run until there is one that chosen accepts
	// and that is not being deleted.
	AwaitOne(ctx context.Context, what string, chosen func(*corev1.Pod) bool) (*corev1.Pod, error)
	// Current is the watched state of a pod, without a request.
	Current(pod string) (*corev1.Pod, bool)
	// Exec and Observe end with a probe.DeadlineError when there is no answer within
	// the given time of the request.
	Exec(ctx context.Context, within time.Duration, pod, container string, command ...string) (probe.CommandResult, error)
	Observe(ctx context.Context, within time.Duration, pod, container string, paths []string) (*probe.Snapshot, string, error)
	// ExecUnread ends when ctx does, which is no error, or when the session could not be opened.
	ExecUnread(ctx context.Context, pod, container string, command ...string) error
	Attach(ctx context.Context, pod, container string, converse func(*probe.Terminal) error) error

	// Submit sends a manifest with dryRun=All into a namespace that enforces a
	// level of Pod Security (empty: none). A refusal is an answer, no error.
	Submit(ctx context.Context, m Manifest, podSecurity string) (Answer, error)
	// Changers says who may change what is created of a manifest, as far as this
	// user may know.
	Changers(ctx context.Context, m Manifest) difference.Attribution
	// Request sends any request into the run's namespace.
	Request(ctx context.Context, r Request) (Answer, error)
	// AddEphemeral adds ephemeral containers to a pod through its subresource.
	AddEphemeral(ctx context.Context, pod *corev1.Pod, containers []corev1.EphemeralContainer) error
	// Delete deletes a pod and waits until it is gone, at most within; last is
	// the pod as it was last seen.
	Delete(ctx context.Context, pod string, graceSeconds int64, within time.Duration) (gone bool, last *corev1.Pod, err error)
	// Logs is what a container, or its previous instance, printed; ErrLogGone if
	// kubelet has nothing left of that instance.
	Logs(ctx context.Context, pod, container string, previous bool) (string, error)
	// FollowLogs yields what a container prints from now on, until it ends.
	// The log comes once, at its end.
	FollowLogs(ctx context.Context, pod, container string) (<-chan Followed, error)
	Events(ctx context.Context, pod string) ([]Event, error)
	// Last is a pod as it was last seen, also where it is gone.
	Last(pod string) (last *corev1.Pod, gone bool)
	// Closed says what has come to keep new pods away from a node since the run began,
	// such as a cordon, as far as it is known without a request; "" if nothing has.
	Closed(node string) string
	// Disturbance tells what happened to a node since the run began, or to the way
	// there since the given moment.
	Disturbance(ctx context.Context, node string, since time.Time) Disturbance
	// Discard deletes what was created for a manifest, in the background: the
	// namespace's deletion is what makes sure of it.
	Discard(ctx context.Context, m Manifest)
	// DiscardOn does the same for all pods of the run on a node.
	DiscardOn(ctx context.Context, node string)
}

// Followed is a log that was followed, and why it is not whole.
type Followed struct {
	Text string
	Lost error
}

// ErrNotAllowed says that a permission that a run may be without is missing.
var ErrNotAllowed = errors.New("not allowed")

// ErrLogGone says that kubelet keeps no previous instance of a container, nor its log.
var ErrLogGone = errors.New("kubelet keeps no previous instance of the container")

// Nodes reaches into the nodes of a cluster that the suite made itself.
type Nodes interface {
	Run(ctx context.Context, node string, command ...string) (probe.CommandResult, error)
	Restart(ctx context.Context, node string) error
	// AwaitReady waits until the node is Ready, as kubelet reported after since.
	AwaitReady(ctx context.Context, node string, since time.Time) error
}

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
	// Facts collects what the pods show of their targets; nil: nothing does.
	Facts *Facts
}

// EvidenceSink keeps what was seen. Its errors are its own to report.
type EvidenceSink interface {
	// Save keeps a document under folder and returns nothing: evidence that
	// cannot be written must not change a verdict.
	Save(folder, name string, document any)
}

// Run runs all cases on all targets and returns one result for each pair, in
// the order of the targets and the cases.
func (r *Runner) Run(ctx context.Context) []Result {
	began := time.Now()
	results := make([][]Result, len(r.Targets))
	limits := r.limits()
	for _, target := range r.Targets {
		limits.turns[target.Node].quiet.Add(1)
	}
	r.eachInWindow(
		func(i int) { results[i] = r.runTarget(ctx, r.Targets[i], limits) },
		func(node string) { r.discardTogether(ctx, node, limits) },
	)
	var all []Result
	for _, some := range results {
		all = append(all, slices.DeleteFunc(some, func(r Result) bool { return r.notRun })...)
	}
	r.keepNodeLogs(ctx, began.Unix(), all)
	return all
}

// limits are what all targets have in common: places to act in, and to start a
// pod in, and the turns on their nodes.
type limits struct {
	acting, starting chan struct{}
	turns            map[string]*turn // by the node's name
	asks             func(id, target string) bool
	together         map[string]bool // the nodes whose pods are deleted together
}

func (r *Runner) limits() limits {
	turns := map[string]*turn{}
	for _, target := range r.Targets {
		turns[target.Node] = &turn{}
	}
	return limits{acting: make(chan struct{}, max(1, r.Parallel)), starting: make(chan struct{}, max(1, r.Starting)), turns: turns, asks: r.Scope.Asks(), together: r.together()}
}

// plan is what there is to do on one target: its pods, in order, and the cases
// that do not apply, with the reason.
type plan struct {
	stages  map[stageKey]*stage
	order   []*stage
	skipped map[string]string // by the case's ID
}

func (r *Runner) plan(target Target, limits limits, known *health) plan {
	stages := map[stageKey]*stage{}
	var order []*stage
	places := newPlaces(r.placesOn(target))
	use := func(file string, act *Act, submit Submission, await *Await) *stage {
		key := stageKey{file, act, submit}
		if stages[key] == nil {
			stages[key] = &stage{runner: r, key: key, target: target, health: known, limits: limits, places: places, done: make(chan struct{}), settled: make(chan struct{})}
			order = append(order, stages[key])
		}
		if await != nil {
			stages[key].await = await
		}
		return stages[key]
	}
	skipped := map[string]string{}
	for _, c := range r.casesOn(target, limits.asks) {
		if reason := r.skip(c, target); reason != "" {
			skipped[c.ID] = reason
			continue
		}
		fixture := use(c.Fixture, c.Act, c.Submit, c.Await)
		fixture.expect(c, true)
		lookouts := []*stage{fixture}
		if c.Control != "" {
			control := use(c.Control, c.Act, c.Submit, c.Await)
			control.expect(c, false)
			if c.Act != nil && c.Act.NoEffect {
				fixture.after = append(fixture.after, control)
			}
			lookouts = append(lookouts, control)
		}
		if c.Neighbour != "" {
			neighbour := use(c.Neighbour, nil, Runs, nil)
			for _, s := range lookouts {
				s.neighbours = append(s.neighbours, neighbour)
				neighbour.lookouts = append(neighbour.lookouts, s)
			}
		}
	}
	return plan{stages, order, skipped}
}

func (r *Runner) runTarget(ctx context.Context, target Target, limits limits) []Result {
	onTarget, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	plan := r.plan(target, limits, &health{giveUp: giveUp})
	stages, skipped := plan.stages, plan.skipped
	cases := r.casesOn(target, limits.asks)
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

// stagesOf are the pods that a case is judged by.
func stagesOf(c Case, stages map[stageKey]*stage) []*stage {
	all := []*stage{stages[stageKey{c.Fixture, c.Act, c.Submit}]}
	if c.Control != "" {
		all = append(all, stages[stageKey{c.Control, c.Act, c.Submit}])
	}
	if c.Neighbour != "" {
		all = append(all, stages[stageKey{c.Neighbour, nil, Runs}])
	}
	return all
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
				s.places.leave()
				s.retire(ctx)
				retired.Done()
			}()
		}
	}()
	go func() {
		for _, s := range quiet {
			<-s.done
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

// queued orders the stages so that each comes behind those that it waits for:
// one that waited with the last place taken would wait for ever.
func queued(stages []*stage) []*stage {
	var order []*stage
	seen := map[*stage]bool{}
	var add func(*stage)
	add = func(s *stage) {
		if seen[s] {
			return
		}
		seen[s] = true
		for _, earlier := range slices.Concat(s.after, s.neighbours) {
			add(earlier)
		}
		order = append(order, s)
	}
	for _, s := range stages {
		add(s)
	}
	return order
}

// skip returns the proved reason why a case does not apply to a target, or "".
func (r *Runner) skip(c Case, target Target) string {
	if reason := r.Skip(c); reason != "" {
		return reason
	}
	if c.OwnNode && r.Nodes == nil {
		return "it reaches into the node itself, which is done only on clusters that the suite made"
	}
	if r.Adopted != nil {
		if a, ok := r.Adopted[WitnessKey{target.Name(), c.Fixture}]; !ok {
			return "no witness was left on this target"
		} else if reason := a.refuses(c); reason != "" {
			return reason
		}
	}
	if c.Needs != nil {
		return c.Needs(target)
	}
	return ""
}

// conclude waits for the stages of a case and judges what they saw.
func (r *Runner) conclude(ctx context.Context, c Case, target Target, stages map[stageKey]*stage) (result Result) {
	result = Result{Case: c, Target: target}
	fixture := stages[stageKey{c.Fixture, c.Act, c.Submit}]
	result.Folder = fixture.folder()
	if c.Control != "" {
		result.ControlFolder = stages[stageKey{c.Control, c.Act, c.Submit}].folder()
	}
	defer func() {
		result.Pod, result.From, result.Ephemeral = fixture.pod, fixture.from, len(fixture.ephemeral()) > 0
	}()
	inconclusive := func(reason string) Result {
		result.Outcome, result.Reason = Inconclusive, reason
		return result
	}
	observe := func(s *stage) (Observation, error) {
		<-s.done
		o := s.observation
		if err := c.changed(o); err != nil {
			return o, err
		}
		if s.err == nil && c.Neighbour != "" {
			n := stages[stageKey{c.Neighbour, nil, Runs}]
			<-n.done
			if err := c.changed(n.observation); err != nil {
				return o, fmt.Errorf("the neighbouring pod of %s: %w", c.Neighbour, err)
			}
			if n.err != nil {
				return o, fmt.Errorf("the neighbouring pod of %s: %w", c.Neighbour, n.err)
			}
			neighbour := n.observation
			o.Neighbour = &neighbour
		}
		if s.err != nil {
			return o, s.err
		}
		return o, errors.Join(unobserved(o), given(c, o))
	}

	o, err := observe(fixture)
	result.Labels = o.labels(fixture.from)
	if c.Control != "" {
		raw, errFixture := r.Fixtures(c.Fixture)
		other, errControl := r.Fixtures(c.Control)
		if errFixture == nil && errControl == nil && SameSpec(raw, other) {
			return inconclusive(fmt.Sprintf("%s and its control %s describe the same pod: the fixture is broken, not the cluster", c.Fixture, c.Control))
		}
	}
	if err != nil {
		result.notRun = errors.Is(err, errStopped)
		return inconclusive("the fixture " + c.Fixture + ": " + err.Error())
	}
	answers := judged{fixture: c.Judge(o)}
	var uncontrolled error
	if c.Control != "" {
		answers.hasControl = true
		var controlled Observation
		if controlled, uncontrolled = observe(stages[stageKey{c.Control, c.Act, c.Submit}]); uncontrolled == nil {
			answers.control = c.Judge(controlled)
		}
	}
	if uncontrolled != nil && answers.fixture == nil {
		result.notRun = errors.Is(uncontrolled, errStopped)
		return inconclusive("the control " + c.Control + ": " + uncontrolled.Error())
	}
	answers.decide(&result)
	r.doubt(ctx, &result, o, fixture.began)
	r.answeredToAnother(ctx, &result, fixture.placed)
	if c.Record != nil && result.Outcome == Conformant {
		result.Recorded = c.Record(o)
	}
	if c.Remark != nil && result.Outcome == Conformant {
		result.Remark = c.Remark(o)
	}
	return result
}

// given says what a case misses before it can be judged.
func given(c Case, o Observation) error {
	if c.Given == nil {
		return nil
	}
	return c.Given(o)
}
