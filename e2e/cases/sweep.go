package cases

import "procns/e2e/internal/suite"

// Everywhere tells whether a sweep asks a case on every node, and not on one of each kind alone:
// the Core claims that are only read off one pod and its control, markers.yaml and
// markers-isolated.yaml. Either is the other's control, so that a node needs these two pods and
// one exec into each of their containers, whatever the number of claims; and one small image.
func Everywhere(c suite.Case) bool {
	reads := c.Act == nil && c.Submit == suite.Runs && c.Await == nil && c.Neighbour == "" && !c.OwnNode
	pair := c.Fixture == markers && c.Control == markersIsolated || c.Fixture == markersIsolated && c.Control == markers
	return c.Level == suite.Core && reads && pair
}
