package suite

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// transcriptFile is the name of the evidence that holds the text of a look into a container. It is most
// of what a run keeps, and seldom read, because observation.json holds what was judged: it is compressed.
func transcriptFile(name, of string) string { return name + "." + of + ".txt.gz" }

// keepEvidence keeps what can be had of a pod while it is there, for those who
// want to know why a case did not pass. What cannot be had is said in its place.
func (s *stage) keepEvidence(ctx context.Context) {
	if s.observation.Pod.Name == "" {
		return // it was never created
	}
	keep := func(name string, document any, err error) {
		if err != nil {
			document = "could not be read: " + err.Error() + "\n"
		}
		s.runner.Evidence.Save(s.folder(), name, document)
	}
	events, err := s.runner.Cluster.Events(ctx, s.pod)
	keep("events.json", events, err)
	pod, ok := s.runner.Cluster.Current(s.pod)
	if !ok {
		return // its case deleted it
	}
	keep("pod-in-the-end.json", s.withoutOthers(pod), nil)
	containers := StateOf(pod).Containers
	for _, name := range slices.Sorted(maps.Keys(containers)) {
		c := containers[name]
		if c.ID == "" || s.added[name] {
			continue // it never started, or is not ours
		}
		text, err := s.runner.Cluster.Logs(ctx, s.pod, name, false)
		keep(name+".log", text, err)
		if c.Restarts > 0 {
			text, err := s.runner.Cluster.Logs(ctx, s.pod, name, true)
			keep(name+".previous.log", text, err)
		}
	}
}

// keepNodeLogs keeps what kubelet and the runtime logged during the run, on the
// nodes of the suite's own on which a case did not pass.
func (r *Runner) keepNodeLogs(ctx context.Context, since int64, results []Result) {
	if r.Nodes == nil || ctx.Err() != nil {
		return
	}
	kept := map[string]bool{}
	for _, result := range results {
		node := result.Target.Node
		if kept[node] || !result.Outcome.Failed() {
			continue
		}
		kept[node] = true
		for _, unit := range append([]string{"kubelet"}, RuntimeOf(result.Target.Runtime).Units...) {
			logged, err := r.Nodes.Run(ctx, node, "journalctl", "--no-pager", "--output=short-iso-precise", "--unit="+unit, fmt.Sprintf("--since=@%d", since))
			text := logged.Stdout
			if err != nil || logged.Code != 0 {
				text = "could not be read: " + logged.String() + "\n"
			}
			r.Evidence.Save(nodeLogs, node+"."+unit+".log", text)
		}
	}
}

// nodeLogs is the folder of the nodes' own logs.
const nodeLogs = "nodes"
