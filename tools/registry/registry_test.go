package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// someLayout holds an image and an index, and returns their digests.
func someLayout(t *testing.T) (folder string, digests map[string]v1.Hash) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "layout")
	to, err := layout.Write(folder, empty.Index)
	check(t, err)
	named := func(as string) layout.Option {
		return layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": as})
	}
	image, err := random.Image(64, 2)
	check(t, err)
	check(t, to.AppendImage(image, named("localhost/procns/nginx:1")))
	index, err := random.Index(64, 1, 2)
	check(t, err)
	check(t, to.AppendIndex(index, named("docker.io/library/busybox:1.37.0")))
	digests = map[string]v1.Hash{}
	digests["library/nginx"], err = image.Digest()
	check(t, err)
	digests["mirrored/lib/busybox"], err = index.Digest()
	check(t, err)
	return folder, digests
}

// started runs the command, and returns the lines that it tells, split.
func started(t *testing.T, arguments ...string) [][]string {
	t.Helper()
	a, err := parse(arguments)
	check(t, err)
	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, a, writer, io.Discard)
		_ = writer.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		go func() { _, _ = io.Copy(io.Discard, reader) }()
		check(t, <-ended)
	})
	var lines [][]string
	for range len(a.Pushes) + len(a.Behaviours) {
		var one [3]string
		if _, err := fmt.Fscanln(reader, &one[0], &one[1], &one[2]); err != nil {
			t.Fatalf("after %v: %v", lines, err)
		}
		lines = append(lines, one[:])
	}
	return lines
}

// TestPull: what was pushed is pulled by its digest, from each address that lets one.
func TestPull(t *testing.T) {
	folder, digests := someLayout(t)
	lines := started(t, "-layout", folder, "-push", "localhost/procns/nginx:1=library/nginx:1", "-push", "docker.io/library/busybox:1.37.0=mirrored/lib/busybox:1.37.0",
		"-user", "somebody:secret", "open", "password")
	for _, line := range lines[:2] {
		repository, _, _ := strings.Cut(line[1], ":")
		if line[0] != "image" || line[2] != digests[repository].String() {
			t.Errorf("told %q, expected the digests %v", line, digests)
		}
	}
	for _, row := range []struct {
		at   []string
		with authn.Authenticator
		ok   bool
	}{
		{lines[2], authn.Anonymous, true},
		{lines[3], authn.Anonymous, false},
		{lines[3], &authn.Basic{Username: "somebody", Password: "other"}, false},
		{lines[3], &authn.Basic{Username: "somebody", Password: "secret"}, true},
	} {
		for repository, digest := range digests {
			reference, err := name.NewDigest(row.at[2]+"/"+repository+"@"+digest.String(), name.Insecure)
			check(t, err)
			found, err := remote.Get(reference, remote.WithAuth(row.with))
			if (err == nil) != row.ok {
				t.Errorf("%s, with %+v: %v", row.at[1], row.with, err)
			}
			if err != nil {
				continue
			}
			if found.MediaType.IsIndex() {
				index, err := found.ImageIndex()
				check(t, err)
				check(t, validate.Index(index))
				continue
			}
			image, err := found.Image()
			check(t, err)
			check(t, validate.Image(image))
		}
	}
}

// TestBehaviours: what a client is answered.
func TestBehaviours(t *testing.T) {
	open := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	now := time.Unix(0, 0)
	clock := func() time.Time { return now }
	ask := func(t *testing.T, handler http.Handler, with func(*http.Request)) *http.Response {
		t.Helper()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/library/nginx/manifests/1", nil)
		if with != nil {
			with(request)
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		return answer.Result()
	}
	made := func(t *testing.T, text string) http.Handler {
		t.Helper()
		b, err := parseBehaviour(text, login{"somebody", "secret"})
		check(t, err)
		return b.on(open, clock)
	}
	for text, want := range map[string]struct {
		status       int
		header, says string
	}{
		"open":       {http.StatusOK, "", ""},
		"password":   {http.StatusUnauthorized, "WWW-Authenticate", "UNAUTHORIZED"},
		"status=401": {http.StatusUnauthorized, "WWW-Authenticate", "UNAUTHORIZED"},
		"status=403": {http.StatusForbidden, "", "DENIED"},
		"status=429": {http.StatusTooManyRequests, "Retry-After", "TOOMANYREQUESTS"},
		"status=503": {http.StatusServiceUnavailable, "", "UNKNOWN"},
	} {
		answer := ask(t, made(t, text), nil)
		said, err := io.ReadAll(answer.Body)
		check(t, err)
		if answer.StatusCode != want.status || want.header != "" && answer.Header.Get(want.header) == "" || !strings.Contains(string(said), want.says) {
			t.Errorf("%s: %d %v %s", text, answer.StatusCode, answer.Header, said)
		}
	}
	known := func(r *http.Request) { r.SetBasicAuth("somebody", "secret") }
	if answer := ask(t, made(t, "password"), known); answer.StatusCode != http.StatusOK {
		t.Errorf("who knows the password: %d", answer.StatusCode)
	}

	throttling := made(t, "throttle=45s")
	for _, at := range []struct{ seconds, status int64 }{{100, 429}, {144, 429}, {145, 200}, {500, 200}} {
		now = time.Unix(at.seconds, 0)
		if answer := ask(t, throttling, nil); int64(answer.StatusCode) != at.status {
			t.Errorf("throttled, at %d s: %d", at.seconds, answer.StatusCode)
		}
	}
}

// TestStall: nothing is answered, and the end of the command does not wait for it.
func TestStall(t *testing.T) {
	lines := started(t, "stall")
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+lines[0][2]+"/v2/", nil)
	check(t, err)
	answer, err := http.DefaultClient.Do(request)
	if err == nil {
		_ = answer.Body.Close()
		t.Fatalf("it answers %s", answer.Status)
	}
	if ctx.Err() == nil {
		t.Errorf("it breaks off: %v", err)
	}
}

func TestRefused(t *testing.T) {
	folder, _ := someLayout(t)
	for arguments, says := range map[string]string{
		"":                    "name a behaviour",
		"closed":              `there is no behaviour "closed"`,
		"status=200":          "expected a status from 400 to 599",
		"status=":             "expected a status",
		"throttle=soon":       "expected a duration",
		"throttle=0s":         "expected a duration",
		"password":            "password needs -user",
		"-user somebody open": "expected NAME:PASSWORD",
		"-push a=bb:1 open":   "-push needs -layout",
		"-push a open":        "expected NAME=REPOSITORY:TAG",
		"-push a=BB:1 open":   "repository can only contain",
		"-push a=bb open":     "b",
		"-layout /nonexistent -push localhost/procns/nginx:1=aa:1 open": "-layout: ",
		"-layout " + folder + " -push other:1=aa:1 open":                "-push other:1=aa:1: the layout has no image of that name",
		"-host 192.0.2.1 open":                                          "192.0.2.1",
	} {
		a, err := parse(strings.Fields(arguments))
		if err == nil {
			err = run(t.Context(), a, io.Discard, io.Discard)
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, expected %q", arguments, err, says)
		}
	}
}
