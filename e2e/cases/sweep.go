package cases

import "procns/e2e/internal/suite"

// everywhere is what a sweep asks on every node: Core claims that are only read off one pod and its
// control. A node needs two pods, one small image, and three execs, whatever the number of claims: the
// control has only to make the judges say no, which what one container sees is enough for.
var everywhere = &suite.Pair{
	Fixture: "markers-pair.yaml", Control: "markers-pair-isolated.yaml", ControlSees: []string{"one"},
}

// Everywhere tells whether a sweep asks a case on every node, and not on one of each kind alone.
func Everywhere(c suite.Case) bool { return c.Pair != nil }
