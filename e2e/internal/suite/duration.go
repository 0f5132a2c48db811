package suite

import "time"

// A pod's own time is that from its creation until the last look into it, without the
// time in which it waited for others (for a place to start or to act in, for a second
// pod, for a control to show its effect). Cases that share a pod share its time evenly,
// and a case's own time is that of the pod which it had most of: its pods run side by
// side. So no case takes longer than the run, and all of them together take at most the
// run's time by the number of pods at one time.

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
		var carriers []*stage
		for _, s := range stagesOf(r.Case, p.stages) {
			carriers = append(carriers, s.carrier())
		}
		return carriers
	}
	for _, r := range results {
		for _, s := range of(r) {
			sharers[s]++
		}
	}
	for i := range results {
		for _, s := range of(results[i]) {
			results[i].Duration = max(results[i].Duration, s.own/time.Duration(sharers[s]))
		}
	}
}
