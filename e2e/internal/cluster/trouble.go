package cluster

import (
	"errors"
	"io"
	"net"
	"regexp"

	"github.com/gorilla/websocket"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/streaming/pkg/httpstream"

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

// retried tells whether a stream that ended is to be opened again, and why not.
func retried(err error, doing, container string) (again bool, why error) {
	if refused := lastingRefusal(err, doing, container); refused != nil {
		return false, refused
	}
	return repeatsNothing(troubleOf(err)), err
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
	err = statusIn(err)
	if err == nil {
		return none
	}
	text := err.Error()
	switch {
	case busyText.MatchString(text):
		return busy
	case neverSent(err), unreachedText.MatchString(text), apierrors.IsServiceUnavailable(err), apierrors.IsTooManyRequests(err):
		return unreached
	case errors.As(err, new(*websocket.CloseError)), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.As(err, new(net.Error)), cutText.MatchString(text):
		return cut
	}
	return none
}

// What may be sent again: a command that may have been run is not, unless it only reads.
func repeatsNothing(t trouble) bool { return t == unreached || t == busy }

func readsOnly(t trouble) bool { return t != none }
