package suite

import (
	"context"
	"sync"
)

// NodesAtOnce is how many nodes are worked on at one time, unless told otherwise: memory,
// goroutines and open streams grow with them, and not with the cluster.
const NodesAtOnce = 250

// window is the targets by node, in the order of their first ones. Those of one node are worked
// on together, because disruptions of a node wait for all its targets.
type window struct {
	nodes   []string
	targets map[string][]int // places in the list of targets, by node
}

func newWindow(targets []Target) window {
	w := window{targets: map[string][]int{}}
	for i, t := range targets {
		if w.targets[t.Node] == nil {
			w.nodes = append(w.nodes, t.Node)
		}
		w.targets[t.Node] = append(w.targets[t.Node], i)
	}
	return w
}

// eachInWindow works on the targets, on so many nodes at one time as the runner is to, and
// returns when all is done. A node that had to wait, and is not there or not Ready when its turn
// comes, is tried once more at the end, and then left out. done is told of each node that was
// worked on.
func (r *Runner) eachInWindow(targets []Target, work func(target int), done func(node string)) {
	w := newWindow(targets)
	atOnce := r.NodesAtOnce
	if atOnce <= 0 {
		atOnce = NodesAtOnce
	}
	places := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	on := func(node string) {
		all.Go(func() {
			defer func() { <-places }()
			var here sync.WaitGroup
			for _, target := range w.targets[node] {
				here.Go(func() { work(target) })
			}
			here.Wait()
			done(node)
		})
	}
	var again []string
	for i, node := range w.nodes {
		places <- struct{}{}
		if i >= atOnce && r.absent(node) != "" {
			again = append(again, node)
			<-places
			continue
		}
		on(node)
	}
	for _, node := range again {
		places <- struct{}{}
		if why := r.absent(node); why != "" {
			for _, target := range w.targets[node] {
				r.leaveOut(targets[target], why)
			}
			<-places
			continue
		}
		on(node)
	}
	all.Wait()
}

// absent says why nothing can be run on a node at the moment, or "".
func (r *Runner) absent(node string) string {
	if r.Absent == nil {
		return ""
	}
	return r.Absent(node)
}

// leaveOut notes that a target has no results, and why.
func (r *Runner) leaveOut(target Target, why string) {
	r.Log("%s: left out: %s", target.Name(), why)
	if r.OnLeftOut != nil {
		r.OnLeftOut(target, why)
	}
}

// together are the nodes of a sweep whose pods are deleted with those of others, when all is done there:
// those on which only what is asked everywhere is. nil: each pod is deleted when nobody needs it.
func (r *Runner) together(targets []Target) map[string]bool {
	if r.Scope == nil || r.KeepFailed || r.Adopted != nil {
		return nil
	}
	samples := map[string]bool{}
	for _, name := range r.Scope.Samples {
		samples[name] = true
	}
	nodes, full := map[string]bool{}, map[string]bool{}
	for _, t := range targets {
		nodes[t.Node] = true
		if samples[t.Name()] {
			full[t.Node] = true
		}
	}
	for node := range full {
		delete(nodes, node)
	}
	return nodes
}

// nodesTogether is of how many nodes the pods are deleted by one request: a request each would be a sixth of all.
const nodesTogether = 10

// finishedNodes are those on which all is done, and whose pods wait to be deleted together.
type finishedNodes struct {
	mu    sync.Mutex
	nodes []string
}

// add takes in a node, and returns those whose pods are to be deleted now, if any.
func (d *finishedNodes) add(node string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.nodes = append(d.nodes, node); len(d.nodes) < nodesTogether {
		return nil
	}
	return d.take()
}

// take returns those that wait.
func (d *finishedNodes) take() []string {
	all := d.nodes
	d.nodes = nil
	return all
}

// discardTogether has the pods of a node be deleted together with those of others.
func (r *Runner) discardTogether(ctx context.Context, node string, limits limits) {
	if limits.together[node] {
		r.discardOn(ctx, limits.finished.add(node))
	}
}

// discardOn deletes the pods of nodes. An interrupted run leaves that to the clean-up.
func (r *Runner) discardOn(ctx context.Context, nodes []string) {
	if len(nodes) > 0 && ctx.Err() == nil {
		r.Cluster.DiscardOn(ctx, nodes)
	}
}
