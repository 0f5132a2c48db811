package suite

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

// stageKey names one pod: cases that need the same pod, and the same act upon
// it, share it.
type stageKey struct {
	file   string
	act    *Act
	submit Submission
}

func (k stageKey) folder() string { return StageName(k.file, k.act, k.submit) }

// StageName is the name under which the evidence of a manifest lies, with what
// was done upon it.
func StageName(file string, act *Act, submit Submission) string {
	name := strings.TrimSuffix(file, ".yaml")
	if act != nil {
		name += "." + act.Name
	}
	if submit != Runs {
		name += "." + string(submit)
	}
	return name
}

// stage is one pod on one target, with the act done upon it, and what was seen.
type stage struct {
	runner *Runner
	key    stageKey
	target Target
	health *health // of the target, which all its stages learn from
	limits
	places *places // of the target
	await  *Await
	cases  []expectation
	after  []*stage // controls whose effect must have shown first
	// disruption is shared with the other pods of the same act on the node.
	disruption *disruption
	// neighbours are observed first: what they run is looked for.
	neighbours []*stage
	lookouts   []*stage // those that look for what this one runs

	placed       Manifest
	ownProcesses probe.Own       // what its containers are told to run
	added        map[string]bool // the containers that the cluster added
	copies       []Manifest      // which the act made
	pod, from    string          // its name, and the container to look from
	done         chan struct{}   // closed when observation and err are final
	observation  Observation
	err          error
	began        time.Time
	ready        time.Duration // what the pod took from its creation until it was ready
	// settled is closed when the act's effect first showed, after took.
	settled chan struct{}
	settle  sync.Once
	took    time.Duration
	// waited is time in which the stage waited for others, in nanoseconds; own is what
	// it took itself, final when done.
	waited atomic.Int64
	own    time.Duration
	// undecided are the cases that are still to be concluded from this pod, and
	// failed is whether one of them did not pass.
	undecided sync.WaitGroup
	failed    atomic.Bool
	// deletes says that the act deletes or evicts the pod itself.
	deletes atomic.Bool
}

// expectation is one case's interest in a stage.
type expectation struct {
	c     Case
	holds bool // the stage is the case's fixture, not its control
}

// answered tells whether a judge's answer is what the stage's part in the case demands, yes on a
// fixture, no on a control, or one that another look cannot change.
func (e expectation) answered(err error) bool {
	return isFinal(err) || e.holds && err == nil || !e.holds && IsViolation(err)
}

func (s *stage) expect(c Case, holds bool) {
	s.cases = append(s.cases, expectation{c: c, holds: holds})
}

func (s *stage) folder() string {
	return strings.ReplaceAll(s.target.Name(), "/", "_") + "/" + s.runner.Prefix + s.key.folder()
}

// ephemeral are the containers that are added to the pod when it runs.
func (s *stage) ephemeral() []corev1.EphemeralContainer {
	if s.placed.Pod == nil {
		return nil // it did not come that far
	}
	return s.placed.Ephemeral()
}

func (s *stage) run(ctx context.Context) {
	s.began = time.Now()
	defer close(s.done)
	defer func() { s.own = s.ownTime() }()
	if s.disruption != nil {
		defer s.disruption.arrive(s) // also where it never came to the act
	}
	defer func() {
		if p := recover(); p != nil {
			s.err = fmt.Errorf("the suite itself failed (panic: %v): report this", p)
		}
		s.runner.Evidence.Save(s.folder(), "observation.json", s.observation)
		if s.err != nil {
			s.runner.Log("%s: %s: %v", s.target.Name(), s.key.folder(), s.err)
		}
	}()
	if s.err = s.runner.stopped(); s.err != nil {
		return
	}
	s.err = s.perform(ctx)
	if errors.Is(s.err, errStopped) {
		return
	}
	if why := s.blurred(); why != nil && s.cleared(ctx, why) {
		s.err = s.perform(ctx)
	}
	if said := s.foreign(); said != "" && ctx.Err() == nil {
		s.err = blame(said, s.err)
	}
	if s.err != nil && s.disruption == nil { // a disruption is why its node does not answer
		s.health.learn(ctx, s.err, func(ctx context.Context) Disturbance {
			return s.runner.Cluster.Disturbance(ctx, s.target.Node, s.began)
		})
	}
}

