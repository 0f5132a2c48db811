package options

import (
	"slices"
	"strings"

	"procns/e2e/internal/suite"
)

// Profile names what a run is of. -level, -run and -skip select within it.
type Profile string

const (
	// Sweep is all of Core on one node of each kind, and on every node the few Core claims that
	// are read off two small pods.
	Sweep Profile = "sweep"
	// CoreAlone is all of Core on every target.
	CoreAlone Profile = "core"
	// Full is the whole catalogue on every target.
	Full Profile = "full"
)

func (o *Options) setProfile(text string) error {
	return oneOf(text, &o.Profile, Sweep, CoreAlone, Full)
}

// holds tells whether a case is of the profile.
func (p Profile) holds(c suite.Case) bool {
	return p == "" || p == Full || c.Level == suite.Core
}

// within are the cases of the profile; none is an error.
func (p Profile) within(selected []suite.Case) ([]suite.Case, error) {
	some := slices.DeleteFunc(slices.Clone(selected), func(c suite.Case) bool { return !p.holds(c) })
	if len(some) == 0 {
		return nil, Usagef("-profile %s leaves none of the cases that are selected: they are %s, and it is of Core cases",
			p, strings.Join(levelsOf(selected), " and "))
	}
	return some, nil
}
