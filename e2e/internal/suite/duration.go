package suite

import "time"

// A case's own time is that of its pods: from a pod's creation until the last look
// into it, without the time in which it waited for others (for a place to start or
// to act in, for a second pod, for a control to show its effect). Cases that share a
// pod share its time evenly. So the times of all cases add up to what the pods of a
// run took, which is at most the run's time by the number of pods at one time.

// waitForOthers waits, and keeps that out of the stage's own time.
func (s *stage) waitForOthers(wait func()) {
	began := time.Now()
	wait()
	s.waited.Add(int64(time.Since(began)))
}

// ownTime is what the stage itself took until now.
func (s *stage) ownTime() time.Duration {
	return max(0, time.Since(s.began)-time.Duration(s.waited.Load()))
}

// shareTime gives each result its case's own time. The plan's stages are done.
func (p plan) shareTime(results []Result) {
	sharers := map[*stage]int{}
	of := func(r Result) []*stage {
		if _, ok := p.skipped[r.Case.ID]; ok {
			return nil // it was not run
		}
		return stagesOf(r.Case, p.stages)
	}
	for _, r := range results {
		for _, s := range of(r) {
			sharers[s]++
		}
	}
	for i := range results {
		for _, s := range of(results[i]) {
			results[i].Duration += s.own / time.Duration(sharers[s])
		}
	}
}
