package suite

import "slices"

// What there is to do on a target, and in which order.

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
	for _, c := range limits.casesOn(target) {
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
			neighbour.looks.add(nil)
			for _, s := range lookouts {
				s.neighbours = append(s.neighbours, neighbour)
				neighbour.lookouts = append(neighbour.lookouts, s)
			}
		}
	}
	if r.Adopted == nil {
		order = board(stages, order)
	}
	return plan{stages, order, skipped}
}

// PlannedPod is a pod that a runner would make on a target.
type PlannedPod struct {
	File   string
	Submit Submission
	// Await says when it is settled, where that is not "Ready"; nil where it is, and for what is only stored.
	Await *Await
}

// PlannedPods are the pods that the runner would make on a target, in the order in which they start. What
// is only submitted makes none, and those that acts and workloads make besides are not among them.
func (r *Runner) PlannedPods(target Target) []PlannedPod {
	var quiet, disruptive []PlannedPod
	for _, s := range queued(r.plan(target, r.limits([]Target{target}), &health{}).order) {
		pod := PlannedPod{s.key.file, s.key.submit, s.await}
		switch {
		case s.key.submit.Dry():
		case s.key.act.disrupts(): // they wait for all others
			disruptive = append(disruptive, pod)
		default:
			quiet = append(quiet, pod)
		}
	}
	return append(quiet, disruptive...)
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
		for _, one := range append([]*stage{s}, s.followers...) {
			for _, earlier := range slices.Concat(one.after, one.neighbours) {
				add(earlier.placeHolder())
			}
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
