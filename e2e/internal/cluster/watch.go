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
func watchUntil(ctx context.Context, open func(context.Context) (io.ReadCloser, error), until func([]byte) bool) ([]byte, error) {
	var pauses pace.Backoff
	for {
		stream, err := open(ctx)
		var status apierrors.APIStatus
		switch {
		case ctx.Err() != nil:
			if stream != nil {
				_ = stream.Close()
			}
			return nil, nil
		case errors.As(err, &status):
			return nil, err
		case err == nil:
			event := firstEvent(stream, until)
			_ = stream.Close()
			if event != nil {
				return event, nil
			}
		}
		if pace.Pause(ctx, pauses.Next()) != nil {
			return nil, nil
		}
	}
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
