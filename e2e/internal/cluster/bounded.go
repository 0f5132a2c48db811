package cluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// requestWithin bounds one request and the reading of its answer. The API server
// itself ends what takes longer than a minute (its --request-timeout), so that one
// which says nothing for longer does not answer any more.
const requestWithin = 75 * time.Second

// bounded gives a request its time. What streams on purpose has none here: each
// watch, followed log, exec and attachment is bounded by who opened it. done is to be
// called with the answer, and returns it.
func bounded(r *http.Request, within time.Duration) (_ *http.Request, done func(*http.Response, error) (*http.Response, error)) {
	if streams(r) {
		return r, func(response *http.Response, err error) (*http.Response, error) { return response, err }
	}
	late := fmt.Errorf("the API server did not answer %s %s within %s", r.Method, r.URL.Path, within)
	ctx, cancel := context.WithTimeoutCause(r.Context(), within, late)
	said := func(err error) error {
		if err != nil && err != io.EOF && context.Cause(ctx) == late {
			return late
		}
		return err
	}
	return r.WithContext(ctx), func(response *http.Response, err error) (*http.Response, error) {
		if err != nil {
			defer cancel()
			return response, said(err)
		}
		response.Body = &boundedBody{ReadCloser: response.Body, said: said, cancel: cancel}
		return response, nil
	}
}

// streams tells whether the answer to a request is to go on until somebody ends it.
func streams(r *http.Request) bool {
	query := r.URL.Query()
	for _, name := range []string{"watch", "follow"} {
		if value := query.Get(name); value == "1" || value == "true" {
			return true
		}
	}
	for _, subresource := range []string{"/exec", "/attach"} {
		if strings.HasSuffix(r.URL.Path, subresource) {
			return true
		}
	}
	return false
}

// boundedBody ends the request's time when it is closed.
type boundedBody struct {
	io.ReadCloser
	said   func(error) error
	cancel context.CancelFunc
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	return n, b.said(err)
}

func (b *boundedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