// concluded notes that a case has come to its result.
func (s *stage) concluded(r Result) {
	if r.Outcome.Failed() {
		s.failed.Store(true)
	}
	s.undecided.Done()
}

// retire gives the node back what the stage took, when nobody looks for it any
// more. An interrupted run leaves that to the clean-up.
func (s *stage) retire(ctx context.Context) {
	for _, l := range s.lookouts {
		<-l.done
	}
	if s.placed.Pod == nil || s.key.submit.Dry() || ctx.Err() != nil {
		return
	}
	if s.runner.KeepFailed || !s.asExpected() { // a pod that nobody will ask about need not wait for its cases
		s.undecided.Wait()
		if s.failed.Load() {
			s.keepEvidence(ctx)
			if s.runner.KeepFailed {
				s.runner.Log("%s: pod %s is kept", s.target.Name(), s.pod)
				return
			}
		}
	}
	if s.runner.Adopted != nil || s.together[s.target.Node] {
		return // whoever adopted it gives it back, or it goes with the node's others
	}
	s.runner.Cluster.Discard(ctx, s.placed)
	for _, copied := range s.copies {
		s.runner.Cluster.Discard(ctx, copied)
	}
}

// takePlace waits for a place to act in, and returns how to leave it.
func (s *stage) takePlace() (leave func()) {
	s.waitForOthers(func() { s.acting <- struct{}{} })
	return func() { <-s.acting }
}

// rest gives the stage's place to another one while it waits for something that
// takes its time.
func (s *stage) rest(wait func()) {
	<-s.acting
	defer s.waitForOthers(func() { s.acting <- struct{}{} })
	wait()
}

func (s *stage) perform(ctx context.Context) error {
	raw, err := s.runner.Fixtures(s.key.file)
	if err != nil {
		return err
	}
	witness, adopted := s.adopted()
	manifest, err := decodeManifest(s.key.file, raw, witness.Witness.Seen.Markers)
	if err != nil {
		return fmt.Errorf("the suite's own manifest is broken: %w", err)
	}
	placement := s.runner.Placement
	placement.Target = s.target
	placed := manifest.Place(placement)
	if adopted {
		placed.Pod.Name = witness.Witness.Created
	}
	s.placed, s.pod, s.ownProcesses = placed, placed.Pod.Name, manifest.Own()
	s.from = placed.Pod.Spec.Containers[len(placed.Pod.Spec.Containers)-1].Name
	s.runner.Evidence.Save(s.folder(), "manifest.yaml", placed.YAML())
	if ephemeral := s.ephemeral(); len(ephemeral) > 0 {
		s.from = ephemeral[0].Name
		s.runner.Evidence.Save(s.folder(), EphemeralFile, placed.EphemeralJSON())
	}
	s.observation.Markers, s.observation.Node = placed.Markers, s.target.facts()
	if s.key.submit.Dry() {
		s.begins()
		return s.submit(ctx)
	}
	var pod *corev1.Pod
	if adopted {
		s.begins()
		pod, err = s.adopt(ctx, witness)
	} else {
		pod, err = s.start(ctx)
	}
	if err != nil {
		return err
	}
	if s.key.submit == Stored {
		defer s.takePlace()()
		return s.act(ctx, pod)
	}

	s.waitForOthers(func() {
		for _, n := range s.neighbours {
			<-n.done
		}
	})
	defer s.takePlace()()
	if err := s.observeUntilGiven(ctx, pod); err != nil {
		return err
	}
	if s.key.act == nil {
		return nil
	}
	return s.act(ctx, pod)
}

// errStopped says that a pod was not started because the run was stopped.
var errStopped = errors.New("not started: the run was stopped")

// stopped is an errStopped when no pod is to be started any more.
func (r *Runner) stopped() error {
	if r.Stopped != nil {
		if why := r.Stopped(); why != "" {
			return fmt.Errorf("%w: %s", errStopped, why)
		}
	}
	return nil
}

