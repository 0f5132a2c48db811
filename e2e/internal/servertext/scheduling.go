// Package servertext reads what the API server, the scheduler and kubelet write for people or in
// forms of their own. It imports nothing of Kubernetes', so that its fuzz targets are
// soon built.
package servertext

import "regexp"

var (
	// nodesRefused is how the scheduler begins to count the nodes that it cannot take.
	nodesRefused = regexp.MustCompile(`^0/\d+ nodes are available: (.*?)\.(?: |$)`)
	// refusedForGood are reasons of a node that no time takes away: it is another node, or
	// has a taint that somebody put on it. kubelet's and the node controller's own taints pass.
	refusedForGood = regexp.MustCompile(`^\d+ node\(s\) (?:didn't match Pod's node affinity/selector|didn't satisfy plugin\(s\) \[NodeAffinity\]|` +
		`had untolerated taint(?:\(s\))?(?: \{[^}]*\})?|had taint \{[^}]*\}, that the pod didn't tolerate)$`)
	passingTaint = regexp.MustCompile(`\{node\.(?:cloudprovider\.)?kubernetes\.io/`)
)

// NeverScheduled tells from the scheduler's message that no node takes the pod whatever
// ends on it. A message of another form is not known to say so.
func NeverScheduled(message string) bool {
	counted := nodesRefused.FindStringSubmatch(message + " ")
	if counted == nil {
		return false
	}
	for _, said := range splitReasons(counted[1]) {
		if !refusedForGood.MatchString(said) || passingTaint.MatchString(said) {
			return false
		}
	}
	return true
}

// nextReason is where the scheduler's next reason begins. A taint's text may hold commas.
var nextReason = regexp.MustCompile(`, \d+ `)

func splitReasons(text string) []string {
	var all []string
	for {
		at := nextReason.FindStringIndex(text)
		if at == nil {
			return append(all, text)
		}
		all = append(all, text[:at[0]])
		text = text[at[0]+2:]
	}
}
