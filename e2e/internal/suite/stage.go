package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	looks  looks    // of the cases, and of the stages whose neighbour it is
	after  []*stage // controls whose effect must have shown first
	// disruption is shared with the other pods of the same act on the node.
	disruption *disruption
	// neighbours are observed first: what they run is looked for.
	neighbours []*stage
	lookouts   []*stage // those that look for what this one runs
	// host is the stage whose pod this one has, riders those that have this one's: see board.
	host   *stage
	riders []*stage
	handed bool // it has what it needs of its host
	// first is the stage behind which this one acts, followers those that act behind this one, in their
	// order; heirOf is who acted before it in the pod of the first, nil where it has one of its own: see following.
	first     *stage
	followers []*stage
	heirOf    *stage
	// allChanged says that the cluster changed the pod so that none of its own cases can be judged.
	allChanged bool

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
	// cutOff is why nobody knows what became of one of the act's commands; nil: each was answered.
	cutOff atomic.Pointer[error]
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
	if holds {
		s.looks.add(nil)
	} else {
		s.looks.add(c.controlSees)
	}
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
	foreign := ""
	for _, one := range s.aboard() {
		one.began = time.Now()
		defer close(one.done)
	}
	defer func() { s.own = s.ownTime() }()
	if s.disruption != nil {
		defer s.disruption.arrive(s) // also where it never came to the act
	}
	defer func() {
		if p := recover(); p != nil {
			s.err = fmt.Errorf("the suite itself failed (panic: %v): report this", p)
		}
		s.runner.Evidence.Save(s.folder(), "observation.json", s.observation)
		if s.heirOf != nil {
			s.runner.Evidence.Save(s.folder(), "same-pod-as.txt", s.first.key.folder()+"\n")
		}
		s.alight(foreign)
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
		foreign = said
		s.err = blame(said, s.err)
	}
	s.learn(ctx, s.err)
}

// learn has the target's health know of an error, if there is one. During a disruption, that is why the
// node does not answer.
func (s *stage) learn(ctx context.Context, err error) {
	if err == nil || s.disruption != nil {
		return
	}
	s.health.learn(ctx, err, func(ctx context.Context) Disturbance {
		return s.runner.Cluster.Disturbance(ctx, s.target.Node, s.began)
	})
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
	kept := false
	for _, one := range slices.Concat(s.aboard(), s.heirs()) {
		if !s.runner.KeepFailed && one.asExpected() { // a pod that nobody will ask about need not wait for its cases
			continue
		}
		one.undecided.Wait()
		if one.failed.Load() {
			one.keepEvidence(ctx)
			kept = s.runner.KeepFailed
		}
	}
	if kept {
		s.runner.Log("%s: pod %s is kept", s.target.Name(), s.pod)
		return
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
	s.enter(acting)
	return func() { s.leave(acting) }
}

// What a stage waits for a place for.
type work int

const (
	acting work = iota // looks included
	starting
)

// placesFor are the run's places, and the node's.
func (s *stage) placesFor(w work) (ofRun chan struct{}, onNode *congestion, bound *bound) {
	onNode = s.turns[s.target.Node].work
	if w == starting {
		return s.starting, onNode, onNode.starting
	}
	return s.acting, onNode, onNode.acting
}

// enter waits for a place on the node, and for one of the run's.
func (s *stage) enter(w work) {
	s.waitForOthers(func() {
		ofRun, onNode, bound := s.placesFor(w)
		onNode.take(bound)
		ofRun <- struct{}{}
	})
}

func (s *stage) leave(w work) {
	ofRun, onNode, bound := s.placesFor(w)
	<-ofRun
	onNode.leave(bound)
}

// rest gives the stage's place to another one while it waits for something that
// takes its time.
func (s *stage) rest(wait func()) {
	s.leave(acting)
	defer s.enter(acting)
	wait()
}

func (s *stage) perform(ctx context.Context) error {
	if s.heirOf != nil {
		err := s.performInherited(ctx)
		if !errors.Is(err, errNotAsLeft) {
			return err
		}
		s.runner.Log("%s: %s: %v: in a pod of its own", s.target.Name(), s.key.folder(), err)
		s.afresh()
	}
	raw, err := s.runner.Fixtures(s.key.file)
	if err != nil {
		return err
	}
	witness, adopted := s.adopted()
	manifest, err := DecodePlanted(s.key.file, raw, witness.Witness.Seen.Markers)
	if err != nil {
		return fmt.Errorf("the suite's own manifest is broken: %w", err)
	}
	placement := s.runner.Placement
	placement.Target, placement.Together = s.target, s.together[s.target.Node]
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
	return s.lookAndAct(ctx, pod)
}

// afresh forgets what was seen, for a pod of the stage's own.
func (s *stage) afresh() { s.observation, s.added, s.ready, s.heirOf = Observation{}, nil, 0, nil }

// lookAndAct takes the first snapshots of the pod, behind those of its neighbours, and acts.
func (s *stage) lookAndAct(ctx context.Context, pod *corev1.Pod) error {
	s.waitForOthers(func() {
		for _, n := range s.neighbours {
			<-n.done
		}
	})
	defer s.takePlace()()
	if err := s.asLeft(ctx, s.observeUntilGiven(ctx, pod)); err != nil {
		return err
	}
	s.handOver(Runs)
	if s.allChanged {
		return errAllChanged
	}
	if s.key.act == nil {
		return nil
	}
	return s.act(ctx, pod)
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
