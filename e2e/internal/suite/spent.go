package suite

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Spent counts a run's execs by what they were for, and by the pod that they were for. One that
// did not reach its container and was sent again counts once. Its methods may be called on nil, which
// counts nothing.
type Spent struct {
	mu    sync.Mutex
	by    map[string]int            // by purpose
	stage map[string]map[string]int // by the stage's name on all targets, and by purpose
	looks []time.Duration           // how long each took
}

// What execs are for, besides the looks before and after an act ("before", "after", "between").
const (
	forLooks     = "looks of acts"
	forCommands  = "commands of acts"
	forUnread    = "unread sessions"
	forTerminals = "terminals"
	forOtherPods = "other pods"
)

func (s *Spent) add(stage, purpose string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by, s.stage = map[string]int{}, map[string]map[string]int{}
	}
	if s.stage[stage] == nil {
		s.stage[stage] = map[string]int{}
	}
	s.by[purpose]++
	s.stage[stage][purpose]++
}

func (s *Spent) looked(took time.Duration) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks = append(s.looks, took)
}

// LooksTook says how soon the looks were answered: half of them, nine of ten, and all; "" where there were none.
func (s *Spent) LooksTook() string {
	if s == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.looks) == 0 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(s.looks))
	part := func(of float64) time.Duration {
		return sorted[int(of*float64(len(sorted)-1))].Round(100 * time.Millisecond)
	}
	return fmt.Sprintf("%d looks: half of them were answered within %s, nine of ten within %s, all within %s", len(sorted), part(0.5), part(0.9), part(1))
}

// ByPurpose is how many execs there were for each purpose.
func (s *Spent) ByPurpose() map[string]int {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.by)
}

// Lines has one line for each pod, that with the most execs first: their number on all targets, and
// what they were for.
func (s *Spent) Lines() []string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	total := func(stage string) (n int) {
		for _, count := range s.stage[stage] {
			n += count
		}
		return n
	}
	stages := slices.SortedFunc(maps.Keys(s.stage), func(a, b string) int {
		return cmp.Or(cmp.Compare(total(b), total(a)), cmp.Compare(a, b))
	})
	var lines []string
	for _, stage := range stages {
		line := fmt.Sprintf("%d execs for %s:", total(stage), stage)
		for _, purpose := range slices.Sorted(maps.Keys(s.stage[stage])) {
			line += fmt.Sprintf(" %s %d", purpose, s.stage[stage][purpose])
		}
		lines = append(lines, line)
	}
	return lines
}

// spend counts one exec of the stage's.
func (s *stage) spend(purpose string) { s.runner.Spent.add(s.key.folder(), purpose) }
