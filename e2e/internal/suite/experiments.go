package suite

import (
	"context"
	"maps"
	"slices"
)

// An act may be several experiments, each of which fails apart.

func (h *podClient) Apart(ctx context.Context, experiment string, do func(context.Context) error) error {
	err := do(ctx)
	if err == nil {
		return nil
	}
	s := h.stage
	s.learn(ctx, err)
	if ctx.Err() != nil {
		return err
	}
	s.runner.Log("%s: %s: %s: %v", s.target.Name(), s.key.folder(), experiment, err)
	h.Note(func(saw *Saw) { put(&saw.Undone, experiment, err.Error()) })
	return nil
}

// JudgedApart is the judge, who cannot tell where an experiment was not carried out that the claim turns
// on: one of those named or, where they are nil, any of the act.
func JudgedApart(experiments []string, judge func(Observation) error) func(Observation) error {
	if judge == nil {
		return nil
	}
	return func(o Observation) error {
		for _, name := range slices.Sorted(maps.Keys(o.Saw.Undone)) {
			if experiments == nil || slices.Contains(experiments, name) {
				return Final(CannotTell("the experiment “"+name+"” is carried out", o.Saw.Undone[name]))
			}
		}
		return judge(o)
	}
}
