package cluster

import (
	"context"
	"errors"
	"net"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/suite"
)

// How long a request is repeated. client-go itself obeys the answers that say when to come again
// (429 and 5xx with Retry-After: up to ten times, rest/with_retry.go).
const (
	// serverReturns is for requests and execs that nobody has acted upon: an API server that is
	// restarted is back within a minute.
	serverReturns = time.Minute
	// answerComes is for requests that may have been carried out: each try may take requestWithin.
	answerComes = 2 * requestWithin
)

// untilAnswered sends a request that has no answer again, unless that would be of no use.
func untilAnswered(ctx context.Context, send func() (final bool, err error)) error {
	return pace.Retry(ctx, answerComes, func() (bool, error) {
		final, err := send()
		return !final && unanswered(err), err
	})
}

// untilTaken sends a request again that may be repeated, while the server cannot carry it out: it has
// troubles of its own, or a webhook that it has to ask does not answer.
func untilTaken(ctx context.Context, send func() error) error {
	return pace.Retry(ctx, serverReturns, func() (bool, error) {
		err := send()
		answer, answered := suite.AnswerOf(err)
		refusal := answer.Refusal()
		return unanswered(err) && !neverSent(err) || answered && (refusal.Down || refusal.By == suite.ByTrouble), err
	})
}

// unanswered tells that a request may have been carried out: no answer came, or one that says that
// the server gave up on it, or that it is too busy, after all that client-go has tried.
func unanswered(err error) bool {
	var answer apierrors.APIStatus
	return err != nil && !errors.As(err, &answer) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err)
}

// neverSent tells that nobody can have acted upon a request: there was no connection to send
// it on.
func neverSent(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial"
}
