package cluster

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/streaming/pkg/httpstream"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/preflight"
)

// Counts are the run's costs, as the client's transport saw them, and what went
// wrong with it.
type Counts struct {
	Requests, Execs, Pods atomic.Int64
	// Patient says that the API server is known to be there: while it cannot be
	// reached, it is waited for. Before, that is an answer to the user.
	Patient atomic.Bool
	// uses are the permissions that requests needed: preflight.Use.
	uses sync.Map

	mu        sync.Mutex
	troubled  time.Time
	troubleIs string
}

// Uses are the permissions that the requests so far needed.
func (c *Counts) Uses() []preflight.Use {
	var all []preflight.Use
	c.uses.Range(func(use, _ any) bool {
		if u, ok := use.(preflight.Use); ok {
			all = append(all, u)
		}
		return true
	})
	return all
}

// noteTrouble keeps the last trouble with the connection.
func (c *Counts) noteTrouble(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.troubled, c.troubleIs = time.Now(), what
}

// troubleSince says what was wrong with the connection since then, or "".
func (c *Counts) troubleSince(then time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.troubleIs == "" || c.troubled.Before(then) {
		return ""
	}
	return fmt.Sprintf("the connection broke at %s: %s", c.troubled.UTC().Format(time.TimeOnly), c.troubleIs)
}

// countingTransport counts requests, and waits for a server that is being
// restarted: a request that could not be sent is sent later.
type countingTransport struct {
	next   http.RoundTripper
	counts *Counts
}

func (c countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.counts.Requests.Add(1)
	if use, ok := preflight.UseOf(r); ok {
		c.counts.uses.Store(use, true)
	}
	var response *http.Response
	err := pace.Retry(r.Context(), serverReturns, func() (bool, error) {
		closeBody(response)
		attempt, err := renewed(r)
		if err != nil {
			return false, err
		}
		attempt, done := bounded(attempt, requestWithin)
		response, err = done(c.next.RoundTrip(attempt))
		// A refusal to stream, such as "container not found", is an answer.
		if err != nil && !httpstream.IsUpgradeFailure(err) && r.Context().Err() == nil && c.counts.Patient.Load() {
			c.counts.noteTrouble(err.Error())
		}
		return c.mayRepeat(r, response, err), err
	})
	if err != nil {
		closeBody(response)
		return nil, err
	}
	return response, nil
}

// closeBody lets go of a response that nobody reads, if there is one.
func closeBody(response *http.Response) {
	if response != nil {
		_ = response.Body.Close()
	}
}

// renewed is the request once more: transports change what they are given, and
// read its body.
func renewed(r *http.Request) (*http.Request, error) {
	again := r.Clone(r.Context())
	if r.GetBody == nil {
		return again, nil
	}
	body, err := r.GetBody()
	again.Body = body
	return again, err
}

// freshServer is the time in which an API server that has just started may refuse
// what it allows: it has not read all of its RBAC yet.
const freshServer = 30 * time.Second

// mayRepeat tells that nobody can have acted upon a request, and that the reason
// passes.
func (c countingTransport) mayRepeat(r *http.Request, response *http.Response, err error) bool {
	if !c.counts.Patient.Load() || r.Context().Err() != nil || r.Body != nil && r.GetBody == nil {
		return false
	}
	if err != nil {
		return neverSent(err)
	}
	return response.StatusCode == http.StatusForbidden && c.counts.troubleSince(time.Now().Add(-freshServer)) != ""
}
