package conformance

import (
	"context"
	"io"
	"log/slog"
	"strings"
)

// ClientLog is where client-go logs to. What it says of connections that were closed
// here, because nobody wants their end any more, is nothing to know: each of these is
// an exec that was given up, or whose answer was complete, and the result says which.
func ClientLog(w io.Writer) *slog.Logger { return slog.New(closedHere{slog.NewTextHandler(w, nil)}) }

// closedHere drops the records of connections that this side closed.
type closedHere struct{ slog.Handler }

// Handle implements slog.Handler.
func (h closedHere) Handle(ctx context.Context, r slog.Record) error {
	// net.ErrClosed, which is wrapped without %w on its way.
	const closed = "use of closed network connection"
	noise := strings.Contains(r.Message, closed)
	r.Attrs(func(a slog.Attr) bool {
		noise = noise || strings.HasSuffix(a.Value.String(), closed)
		return !noise
	})
	if noise {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h closedHere) WithAttrs(attrs []slog.Attr) slog.Handler {
	return closedHere{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h closedHere) WithGroup(name string) slog.Handler { return closedHere{h.Handler.WithGroup(name)} }
