// Package gateway is a broken gateway in front of an API server, such as hosted
// distributions have: what it passes on is not what it was given.
package gateway

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
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
}

// Handler passes requests on to a server, with the client certificate that opens it.
func (g *Gateway) Handler(server *url.URL, with *tls.Config) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(server)
			r.Out.Host = server.Host
		},
		Transport:     &http.Transport{TLSClientConfig: with, ForceAttemptHTTP2: false},
		FlushInterval: -1, // watches and logs
	}
	if g.Answer != nil {
		proxy.ModifyResponse = func(answer *http.Response) error {
			sent, ok := answer.Request.Context().Value(touched{}).([]byte)
			if !ok || answer.StatusCode >= http.StatusMultipleChoices {
				return nil
			}
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				return err
			}
			_ = answer.Body.Close()
			replaceBody(answer.Header, &answer.Body, &answer.ContentLength, g.Answer(answer.Request, sent, body))
			return nil
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := g.edit(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		if g.Touches != nil && g.Touches(r) {
			r.Header.Del("Accept-Encoding") // it is to be read
			r = r.WithContext(withValue(r, sent))
		}
		proxy.ServeHTTP(w, r)
	})
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
