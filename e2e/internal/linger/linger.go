// Package linger keeps a container alive for those who fetch a run's results from it, and
// is their side as well. Both meet at a socket in the report folder: whoever fetches waits
// there for the end of the run, and says when it has everything. Nobody asks in a loop.
package linger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What is said on the socket, each in a line: by the run how far it is, and in the end
// its exit code; by who fetches, that it has everything.
const (
	saysSo    = "so far "
	saysEnded = "ended "
	hasAll    = "fetched"
)

// Socket is where the two sides meet.
func Socket(folder string) string { return filepath.Join(folder, ".procns.sock") }

// Run is the side of the run.
type Run struct {
	listener net.Listener
	fetched  chan struct{} // closed when somebody has everything
	once     sync.Once

	mu       sync.Mutex
	said     string
	ended    bool
	visitors int
	changed  chan struct{} // closed and made anew with each change
	left     chan struct{} // the same, when a visitor leaves
}

// Listen opens the socket.
func Listen(folder string) (*Run, error) {
	socket := Socket(folder)
	// Of a run that was killed; one that lives answers.
	if c, err := net.Dial("unix", socket); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("another run works in %s", folder)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	r := &Run{listener: listener, fetched: make(chan struct{}), changed: make(chan struct{}), left: make(chan struct{})}
	go r.serve()
	return r, nil
}

func (r *Run) serve() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		go r.tell(c)
	}
}

// tell says to one who waits how far the run is, until it has ended.
func (r *Run) tell(c net.Conn) {
	defer c.Close()
	r.visit(1)
	defer r.visit(-1)
	for {
		r.mu.Lock()
		said, ended, changed := r.said, r.ended, r.changed
		r.mu.Unlock()
		if said != "" {
			if _, err := io.WriteString(c, said+"\n"); err != nil {
				return // gone
			}
		}
		if ended {
			break
		}
		<-changed
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err == nil && strings.TrimSpace(line) == hasAll {
		r.once.Do(func() { close(r.fetched) })
	}
}

func (r *Run) visit(more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.visitors += more
	if more < 0 {
		close(r.left)
		r.left = make(chan struct{})
	}
}

// Visited tells whether somebody is there, to wait or to fetch.
func (r *Run) Visited() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.visitors > 0
}

func (r *Run) say(text string, ended bool) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.said, r.ended = text, ended
	close(r.changed)
	r.changed = make(chan struct{})
}

// SoFar says how far the run is, in one line. Of a Run that is nil, nobody hears.
func (r *Run) SoFar(text string) { r.say(saysSo+strings.ReplaceAll(text, "\n", " "), false) }

// Ended says that the reports are written, and the exit code.
func (r *Run) Ended(exitCode int) { r.say(saysEnded+strconv.Itoa(exitCode), true) }

// forOthers is how long the run waits for further visitors once one has fetched everything. That
// one may have been there for somebody who is gone, and whose place another has taken.
const forOthers = 30 * time.Second

// Await waits until somebody has fetched the results, and the others who are there have as well,
// for so long at most, or until the context is done.
func (r *Run) Await(ctx context.Context, atMost time.Duration) (fetched bool) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-r.fetched:
		r.awaitOthers(ctx)
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}

// awaitOthers waits until no visitor is there.
func (r *Run) awaitOthers(ctx context.Context) {
	timer := time.NewTimer(forOthers)
	defer timer.Stop()
	for {
		r.mu.Lock()
		visitors, left := r.visitors, r.left
		r.mu.Unlock()
		if visitors == 0 {
			return
		}
		select {
		case <-left:
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		}
	}
}

// Close removes the socket.
func (r *Run) Close() error { return r.listener.Close() }

// ErrNoRun says that no run works in the folder, or waits there.
var ErrNoRun = errors.New("no run works in it, or waits to be fetched")

// Visit is the side of who fetches.
type Visit struct {
	// ExitCode is the run's.
	ExitCode int
	c        net.Conn
}

// AwaitEnd waits until the run that works in the folder has written its reports, and tells
// how far it is meanwhile. ErrNoRun means that there is none.
func AwaitEnd(folder string, tell func(string)) (*Visit, error) {
	c, err := net.Dial("unix", Socket(folder))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTSOCK):
		return nil, ErrNoRun
	case err != nil:
		return nil, err
	}
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		if code, ok := strings.CutPrefix(lines.Text(), saysEnded); ok {
			exitCode, err := strconv.Atoi(code)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("the run says %q", lines.Text()), c.Close())
			}
			return &Visit{ExitCode: exitCode, c: c}, nil
		}
		tell(strings.TrimPrefix(lines.Text(), saysSo))
	}
	return nil, errors.Join(errors.New("the run went away before its end"), lines.Err(), c.Close())
}

// Done says whether everything was fetched: then the run need not wait any longer.
func (v *Visit) Done(fetched bool) error {
	var err error
	if fetched {
		_, err = io.WriteString(v.c, hasAll+"\n")
	}
	return errors.Join(err, v.c.Close())
}
