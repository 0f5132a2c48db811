package suite

import "slices"

// Pair is a fixture and its control that ask less of a node than a case's own: a sweep has them on
// the nodes that are no samples of their kind.
type Pair struct {
	Fixture, Control string
	// ControlSees names the containers of the control that are looked into, from which the judge
	// must say no. Empty means all; each costs one exec.
	ControlSees []string
}

// Swept is the case as a sweep asks it on a node that is no sample of its kind.
func (c Case) Swept() Case {
	if p := c.Pair; p != nil {
		c.Fixture, c.Control, c.controlSees = p.Fixture, p.Control, p.ControlSees
	}
	return c
}

// WithSwept are the cases, and behind them those that a sweep asks with a pair, as it does.
func WithSwept(cases []Case) []Case {
	all := slices.Clone(cases)
	for _, c := range cases {
		if c.Pair != nil {
			all = append(all, c.Swept())
		}
	}
	return all
}

// Manifests are the files of the pods that the case is judged by.
func (c Case) Manifests() []string {
	return slices.DeleteFunc([]string{c.Fixture, c.Control, c.Neighbour}, func(file string) bool { return file == "" })
}

// looks are the containers that cases look into in one pod.
type looks struct {
	all   bool
	names []string
}

// add takes in those named; none means all.
func (l *looks) add(names []string) {
	l.all = l.all || len(names) == 0
	for _, name := range names {
		if !slices.Contains(l.names, name) {
			l.names = append(l.names, name)
		}
	}
}

// only are the containers to look into; nil: all.
func (l *looks) only() []string {
	if l.all {
		return nil
	}
	return l.names
}