// begins tells whose pod is about to be created, or looked at.
func (s *stage) begins() {
	if s.runner.OnStart == nil {
		return
	}
	for _, e := range s.cases {
		s.runner.OnStart(e.c, s.target)
	}
}

// start creates the pod and waits until it is settled.
func (s *stage) start(ctx context.Context) (*corev1.Pod, error) {
	s.waitForOthers(func() { s.starting <- struct{}{} })
	defer func() { <-s.starting }()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := s.runner.stopped(); err != nil {
		return nil, err
	}
	if closed := s.runner.Cluster.Closed(s.target.Node); closed != "" {
		return nil, noMore(closed)
	}
	if err := s.health.refuses(s.placed.Pod); err != nil {
		return nil, err
	}
	s.begins()
	waiting := s.runner.newWaiting(ctx)
	defer waiting.over()
	if s.placed.Workload != nil {
		waiting.answered() // its pod comes later, by its controller
	}
	for tried, alone, failures := 0, 0, 0; ; tried++ {
		pod, err := s.attempt(ctx, waiting)
		why := noRoom(pod, err)
		if !s.mayStartAgain(errors.Join(err, startedLate(pod)), &failures) && (why == "" || !s.backDown(waiting, why, tried, &alone)) {
			return pod, err
		}
		if pod != nil && !s.takenAway(waiting, pod.Name) {
			return pod, err
		}
	}
}

// takenAway deletes a pod that is to be made anew, under the same name, and waits until its
// containers have ended.
func (s *stage) takenAway(ctx context.Context, name string) bool {
	const grace, bound = 1, time.Minute // nobody waits for what its containers do at their end
	gone, _, err := s.runner.Cluster.Delete(ctx, name, grace, bound)
	return err == nil && gone
}

// attempt creates the pod once, and waits until it is settled.
func (s *stage) attempt(ctx context.Context, waiting *waiting) (*corev1.Pod, error) {
	applied := time.Now()
	stored, err := s.runner.Cluster.Create(waiting, s.placed)
	waiting.answered()
	if err != nil {
		return nil, err
	}
	s.pod = stored.Name // a workload names its pods itself
	s.places.created(s.pod)
	s.observation.Pod = s.state(stored)
	s.runner.Evidence.Save(s.folder(), "pod.json", s.withoutOthers(stored))
	if s.key.submit == Stored {
		put(&s.observation.Answers, "create", Answer{Code: http.StatusCreated, Sharing: s.observation.Pod.Sharing})
		return stored, s.compare(ctx, stored, true)
	}
	// Nothing is awaited of a pod that is not the one that was sent.
	if err := s.compare(ctx, stored, true); err != nil {
		return stored, err
	}

	what, mayEnd, done := "Ready", false, func(p *corev1.Pod) bool { return s.state(p).Ready }
	if s.await != nil {
		what, mayEnd, done = s.await.Name, s.await.MayEnd, func(p *corev1.Pod) bool { return s.await.Done(s.state(p)) }
	}
	settled, told := done, false
	var failed error
	done = func(p *corev1.Pod) bool {
		if failed = startFailed(p); failed != nil {
			return true
		}
		if !told && tooMany(p) { // it waits for its turn, and the next ones need not come as yet
			told = true
			s.fewer("the node has room for no more")
		}
		return settled(p)
	}
	pod, err := s.runner.Cluster.Await(waiting, s.pod, what, mayEnd, done)
	if err == nil {
		err = failed
	}
	if err != nil {
		return pod, err
	}
	s.health.pulled(pod)
	s.ready = time.Since(applied)
	s.runner.OnReady(s.target, s.key.file, s.ready)
	if ephemeral := s.ephemeral(); len(ephemeral) > 0 {
		if pod, err = s.addEphemeral(waiting, pod, ephemeral); err != nil {
			return pod, err
		}
		s.runner.Evidence.Save(s.folder(), "pod.json", s.withoutOthers(pod))
	}
	s.observation.Pod = s.state(pod)
	s.runner.Facts.noteImages(s.target, s.placed.Documented, pod)
	return pod, s.compare(ctx, pod, false)
}

