package cluster

import (
	"context"
	"io"
	"sync"
)

// keyboard keeps the keys that are typed, so that each connection can be given them
// from the first one on: one that reached nobody may have taken some.
type keyboard struct {
	mu      sync.Mutex
	typed   []byte
	closed  bool
	changed chan struct{} // closed and replaced at each change
}

func newKeyboard() *keyboard { return &keyboard{changed: make(chan struct{})} }

// Write implements io.Writer. What is typed after the keyboard was closed is refused.
func (k *keyboard) Write(keys []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return 0, io.ErrClosedPipe
	}
	k.typed = append(k.typed, keys...)
	k.announce()
	return len(keys), nil
}

func (k *keyboard) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	k.announce()
}

func (k *keyboard) announce() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// reader reads all that was typed and what will be, until ctx ends or the keyboard is closed.
func (k *keyboard) reader(ctx context.Context) io.Reader { return &keyReader{ctx: ctx, keys: k} }

type keyReader struct {
	ctx  context.Context
	keys *keyboard
	read int
}

// Read implements io.Reader.
func (r *keyReader) Read(p []byte) (int, error) {
	for {
		r.keys.mu.Lock()
		n := copy(p, r.keys.typed[r.read:])
		closed, changed := r.keys.closed, r.keys.changed
		r.keys.mu.Unlock()
		if n > 0 || len(p) == 0 {
			r.read += n
			return n, nil
		}
		if closed {
			return 0, io.EOF
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			return 0, io.EOF
		}
	}
}
