package sonobuoy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Update is what the worker hears of a plugin's progress. What it says replaces what was
// said before. Name, node and time are the worker's to add.
type Update struct {
	Message   string   `json:"msg"`
	Total     int64    `json:"total"`
	Completed int64    `json:"completed"`
	Failures  []string `json:"failures,omitempty"`
}

// mostFailures is how many failures are named: Sonobuoy keeps the progress in an annotation,
// whose size is limited.
const mostFailures = 20

// Progress tells the worker how far a run is. While one message is under way, what happens
// meanwhile is told together, in the next one.
type Progress struct {
	url    string
	client *http.Client
	log    func(format string, args ...any)

	mu       sync.Mutex
	state    Update
	failed   int
	closed   bool
	pending  chan struct{} // holds one: there is something to tell
	finished chan struct{}
}

// TellProgress begins to tell. Without a port nobody listens, and nil is returned, which
// tells nobody. log is told of the first failure: progress is never worth a run.
func TellProgress(port string, log func(format string, args ...any)) *Progress {
	if port == "" {
		return nil
	}
	const longest = 5 * time.Second
	p := &Progress{
		url: "http://localhost:" + port + "/progress", client: &http.Client{Timeout: longest}, log: log,
		pending: make(chan struct{}, 1), finished: make(chan struct{}),
	}
	go p.run()
	return p
}

// Begin says how many results there will be.
func (p *Progress) Begin(total int, message string) {
	p.change(func(u *Update) { u.Total, u.Message = int64(total), message })
}

// Ended says that one result is there. failure names it where it failed, or is empty.
func (p *Progress) Ended(message, failure string) {
	p.change(func(u *Update) {
		u.Completed++
		u.Message = message
		if failure == "" {
			return
		}
		if p.failed++; p.failed <= mostFailures {
			u.Failures = append(u.Failures, failure)
		}
	})
}

func (p *Progress) change(do func(*Update)) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	do(&p.state)
	select {
	case p.pending <- struct{}{}:
	default: // what is to be told already takes this in
	}
}

// Close says the last word, and waits until it is said, for as long as one message takes.
func (p *Progress) Close(message string) {
	if p == nil {
		return
	}
	p.change(func(u *Update) { u.Message = message })
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.pending)
	}
	p.mu.Unlock()
	<-p.finished
}

func (p *Progress) run() {
	defer close(p.finished)
	broken := false
	for range p.pending {
		if err := p.post(p.now()); err != nil && !broken {
			broken = true
			p.log("Sonobuoy's worker does not take progress: %v", err)
		}
	}
}

func (p *Progress) now() Update {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.state
	u.Failures = slices.Clone(u.Failures)
	if more := p.failed - len(u.Failures); more > 0 {
		u.Failures = append(u.Failures, fmt.Sprintf("and %d more", more))
	}
	return u
}

func (p *Progress) post(u Update) error {
	body, err := json.Marshal(u)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16))
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}
