package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"time"

	"github.com/gorilla/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/streaming/pkg/httpstream"

	"procns/e2e/internal/pace"

	"procns/e2e/internal/suite"
)

// trouble is what became of a stream that has no answer of the container's.
type trouble int

const (
	none trouble = iota
	// unreached: the request did not get as far as the node's kubelet, so that
	// nothing was run, and asking again repeats nothing.
	unreached
	// cut: the connection broke when the command may have been running.
	cut
	// busy: the runtime did not come to the command in time. Nothing was run, as with
	// unreached; but the way there is whole, so that what it says in the end is an answer.
	busy
)

// The API server and kubelet hand their own troubles on as text.
var (
	// containerd gives a container's shim 2 s to tell its state, before it starts the command.
	busyText      = regexp.MustCompile(`(?i)failed to load task: .*deadline ?exceeded`)
	unreachedText = regexp.MustCompile(`(?i)error dialing backend|no preferred addresses found|` +
		`apiserver is shutting down|server is currently unable to handle the request|service unavailable|too many requests`)
	cutText = regexp.MustCompile(`(?i)error reading from error stream|connection reset by peer|broken pipe|unexpected EOF|` +
		`use of closed network connection|client connection lost|error reading from server|connection refused|no route to host|i/o timeout|` +
		`transport is closing|transport: error while dialing|the client connection is closing|websocket: close`)
)

// statusIn is the error that holds the server's own answer, if one does.
func statusIn(err error) error {
	var refused *httpstream.UpgradeFailureError
	if errors.As(err, &refused) {
		return refused.Cause // which it does not unwrap
	}
	return err
}

// refusalOf tells who refused the request for a stream: an admission policy or a
// webhook can, on pods/exec and pods/attach, or the authorizer.
func refusalOf(err error) suite.Refusal {
	if err == nil {
		return suite.Refusal{}
	}
	err = statusIn(err)
	if answer, ok := suite.AnswerOf(err); ok {
		return answer.Refusal()
	}
	return suite.RefusalIn(err.Error())
}

// lastingRefusal is the refusal as an error, where asking again is of no use.
func lastingRefusal(err error, doing, container string) error {
	refusal := refusalOf(err)
	if !refusal.Lasting() {
		return nil
	}
	return &suite.RefusedError{Doing: doing + " container " + container, Refusal: refusal, Cause: err}
}

// troubleOf tells a broken connection from an answer: that a program is missing,
// or that a container does not run, is an answer.
func troubleOf(err error) trouble {
	var dial *net.OpError
	err = statusIn(err)
	var closed *websocket.CloseError
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case err == nil:
		return none
	case busyText.MatchString(text):
		return busy
	case errors.As(err, &dial) && dial.Op == "dial", unreachedText.MatchString(text):
		return unreached
	case apierrors.IsServiceUnavailable(err), apierrors.IsTooManyRequests(err):
		return unreached
	case errors.As(err, &closed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return cut
	case errors.As(err, new(net.Error)), cutText.MatchString(text):
		return cut
	}
	return none
}

// reconnecting bounds how long a request is repeated that did not arrive, or that nothing
// was done about: an API server that is restarted is back within a minute.
const reconnecting = time.Minute

// persist repeats what failed for a trouble in which that may be done.
func persist(ctx context.Context, once func() (trouble, error), repeats func(trouble) bool) error {
	var deadline time.Time // counted from the first trouble: what was cut may have run for long
	for {
		found, err := once()
		if deadline.IsZero() {
			deadline = time.Now().Add(reconnecting)
		}
		if found == none || !repeats(found) || time.Now().After(deadline) {
			return err
		}
		// The time in which a server that restarts comes nearer to answering.
		if pace.Pause(ctx, time.Second) != nil {
			return err
		}
	}
}

func repeatsNothing(t trouble) bool { return t == unreached || t == busy }

func readsOnly(trouble) bool { return true }
