package suite

import (
	"fmt"
	"math"
	"time"
)

// Cost is about what cases ask of a cluster.
type Cost struct {
	Pods int
	// Execs are streams through the API server; Requests are all, these among them.
	Execs, Requests int
}

// Together is the cost of so many nodes whose pods are deleted together.
func (c Cost) Together(nodes int) Cost {
	all := c.Times(nodes)
	if c.Pods > 0 {
		all.Requests += (nodes+nodesTogether-1)/nodesTogether - all.Pods
	}
	return all
}

// Times is the cost of so many targets.
func (c Cost) Times(n int) Cost { return Cost{c.Pods * n, c.Execs * n, c.Requests * n} }

// Plus adds up two costs.
func (c Cost) Plus(d Cost) Cost {
	return Cost{c.Pods + d.Pods, c.Execs + d.Execs, c.Requests + d.Requests}
}

// What a pod takes besides being created, deleted and looked into once from each container, on an
// average over the catalogue's acts: looks, and requests that are no exec.
const (
	looksOfAnAct    = 2
	requestsOfAnAct = 3
)

// CostOf estimates what the cases cost on one target. Pods that cases share count once. An act's
// own commands and requests are an average: what only reads is exact, as long as nothing is
// asked twice.
func CostOf(cases []Case, fixtures func(file string) ([]byte, error)) (Cost, error) {
	needs := needsOf(cases)
	carried := carriedBy(needs)
	var cost Cost
	for _, n := range needs {
		_, rides := carried[n.key]
		if rides && n.key.act == nil {
			continue
		}
		one, err := n.key.cost(fixtures, n.looks.only(), !rides)
		if err != nil {
			return Cost{}, fmt.Errorf("%s: %w", n.key.file, err)
		}
		cost = cost.Plus(one)
	}
	return cost, nil
}

// cost is that of one stage, with its own pod or without, of which the containers in only are looked into; nil: all.
func (k stageKey) cost(fixtures func(file string) ([]byte, error), only []string, own bool) (Cost, error) {
	if k.submit.Dry() {
		return Cost{Requests: 1}, nil
	}
	raw, err := fixtures(k.file)
	if err != nil {
		return Cost{}, err
	}
	manifest, err := DecodeManifest(k.file, raw)
	if err != nil {
		return Cost{}, err
	}
	var cost Cost
	if own {
		cost = Cost{Pods: 1, Requests: 2 + len(manifest.Secrets) + len(manifest.ConfigMaps)} // created, and deleted
	}
	if k.submit == Stored {
		return cost, nil
	}
	cost.Execs = len(only)
	if only == nil {
		cost.Execs = len(manifest.Pod.Spec.Containers) + len(manifest.Ephemeral())
	}
	if k.act != nil {
		cost.Execs *= 1 + looksOfAnAct
		cost.Requests += requestsOfAnAct
	}
	cost.Requests += cost.Execs
	return cost, nil
}

// needsOf are the stages of the cases, as a plan has them.
func needsOf(cases []Case) []need {
	var order []*need
	needs := map[stageKey]*need{}
	use := func(key stageKey, sees []string, await, neighbour bool) {
		if key.file == "" {
			return
		}
		n := needs[key]
		if n == nil {
			n = &need{key: key}
			needs[key], order = n, append(order, n)
		}
		n.looks.add(sees)
		n.await, n.neighbour = n.await || await, n.neighbour || neighbour
	}
	for _, c := range cases {
		use(stageKey{c.Fixture, c.Act, c.Submit}, nil, c.Await != nil, false)
		use(stageKey{c.Control, c.Act, c.Submit}, c.controlSees, c.Await != nil, false)
		use(stageKey{c.Neighbour, nil, Runs}, nil, false, true)
	}
	var all []need
	for _, n := range order {
		all = append(all, *n)
	}
	return all
}

// Limits are what keeps a run from being done at once.
type Limits struct {
	QPS                float64
	Parallel, Starting int
}

// What a cluster needs, where nothing else is known: the scheduler binds so many pods a second
// (its client's default, kubeSchedulerQPS), an exec and a pod's start take so long, and a
// namespace goes in so long.
const (
	bindsASecond = 50
	anExec       = 150 * time.Millisecond
	aStart       = 3 * time.Second
	aNamespace   = 30 * time.Second
)

// Takes estimates the time of all that: the slowest of what limits it, and the clean-up.
func (c Cost) Takes(l Limits) time.Duration {
	seconds := max(
		float64(c.Requests-c.Execs)/l.QPS, // execs do not count against the rate
		float64(c.Execs)*anExec.Seconds()/float64(max(1, l.Parallel)),
		float64(c.Pods)*aStart.Seconds()/float64(max(1, l.Starting)),
		float64(c.Pods)/bindsASecond,
	)
	return time.Duration(seconds*float64(time.Second)) + aNamespace
}

// String is a cost in a few words.
func (c Cost) String() string {
	return fmt.Sprintf("about %d pods and %d requests, %d of them execs", c.Pods, c.Requests, c.Execs)
}

// Minutes rounds up.
func Minutes(d time.Duration) int { return int(math.Ceil(d.Minutes())) }
