package suite

import (
	"maps"
	"slices"
)

// Stages that are carried: those that do nothing to their pod need none of their own, where another
// stage has a pod of the same manifest. They have what is seen of it before anything is done to it.

// need is one stage, by what decides whose pod it can have.
type need struct {
	key stageKey
	// neighbour says that the pod is looked for from others, await that it settles in its own way.
	neighbour, await bool
	looks            looks
}

// partly says that not all containers are looked into: what was asked so has a pod of its own, and no one else
// has that, so that it costs and shows no more.
func (n need) partly() bool { return n.looks.only() != nil }

// carriedBy says of stages that need no pod of their own whose they have. What was only stored has any
// pod that runs, and an act that spares such a pod is done in one that is only read. What only reads has
// the pod of an act; that of a neighbour must stay as it is.
func carriedBy(needs []need) map[stageKey]stageKey {
	carried := following(needs)
	first := func(of need, can func(need) bool) {
		i := slices.IndexFunc(needs, func(n need) bool {
			return n.key.file == of.key.file && n.key.submit == Runs && !n.key.act.disrupts() && !n.partly() && can(n)
		})
		if i >= 0 && !of.partly() {
			carried[of.key] = needs[i].key
		}
	}
	for _, n := range needs {
		if n.key.act == nil && n.key.submit == Runs && !n.await {
			first(n, func(host need) bool {
				_, follows := carried[host.key]
				return host.key.act != nil && !follows && !host.await && (!n.neighbour || host.key.act.Spares)
			})
		}
	}
	for _, n := range needs {
		if n.key.submit != Stored {
			continue
		}
		first(n, func(host need) bool {
			_, rides := carried[host.key]
			return !rides && (n.key.act == nil || n.key.act.Spares && host.key.act == nil && !host.await)
		})
	}
	return carried
}

// board has the stages carried that need no pod of their own, and returns the others.
func board(stages map[stageKey]*stage, order []*stage) []*stage {
	var needs []need
	for _, s := range order {
		needs = append(needs, need{key: s.key, neighbour: len(s.lookouts) > 0, await: s.await != nil, looks: s.looks})
	}
	carried := carriedBy(needs)
	for _, s := range order {
		key, rides := carried[s.key]
		if !rides {
			continue
		}
		host := stages[key]
		if s.key.act != nil {
			s.first = host
			host.followers = append(host.followers, s)
			continue
		}
		s.host = host
		host.riders = append(host.riders, s)
		host.neighbours = append(host.neighbours, s.neighbours...)
		host.lookouts = append(host.lookouts, s.lookouts...)
	}
	for _, s := range order {
		slices.SortStableFunc(s.followers, func(a, b *stage) int { return a.key.act.behind() - b.key.act.behind() })
	}
	return slices.DeleteFunc(order, func(s *stage) bool { return s.host != nil || s.first != nil })
}

// carrier is the stage that has the pod.
func (s *stage) carrier() *stage {
	if s.host != nil {
		return s.host
	}
	return s
}

// aboard are the stage and those that it carries.
func (s *stage) aboard() []*stage { return append([]*stage{s}, s.riders...) }

// handOver gives those that it carries, with that submission, what was seen until now. Those that have
// something keep it.
func (s *stage) handOver(submit Submission) {
	for _, r := range s.riders {
		if r.key.submit == submit && !r.handed {
			r.receive(s)
			r.handed = true
		}
	}
}

func (s *stage) receive(from *stage) {
	s.placed, s.ownProcesses, s.added, s.pod, s.from = from.placed, from.ownProcesses, from.added, from.pod, from.from
	s.observation, s.ready = from.observation, from.ready
	s.observation.Answers = maps.Clone(from.observation.Answers) // to which the act adds
}

// takeBack forgets what was handed over to those that could not be judged by it: it is seen anew. What can be
// judged stays, and so does a violation.
func (s *stage) takeBack() {
	for _, r := range s.riders {
		if r.handed && r.key.submit == Runs && r.unclear() {
			r.observation, r.handed = Observation{}, false
		}
	}
}

// idle tells whether none of the cases of the stage itself can be judged any more, or of those that it
// carries and that still wait for what is seen.
func (s *stage) idle() bool {
	return !slices.ContainsFunc(s.aboard(), func(one *stage) bool { return !one.allChanged && !one.handed })
}

// alight ends the stage, and those that it carries: for what befell the pod before they had what they
// needed, or for what somebody else did to it.
func (s *stage) alight(foreign string) {
	for _, r := range s.riders {
		switch {
		case !r.handed:
			r.receive(s)
			r.err = s.err
		case r.allChanged:
			r.err = errAllChanged
		case foreign != "" && r.key.submit == Runs:
			r.err = blame(foreign, nil)
		}
		r.runner.Evidence.Save(r.folder(), "observation.json", r.observation)
		r.runner.Evidence.Save(r.folder(), "same-pod-as.txt", s.key.folder()+"\n")
		if r.placed.Pod != nil {
			r.runner.Evidence.Save(r.folder(), "manifest.yaml", r.placed.YAML())
		}
	}
}

// expected are the cases for which the pod is looked into: those of the stage itself and of those that it
// carries.
func (s *stage) expected() []expectation {
	var all []expectation
	for _, one := range s.aboard() {
		if !one.allChanged {
			all = append(all, one.cases...)
		}
	}
	return all
}
