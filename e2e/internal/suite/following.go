package suite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

// Stages that follow: an act that another one leaves the pod for is done in the same pod, behind it.

// behind is how many acts there are before one in its line.
func (a *Act) behind() (n int) {
	for ; a != nil && a.Follows != nil; a = a.Follows {
		n++
	}
	return n
}

// following says of stages whose act follows another one in the same pod which stage is the first there.
func following(needs []need) map[stageKey]stageKey {
	known := map[stageKey]need{}
	for _, n := range needs {
		known[n.key] = n
	}
	first := map[stageKey]stageKey{}
	for _, n := range needs {
		if n.key.act == nil || n.key.submit != Runs || n.await || n.key.act.disrupts() {
			continue
		}
		for a := n.key.act.Follows; a != nil; a = a.Follows {
			if earlier, ok := known[stageKey{n.key.file, a, Runs}]; ok && !earlier.await {
				first[n.key] = earlier.key // the first of the line is the last that is found
			}
		}
	}
	return first
}

// placeHolder is the stage that takes a place for this one.
func (s *stage) placeHolder() *stage {
	if s.first != nil {
		return s.first
	}
	return s.carrier()
}

// runFollowers runs those that follow, one behind the other: in the stage's pod as long as each leaves it as
// it should be, and from then on each in one of its own.
func (s *stage) runFollowers(ctx context.Context) {
	last := s
	for _, f := range s.followers {
		if last != nil && last.leavesPod(f) {
			f.heirOf = last
		}
		f.run(ctx)
		if last = f; f.heirOf == nil {
			last = nil
		}
	}
}

// leavesPod tells whether the next stage may act in this one's pod: every container runs, the act was carried out
// whole, and all was as its cases expect it. What spares the pod asks for no more than that it runs.
func (s *stage) leavesPod(next *stage) bool {
	if s.err != nil || s.allChanged || !next.key.act.Spares && !s.cameOut() || s.deletes.Load() || s.placed.Workload != nil || s.runner.Adopted != nil || len(s.copies) > 0 {
		return false
	}
	pod, ok := s.runner.Cluster.Current(s.pod)
	if !ok || pod.DeletionTimestamp != nil {
		return false
	}
	state := s.state(pod)
	return state.Ready && !slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool {
		is, known := state.Containers[c.Name]
		return known && !is.Running
	})
}

// cameOut tells whether every case has the answer that is asked of this pod, yes on a fixture and no on a control. One that
// no further look can change is not enough, as it is where nobody acts behind it: an act without its effect may have it late.
// So may an experiment that was not carried out to its end, and a command of which nobody knows what became, although no case
// that was chosen turns on it.
func (s *stage) cameOut() bool {
	if unobserved(s.observation) != nil || len(s.observation.Saw.Undone) > 0 || s.cutOff.Load() != nil {
		return false
	}
	return !slices.ContainsFunc(s.cases, func(e expectation) bool {
		err := e.c.Judge(s.observation)
		return e.holds && err != nil || !e.holds && !IsViolation(err)
	})
}

// performInherited acts in the pod of the first of the line.
func (s *stage) performInherited(ctx context.Context) error {
	first := s.first
	s.placed, s.ownProcesses, s.added, s.pod, s.from, s.ready = first.placed, first.ownProcesses, first.added, first.pod, first.from, first.ready
	s.observation.Markers, s.observation.Node = s.placed.Markers, s.target.facts()
	s.begins()
	s.runner.Evidence.Save(s.folder(), "manifest.yaml", s.placed.YAML())
	pod, ok := s.runner.Cluster.Current(s.pod)
	if !ok {
		pod, _ = s.runner.Cluster.Last(s.pod)
	}
	s.observation.Pod = s.state(pod)
	s.runner.Evidence.Save(s.folder(), "pod.json", s.withoutOthers(pod))
	if changes := first.observation.Changes; changes != nil {
		s.observation.Changes = changes
		if err := s.setAside(s.key.file, changes); err != nil {
			return err
		}
	}
	if s.key.submit == Stored {
		put(&s.observation.Answers, "create", Answer{Code: http.StatusCreated, Sharing: s.observation.Pod.Sharing})
		defer s.takePlace()()
		return s.act(ctx, pod)
	}
	return s.lookAndAct(ctx, pod)
}

// errNotAsLeft says that an act is not done in a pod that another one left for it.
var errNotAsLeft = errors.New("the pod is not as it was left")

// asLeft demands of the first look of one that acts behind another that it shows the pod as the last one of that did:
// the same containers, with the same first processes in each, and what its cases need. Otherwise what was done before
// goes on, as when kubelet has not told yet that a container ended of it, and would be taken for the next one's doing.
func (s *stage) asLeft(ctx context.Context, looked error) error {
	if s.heirOf == nil || ctx.Err() != nil {
		return looked
	}
	missing := errors.Join(looked, lacking(s.observation, s.cases))
	if was, is := firstProcesses(s.heirOf.observation), firstProcesses(s.observation); missing == nil && !maps.EqualFunc(was, is, slices.Equal) {
		missing = fmt.Errorf("the containers' first processes were %v, and are %v", was, is)
	}
	if missing != nil {
		return fmt.Errorf("%w by %s: %w", errNotAsLeft, s.heirOf.key.folder(), missing)
	}
	return nil
}

// firstProcesses are those that were started from outside and had not ended, as each container saw them last.
func firstProcesses(o Observation) map[string][]probe.Identity {
	all := map[string][]probe.Identity{}
	for _, snapshots := range []map[string]*probe.Snapshot{o.Before, o.After} {
		for name, s := range snapshots {
			all[name] = nil
			for _, p := range s.Mains() {
				if p.State != "Z" {
					all[name] = append(all[name], p.Identity())
				}
			}
		}
	}
	return all
}

// heirs are those that acted in the stage's pod behind it.
func (s *stage) heirs() []*stage {
	return slices.DeleteFunc(slices.Clone(s.followers), func(f *stage) bool { return f.heirOf == nil })
}

// retireFollowers gives back the pods of those that had their own.
func (s *stage) retireFollowers(ctx context.Context) {
	for _, f := range s.followers {
		if f.heirOf == nil {
			f.retire(ctx)
		}
	}
}
