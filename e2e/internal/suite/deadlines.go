package suite

import "time"

// Deadlines are how long each kind of request may take until its answer is given up.
// The time counts from when the request is sent: neither the wait for -qps nor that
// for a server that restarts is part of it.
type Deadlines struct {
	// Exec is one command in a container, and one observation. An act whose commands
	// take longer says so (Act.ExecWithin).
	Exec time.Duration
	// Conversation is one attached terminal, from its opening to its end.
	Conversation time.Duration
	// NodeCommand is one command on a node of the suite's own.
	NodeCommand time.Duration
}

// The deadlines of a run whose cases may wait for long. An exec on a node at work
// takes up to some seconds.
const (
	longestExec = time.Minute
	// A view grows with what runs there: a few milliseconds for each of what can be
	// thousands of processes, and more where the node is at work.
	longestLookAtMany  = 5 * time.Minute
	longestNodeCommand = 2 * time.Minute
	// shortLook is how long a look into a container may take on a target on which lostInARow looks, one
	// after the other, had no answer in their time: more than an exec takes where kubelet answers at all.
	shortLook  = 10 * time.Second
	lostInARow = 2
)

// deadlines are those of the run: no single request waits longer than a case may
// (-case-timeout).
func (r *Runner) deadlines() Deadlines {
	return Deadlines{
		Exec:         min(longestExec, r.Timeout),
		Conversation: r.Timeout,
		NodeCommand:  min(longestNodeCommand, r.Timeout),
	}
}

// execWithin is the deadline of an exec in one of the stage's pods: on a busy node, as
// with all that is waited for, it is a longer one; and so it is where an observation has
// many processes to go through: in the node's PID namespace, and where the act leaves them.
func (s *stage) execWithin() time.Duration {
	within := s.runner.deadlines().Exec
	if s.placed.Pod != nil && s.placed.Pod.Spec.HostPID || s.key.act != nil && s.key.act.Many {
		within = min(longestLookAtMany, s.runner.Timeout)
	}
	return s.patience(within)
}

// firstLookWithin is the deadline of a look into a container before anything is done in its pod. Without an answer
// such a pod's cases are inconclusive, however long was waited for it, and nothing else: on a target that does not
// answer, the later ones wait for a short time. One lost answer shortens nothing, and an answer ends it.
func (s *stage) firstLookWithin() time.Duration {
	within := s.execWithin()
	if s.health.silent() {
		within = min(within, s.patience(shortLook))
	}
	return within
}

// actsExecWithin is that of the act's own commands.
func (s *stage) actsExecWithin() time.Duration {
	within := s.execWithin()
	if s.key.act != nil {
		within = max(within, s.key.act.ExecWithin)
	}
	return within
}
