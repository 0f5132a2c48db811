package suite

import (
	"context"
	"errors"
	"fmt"
)

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
		return o, errors.Join(unobserved(o), unmet(c, o))
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
	if IsInapplicable(err) {
		result.Outcome, result.Reason = Skipped, "it does not apply: "+err.Error()
		return result
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
	if IsInapplicable(uncontrolled) && answers.fixture == nil {
		result.Outcome, result.Reason = Skipped, "its control does not apply: "+uncontrolled.Error()
		return result
	}
	if uncontrolled != nil && answers.fixture == nil {
		result.notRun = errors.Is(uncontrolled, errStopped)
		return inconclusive("the control " + c.Control + ": " + uncontrolled.Error())
	}
	answers.decide(&result)
	r.withdraw(ctx, &result, fixture.placed.Pod, o, fixture.began)
	r.answeredToAnother(ctx, &result, fixture.placed)
	if c.Record != nil && result.Outcome == Conformant {
		result.Recorded = c.Record(o)
	}
	if c.Remark != nil && result.Outcome == Conformant {
		result.Remark = c.Remark(o)
	}
	return result
}

// unmet says what a case misses before it can be judged.
func unmet(c Case, o Observation) error {
	if c.Precondition == nil {
		return nil
	}
	return c.Precondition(o)
}
