package suite

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"procns/e2e/internal/probe"
)

// unseen are the containers for whose snapshot a judge asked, and of which none was taken. Each
// judgement has its own, and is one function call after the other.
type unseen struct{ names []string }

func (u *unseen) add(name string) {
	if u != nil && !slices.Contains(u.names, name) {
		u.names = append(u.names, name)
	}
}

// JudgedBySight is the judge, for whom what was not looked at is no violation: a container that did not
// start, or ended too soon, or whose exec failed, has shown nothing. A violation that was found after
// asking for the snapshot of such a container cannot be told from what that container would have shown.
func JudgedBySight(judge func(Observation) error) func(Observation) error {
	if judge == nil {
		return nil
	}
	return func(o Observation) error {
		var missing unseen
		err := judge(o.noting(&missing))
		var found *Finding
		if len(missing.names) == 0 || !IsViolation(err) || !errors.As(err, &found) {
			return err
		}
		slices.Sort(missing.names)
		finding := *found
		finding.CannotTell = true
		finding.Observed += "; but nothing was seen from container " + strings.Join(missing.names, ", ")
		return &finding
	}
}

// noting is the observation, which notes for whose snapshots it was asked in vain; with those beside it.
func (o Observation) noting(missing *unseen) Observation {
	o.unseen = missing
	if o.Neighbour != nil {
		beside := o.Neighbour.noting(missing)
		o.Neighbour = &beside
	}
	if o.Copies != nil {
		copies := make(map[string]Observation, len(o.Copies))
		for name, c := range o.Copies {
			copies[name] = c.noting(missing)
		}
		o.Copies = copies
	}
	return o
}

// snapshotOf is a container's snapshot; one that says so where none was taken.
func (o Observation) snapshotOf(from map[string]*probe.Snapshot, name, when string) *probe.Snapshot {
	s := from[name]
	if s == nil {
		s = &probe.Snapshot{Container: name, Failure: "no snapshot was taken"}
	}
	if s.Failure != "" && !s.NoShell { // an image without a shell is judged by what the others see
		o.unseen.add(fmt.Sprintf("%s%s (%s)", name, when, s.Failure))
	}
	return s
}
