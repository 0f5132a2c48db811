package main

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// login is who may pull.
type login struct{ name, password string }

func (l *login) set(text string) error {
	var ok bool
	if l.name, l.password, ok = strings.Cut(text, ":"); !ok || l.name == "" || l.password == "" {
		return errors.New("expected NAME:PASSWORD")
	}
	return nil
}

// behaviour is how a registry answers.
type behaviour struct {
	Name string
	// on makes the handler, from one that answers everybody, and a clock.
	on func(open http.Handler, now func() time.Time) http.Handler
}

func parseBehaviour(text string, who login) (behaviour, error) {
	b := behaviour{Name: text}
	kind, value, valued := strings.Cut(text, "=")
	switch {
	case text == "open":
		b.on = func(open http.Handler, _ func() time.Time) http.Handler { return open }
	case text == "password" && who.name == "":
		return b, errors.New("password needs -user before it")
	case text == "password":
		b.on = func(open http.Handler, _ func() time.Time) http.Handler { return guarded(open, who) }
	case text == "stall":
		b.on = func(http.Handler, func() time.Time) http.Handler { return http.HandlerFunc(stall) }
	case kind == "status" && valued:
		status, err := strconv.Atoi(value)
		if err != nil || status < 400 || status > 599 {
			return b, fmt.Errorf("%s: expected a status from 400 to 599", text)
		}
		b.on = func(http.Handler, func() time.Time) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { refuse(w, status) })
		}
	case kind == "throttle" && valued:
		lasts, err := time.ParseDuration(value)
		if err != nil || lasts <= 0 {
			return b, fmt.Errorf("%s: expected a duration such as 45s", text)
		}
		b.on = func(open http.Handler, now func() time.Time) http.Handler { return throttled(open, lasts, now) }
	default:
		return b, fmt.Errorf("there is no behaviour %q: expected open, password, status=403, throttle=45s or stall", text)
	}
	return b, nil
}

// codes are those of https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes.
var codes = map[int]string{
	http.StatusUnauthorized: "UNAUTHORIZED", http.StatusForbidden: "DENIED", http.StatusNotFound: "NAME_UNKNOWN", http.StatusTooManyRequests: "TOOMANYREQUESTS",
}

// refuse answers with a status, as the specification has it.
func refuse(w http.ResponseWriter, status int) {
	code := codes[status]
	if code == "" {
		code = "UNKNOWN"
	}
	w.Header().Set("Content-Type", "application/json")
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "60")
	}
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, strings.ToLower(http.StatusText(status)))
}

// guarded asks for a name and a password.
func guarded(open http.Handler, who login) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, ok := r.BasicAuth()
		if !ok || subtle.ConstantTimeCompare([]byte(name+":"+password), []byte(who.name+":"+who.password)) != 1 {
			refuse(w, http.StatusUnauthorized)
			return
		}
		open.ServeHTTP(w, r)
	})
}

// throttled refuses for a while, from the first request on.
func throttled(open http.Handler, lasts time.Duration, now func() time.Time) http.Handler {
	var mu sync.Mutex
	var first time.Time
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if first.IsZero() {
			first = now()
		}
		over := now().Sub(first) >= lasts
		mu.Unlock()
		if !over {
			refuse(w, http.StatusTooManyRequests)
			return
		}
		open.ServeHTTP(w, r)
	})
}

// stall answers nothing until whoever asks gives up.
func stall(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
