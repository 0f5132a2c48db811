package suite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"procns/e2e/internal/probe"
)

// Witness is a pod that one run leaves and a later one judges: it has lived
// through what happened to the cluster between the two.
type Witness struct {
	File   string `json:"file"` // the manifest
	Target Target `json:"target"`
	// BootID is that of the node's kernel when the pod was left.
	BootID string `json:"bootID"`
	// Created is the name of what was created of the manifest: the pod, or the
	// workload that makes it.
	Created string `json:"created"`
	Pod     string `json:"pod"` // name
	UID     string `json:"uid"` // of the pod
	// Seen is what was seen of the pod when it was left.
	Seen Observation `json:"seen"`
}

// Fate is what became of a witness: what a judge may know of the time between.
type Fate struct {
	// Earlier is what was seen of the witness when it was left.
	Earlier Observation `json:"earlier"`
	// Replaced says that its workload made another pod in its place.
	Replaced bool `json:"replaced,omitempty"`
	// Rebooted says that the node's kernel is another boot's.
	Rebooted bool `json:"rebooted,omitempty"`
	// The versions on the node, then and now.
	KubeletWas string `json:"kubeletWas"`
	KubeletIs  string `json:"kubeletIs"`
	RuntimeWas string `json:"runtimeWas"`
	RuntimeIs  string `json:"runtimeIs"`
}

// Outlives says what of a witness must be the same as it was, for a case to apply.
type Outlives string

const (
	// AnyPod: there is a pod, the old one or another that its workload made.
	AnyPod Outlives = ""
	// SameBoot: the pod is the old one, and its node was not restarted.
	SameBoot Outlives = "same boot"
)

// Adopted is a witness as a later run finds it.
type Adopted struct {
	Witness Witness
	Fate    Fate
	// Pod is the name of the pod that there is now.
	Pod string
	// Gone is the proved reason why there is none, and Lost why there is none that
	// nobody can account for.
	Gone, Lost string
}

// refuses is the proved reason why a case does not apply to what became of a
// witness, or "".
func (a Adopted) refuses(c Case) string {
	switch {
	case a.Gone != "":
		return a.Gone
	case a.Lost != "" || c.Outlives == AnyPod:
		return ""
	case a.Fate.Replaced:
		return fmt.Sprintf("the pod is a new one: %s runs in the place of %s", a.Pod, a.Witness.Pod)
	case a.Fate.Rebooted:
		return "the node was restarted, which no process lives through"
	}
	return ""
}

// WitnessKey names a witness: one of each manifest on each target.
type WitnessKey struct{ Target, File string }

// Key is the witness's own.
func (w Witness) Key() WitnessKey { return WitnessKey{w.Target.Name(), w.File} }

// Left is a witness that a run has left, or why it could not.
type Left struct {
	Witness
	Err error
}

// Leave creates the pods of the runner's cases on each target, observes them
// until every case's precondition holds, and leaves them: nothing is done to
// them, and nothing is judged.
func (r *Runner) Leave(ctx context.Context) []Left {
	leaving := *r
	leaving.Cases = nil
	for _, c := range r.Cases {
		c.Act = nil
		leaving.Cases = append(leaving.Cases, c)
	}
	limits := leaving.limits(leaving.Targets)
	var lock sync.Mutex
	var all []Left
	var wg sync.WaitGroup
	for _, target := range leaving.Targets {
		onTarget, giveUp := context.WithCancelCause(ctx)
		defer giveUp(nil)
		for _, s := range leaving.plan(target, limits, &health{giveUp: giveUp}).order {
			wg.Go(func() {
				s.run(onTarget)
				left := Left{Err: errors.Join(s.err, unobserved(s.observation)), Witness: s.witness()}
				lock.Lock()
				defer lock.Unlock()
				all = append(all, left)
			})
		}
	}
	wg.Wait()
	return all
}

func (s *stage) witness() Witness {
	w := Witness{File: s.key.file, Target: s.target, Pod: s.pod, Seen: remembered(s.observation)}
	if s.placed.Pod != nil {
		w.Created = s.placed.Pod.Name
	}
	if pod, ok := s.runner.Cluster.Current(s.pod); ok {
		w.UID = string(pod.UID)
		w.Seen.Pod = StateOf(pod) // with the ephemeral containers
	}
	return w
}

// remembered is what is worth keeping of an observation for another run: whose
// process is whose, in which namespaces. Environments and files are not.
func remembered(o Observation) Observation {
	kept := Observation{Pod: o.Pod, Markers: o.Markers, Before: map[string]*probe.Snapshot{}}
	for name, s := range o.Before {
		short := &probe.Snapshot{Container: s.Container, Self: s.Self, Namespaces: s.Namespaces, Kernel: s.Kernel, Failure: s.Failure, NoShell: s.NoShell}
		for _, p := range s.Processes {
			if !p.Observer {
				short.Processes = append(short.Processes, probe.Process{
					PID: p.PID, PPID: p.PPID, Comm: p.Comm, State: p.State, StartTime: p.StartTime, UID: p.UID, Argv: p.Argv, Foreign: p.Foreign,
				})
			}
		}
		kept.Before[name] = short
	}
	return kept
}

// adopted is the witness that stands for the stage's pod, in a run that adopts.
func (s *stage) adopted() (Adopted, bool) {
	if s.runner.Adopted == nil {
		return Adopted{}, false
	}
	a, ok := s.runner.Adopted[WitnessKey{s.target.Name(), s.key.file}]
	if !ok {
		a.Lost = "no witness of " + s.key.file + " was left on this target"
	}
	return a, true
}

// adopt takes the witness for the stage's pod, once it is Ready.
func (s *stage) adopt(ctx context.Context, a Adopted) (*corev1.Pod, error) {
	if missing := a.Gone + a.Lost; missing != "" {
		return nil, errors.New(missing)
	}
	s.pod = a.Pod
	s.observation.Fate = &a.Fate
	waiting, cancel := context.WithTimeoutCause(ctx, s.runner.Timeout, fmt.Errorf("not within %s", s.runner.Timeout))
	defer cancel()
	pod, err := s.runner.Cluster.Await(waiting, s.pod, "Ready", true, func(p *corev1.Pod) bool { return s.state(p).Ready })
	if err != nil {
		return pod, err
	}
	s.observation.Pod = StateOf(pod)
	s.runner.Evidence.Save(s.folder(), "pod.json", s.withoutOthers(pod))
	return pod, nil
}
