// Package e2e is procns's test binary: it makes or attaches to a cluster, runs
// the catalogue on every target, and reports.
package e2e

// suiteVersion is set at link time (-ldflags "-X procns/e2e.suiteVersion=…").
var suiteVersion = "devel"
