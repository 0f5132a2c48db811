package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"procns/e2e/internal/pace"
)

// watchUntil reads a watch's events until one is the one that is waited for, and returns
// that; none when ctx ends before. A watch that the server closes, as it may at any time,
// is opened again, and begins with what there is then. A refusal is an error.
func watchUntil(ctx context.Context, open func(context.Context) (io.ReadCloser, error), until func([]byte) bool) (event []byte, err error) {
	err = pace.Retry(ctx, pace.Forever, func() (bool, error) {
		stream, err := open(ctx)
		if err == nil {
			event = firstEvent(stream, until)
			_ = stream.Close()
		}
		var status apierrors.APIStatus
		return event == nil && !errors.As(err, &status), err
	})
	if ctx.Err() != nil {
		return event, nil
	}
	return event, err
}

// firstEvent is the first that until accepts; nil when the stream ends before.
func firstEvent(stream io.Reader, until func([]byte) bool) []byte {
	events := json.NewDecoder(stream)
	for {
		var event json.RawMessage
		if events.Decode(&event) != nil {
			return nil
		}
		if until(event) {
			return event
		}
	}
}