// patience is how long to wait for something that a healthy node does within the
// given time. A node so busy that the pod took long to be ready gets as much
// again three times over: being slow is no behaviour that is judged here.
func (s *stage) patience(within time.Duration) time.Duration { return max(within, 3*s.ready) }

// submit has the API server admit the manifest, and stores nothing.
func (s *stage) submit(ctx context.Context) error {
	answer, err := s.runner.Cluster.Submit(ctx, s.placed, s.key.submit.PodSecurity())
	if err != nil {
		return err
	}
	differences := answer.changed()
	answer.Changes = nil // they are the pod's own
	put(&s.observation.Answers, "create", answer)
	s.observation.Pod.Sharing = answer.Sharing
	if err := s.changes(ctx, differences, nil); err != nil {
		return err
	}
	if s.key.act == nil {
		return nil
	}
	defer s.takePlace()()
	return s.act(ctx, nil)
}

// addEphemeral adds the manifest's ephemeral containers to the pod that runs,
// and waits until each has started. One that the runtime did not start is an
// error: nothing was seen from it.
func (s *stage) addEphemeral(ctx context.Context, pod *corev1.Pod, ephemeral []corev1.EphemeralContainer) (*corev1.Pod, error) {
	if err := s.runner.Cluster.AddEphemeral(ctx, pod, ephemeral); err != nil {
		return pod, err
	}
	var failed error
	stored, err := s.runner.Cluster.Await(ctx, s.pod, "running its ephemeral containers", true, func(p *corev1.Pod) bool {
		if failed = ephemeralNotStarted(p); failed != nil {
			return true
		}
		state := s.state(p)
		for _, c := range ephemeral {
			if got := state.Containers[c.Name]; !got.Running && got.ExitCode == nil {
				return false
			}
		}
		return true
	})
	if err == nil {
		err = failed
	}
	return stored, err
}

// act carries the act out, and observes until its effect shows.
func (s *stage) act(ctx context.Context, pod *corev1.Pod) error {
	act := s.key.act
	if act == nil {
		return nil
	}
	began := time.Now()
	if err := s.carryOut(ctx, &hands{stage: s, pod: pod}); err != nil {
		return fmt.Errorf("%s: %w", act.Name, err)
	}
	settle := func() {
		s.settle.Do(func() {
			s.took = time.Since(began)
			close(s.settled)
		})
	}
	if act.Ends || s.key.submit != Runs {
		s.noteState()
		settle()
		return nil
	}
	if err := s.waitForControls(ctx, began); err != nil {
		return err
	}
	return s.observeUntil(ctx, pod, "after", act.Sees, s.patience(act.Within), func(after map[string]*probe.Snapshot) bool {
		s.observation.After = after
		s.noteState()
		if !s.satisfied() {
			return false
		}
		settle()
		return true
	})
}

func (s *stage) carryOut(ctx context.Context, with *hands) error {
	defer with.followed()
	act := s.key.act
	if s.disruption == nil {
		return act.Do(ctx, with)
	}
	if err := s.disruption.carryOut(ctx, with); err != nil || act.Then == nil {
		return err
	}
	if err := s.reachAgain(ctx, with.pod); err != nil {
		return err
	}
	return act.Then(ctx, with)
}

// reachAgain waits until every container of a disrupted pod can be looked into.
// Of what is still unobserved then, the judges are not asked.
func (s *stage) reachAgain(ctx context.Context, pod *corev1.Pod) error {
	return s.observeUntil(ctx, pod, "between", nil, s.patience(s.key.act.Within), func(between map[string]*probe.Snapshot) bool {
		s.observation.After = between
		return unobserved(s.observation) == nil
	})
}

// noteState records the pod's state after the act.
func (s *stage) noteState() {
	if current, ok := s.runner.Cluster.Current(s.pod); ok {
		state := s.state(current)
		s.observation.AfterPod = &state
	}
}
