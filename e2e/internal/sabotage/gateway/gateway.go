// Package gateway is a broken gateway in front of an API server, such as hosted
// distributions have: what it passes on is not what it was given.
package gateway

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
)

// Gateway is what is done to requests and to answers. Each part may be nil.
type Gateway struct {
	// Object edits the JSON object that a request carries.
	Object func(r *http.Request, object map[string]any)
	// Answer edits the body of an answer with success; it returns what is passed on. Sent is
	// the request's body.
	Answer func(r *http.Request, sent, body []byte) []byte
	// Touches tells which answers Answer is called for: all others are streamed.
	Touches func(r *http.Request) bool
	// Refused may answer in the place of the server where that refuses a request as invalid (HTTP 422) or
	// forbidden (403), with what is said there; the code 0 leaves it. Sent is the request's body; stored
	// asks the server for the object that the request is about.
	Refused func(r *http.Request, said string, sent []byte, stored func() ([]byte, error)) (code int, body []byte, err error)
	// Refuse may refuse a request of which the server then hears nothing: it returns why, or "". Send
	// sends a request of the gateway's own.
	Refuse func(r *http.Request, send func(method, path string) error) (why string, err error)
}

// Handler passes requests on to a server, with the client certificate that opens it.
func (g *Gateway) Handler(server *url.URL, with *tls.Config) http.Handler {
	transport := &http.Transport{TLSClientConfig: with, ForceAttemptHTTP2: false}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(server)
			r.Out.Host = server.Host
		},
		Transport:      transport,
		FlushInterval:  -1, // watches and logs
		ModifyResponse: func(answer *http.Response) error { return g.change(answer, transport) },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		why, err := g.refusal(r, server, transport)
		if err == nil && why != "" {
			refuse(w, why)
			return
		}
		var sent []byte
		if err == nil {
			sent, err = g.edit(r)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		if g.Touches != nil && g.Touches(r) || g.Refused != nil && r.Method != http.MethodGet {
			r.Header.Del("Accept-Encoding") // it is to be read
			r = r.WithContext(withValue(r, sent))
		}
		proxy.ServeHTTP(w, r)
	})
}

// change replaces an answer that is to be edited.
func (g *Gateway) change(answer *http.Response, transport http.RoundTripper) error {
	request := answer.Request
	sent, ok := request.Context().Value(touched{}).([]byte)
	switch {
	case ok && g.Answer != nil && answer.StatusCode < http.StatusMultipleChoices:
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return err
		}
		_ = answer.Body.Close()
		replaceBody(answer.Header, &answer.Body, &answer.ContentLength, g.Answer(request, sent, body))
	case ok && g.Refused != nil && (answer.StatusCode == http.StatusUnprocessableEntity || answer.StatusCode == http.StatusForbidden):
		said, err := io.ReadAll(answer.Body)
		if err != nil {
			return err
		}
		_ = answer.Body.Close()
		code, body, err := g.Refused(request, string(said), sent, func() ([]byte, error) { return ask(request, transport, http.MethodGet, request.URL.Path) })
		if err != nil {
			return err
		}
		if code == 0 {
			code, body = answer.StatusCode, said
		}
		answer.StatusCode, answer.Status = code, ""
		replaceBody(answer.Header, &answer.Body, &answer.ContentLength, body)
	}
	return nil
}

func (g *Gateway) refusal(r *http.Request, server *url.URL, transport http.RoundTripper) (string, error) {
	if g.Refuse == nil {
		return "", nil
	}
	return g.Refuse(r, func(method, path string) error {
		to := r.Clone(r.Context())
		to.URL = server
		_, err := ask(to, transport, method, path)
		return err
	})
}

// ask sends a request of the gateway's own to the server that another went to.
func ask(beside *http.Request, transport http.RoundTripper, method, path string) ([]byte, error) {
	to := url.URL{Scheme: beside.URL.Scheme, Host: beside.URL.Host, Path: path}
	request, err := http.NewRequestWithContext(beside.Context(), method, to.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %s", method, path, answer.Status)
	}
	return body, err
}

// refuse answers as kubelet does when a runtime cannot do what it was asked for.
func refuse(w http.ResponseWriter, why string) {
	status := map[string]any{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"reason": "InternalError", "message": why, "code": http.StatusInternalServerError}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	_ = json.NewEncoder(w).Encode(status)
}

// edit changes the object of a request, and returns the body that is sent.
func (g *Gateway) edit(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Header.Get("Upgrade") != "" {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close()
	if g.Object != nil && r.Header.Get("Content-Type") == protobuf {
		if text := inJSON(body); text != nil {
			body = text
			r.Header.Set("Content-Type", "application/json")
		}
	}
	var object map[string]any
	if g.Object != nil && strings.Contains(r.Header.Get("Content-Type"), "json") && json.Unmarshal(body, &object) == nil && object != nil {
		g.Object(r, object)
		if body, err = json.Marshal(object); err != nil {
			return nil, err
		}
	}
	replaceBody(r.Header, &r.Body, &r.ContentLength, body)
	return body, nil
}

func replaceBody(header http.Header, body *io.ReadCloser, length *int64, content []byte) {
	*body, *length = io.NopCloser(bytes.NewReader(content)), int64(len(content))
	header.Set("Content-Length", strconv.Itoa(len(content)))
}
