package conformance

import (
	"sync"

	"procns/e2e/internal/suite"
)

// resultTable hands results over as they arrive.
type resultTable struct {
	mu      sync.Mutex
	arrived map[[2]string]chan suite.Result
}

func newResultTable() *resultTable { return &resultTable{arrived: map[[2]string]chan suite.Result{}} }

func (t *resultTable) place(target, id string) chan suite.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := [2]string{target, id}
	if t.arrived[key] == nil {
		t.arrived[key] = make(chan suite.Result, 1)
	}
	return t.arrived[key]
}

func (t *resultTable) put(r suite.Result) { t.place(r.Target.Name(), r.Case.ID) <- r }

// forget gives up the place of a result that was taken, or that will not come.
func (t *resultTable) forget(target, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.arrived, [2]string{target, id})
}

// take waits for one result; without it when the run ended first.
func (t *resultTable) take(target, id string, ended <-chan struct{}) (suite.Result, bool) {
	place := t.place(target, id)
	defer t.forget(target, id)
	select {
	case r := <-place:
		return r, true
	case <-ended:
	}
	select {
	case r := <-place: // it came with the end
		return r, true
	default:
		return suite.Result{}, false
	}
}
